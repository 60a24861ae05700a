"""Who calls: a hashed, expiring token of one user at one site, or our own pages through the session."""

from hmac import compare_digest
from typing import Final

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from structlog.contextvars import bind_contextvars

from ml.vocabulary import DISCLAIMER_VERSION
from screening.errors import ScreeningError
from screening.users.models import ApiToken, User

PREFIX: Final = "Token"


class DisclaimerChanged(ScreeningError):
    """The token was made under an earlier version of the disclaimer."""

    code = "disclaimer_changed"
    http_status = 403
    what_to_do = "Sign in, accept the disclaimer as it is now, and make a new token."


class ScopedTokenAuthentication(TokenAuthentication):
    """Accept `Authorization: Token ...`. `request.auth` is the token: its site and scopes bind every view.

    Knox deletes expired tokens while it authenticates; here a read writes nothing.
    """

    def authenticate_credentials(self, token: bytes) -> tuple[User, ApiToken]:
        """Find the token by its first characters and compare hashes.

        Raises:
            AuthenticationFailed: unknown, expired, or of somebody who may no longer sign in; not said which.
            DisclaimerChanged: the disclaimer has a newer version than the one that was accepted.
        """
        text = token.decode("ascii", "replace")
        found = self._find(text)
        if found is None or not found.user.is_active:
            raise AuthenticationFailed("The token is unknown or has expired.")
        if found.disclaimer_version != DISCLAIMER_VERSION:
            raise DisclaimerChanged("The disclaimer has changed since this token was made.")
        bind_contextvars(user_id=found.user.pk)  # of the log lines of this request
        return found.user, found

    def _find(self, text: str) -> ApiToken | None:
        digest = hash_token(text)
        rows = ApiToken.objects.filter(token_key=text[: CONSTANTS.TOKEN_KEY_LENGTH]).select_related("user")
        return next((row for row in rows if compare_digest(row.digest, digest) and _lives(row)), None)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is the framework's
        return PREFIX


def _lives(token: ApiToken) -> bool:
    return token.expiry is not None and token.expiry > timezone.now()


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[misc] # drf-spectacular has no types
    """How the token appears in the OpenAPI file."""

    target_class = "screening.api.authentication.ScopedTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002 - as above
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <your token>`. Make one on the page `API tokens`; it belongs to one site.",
        }
