"""The one device that all models of this process share."""

import threading
from typing import Final

DEVICE: Final = threading.Lock()  # held while something computes on it, and while it is measured
READY: Final = threading.Lock()  # held by the one batch that has begun and waits for the device
