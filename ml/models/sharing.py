"""One trunk in memory for every head on it, and what it gave for the latest planes.

Models that differ in their heads alone are loaded one by one, each in its own lane. The trunk is by far the most
of the work: whoever comes second with the same plane finds its features.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet, WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]  # (planes, features)
Compute = Callable[[NDArray[np.uint8]], Features]

REMEMBERED: Final = 2048  # planes; 11 kB each for 2,664 features


class SharedTrunk:
    """A function from planes to features. It remembers what it gave only while two models or more use it."""

    def __init__(self, compute: Compute, width: int, remembered: int = REMEMBERED) -> None:
        self.width = width  # how many features
        self.compute = compute
        self._most = remembered
        self._lock = threading.Lock()  # a model is loaded, and warmed up, while another computes
        self._known: OrderedDict[bytes, Features] = OrderedDict()
        self.users: WeakSet[Any] = WeakSet()

    def features(self, planes: NDArray[np.uint8]) -> Features:
        """Return float32 `(n, features)` for uint8 planes `(n, 512, 512)`; only unknown ones are computed."""
        if len(self.users) < 2:
            return self.compute(planes)
        names = [hashlib.sha256(np.ascontiguousarray(plane).data).digest() for plane in planes]
        with self._lock:
            found = {name: self._known[name] for name in names if name in self._known}
        missing = [place for place, name in enumerate(names) if name not in found]
        if missing:
            rows = self.compute(planes[missing])
            found |= {names[place]: row for place, row in zip(missing, rows, strict=True)}
        self._remember(found)
        return np.stack([found[name] for name in names])

    def _remember(self, found: dict[bytes, Features]) -> None:
        with self._lock:
            for name, row in found.items():
                self._known[name] = row
                self._known.move_to_end(name)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


class Trunks:
    """The trunks that some model in memory uses; one that none uses any more is let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: WeakValueDictionary[str, SharedTrunk] = WeakValueDictionary()

    def get(self, name: str, load: Callable[[], tuple[Compute, int]], user: Any) -> SharedTrunk:
        """Return the trunk of this name, loaded at first use; `user` is counted until it is let go."""
        with self._lock:
            trunk = self._loaded.get(name)
            if trunk is None:
                trunk = self._loaded[name] = SharedTrunk(*load())
            trunk.users.add(user)
            return trunk
