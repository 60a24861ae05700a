"""Client of the chest screening service. For education only, not a medical device."""

from chest_client.aclient import AsyncClient
from chest_client.answers import FileAnswer, Found, Item, Model, Receipt, Result, Study, StudyPage, Upload, Webhook
from chest_client.client import Client
from chest_client.errors import (
    Busy,
    ClientError,
    Conflict,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Refused,
    TookTooLong,
    TooLarge,
    UnexpectedAnswer,
    Unreachable,
)
from chest_client.local import LocalFile, read_folder
from chest_client.retrying import Patience
from chest_client.version import VERSION

__version__ = VERSION
__all__ = [
    "AsyncClient",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "FileAnswer",
    "Found",
    "Item",
    "LocalFile",
    "Model",
    "NotAllowed",
    "NotFound",
    "NotSignedIn",
    "Patience",
    "Receipt",
    "Refused",
    "Result",
    "Study",
    "StudyPage",
    "TooLarge",
    "TookTooLong",
    "UnexpectedAnswer",
    "Unreachable",
    "Upload",
    "Webhook",
    "read_folder",
]
