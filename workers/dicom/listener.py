"""The process that takes objects by C-STORE: who may call, how much at once, and a gentle end.

pynetdicom and pydicom write identifiers into their logs and warnings: both are silenced here, whatever the level.
"""

import logging
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings
from django.db import OperationalError, connections
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined] # made at import

from ml.images.layout import COMPRESSED, NATIVE
from screening.dicomweb.models import DicomSender
from screening.dicomweb.senders import sender_for
from workers.dicom.receiving import Status, receive
from workers.reporting import report

log = structlog.get_logger(__name__)

PDU_BYTES: Final = 128 * 1024  # the largest that a sender may form
ACSE_SECONDS: Final = 10  # for an association to be asked for, and for its end
IDLE_SECONDS: Final = 60  # without a message, after which an association is ended
GENTLE_SECONDS: Final = 4.0  # for associations to end by themselves after SIGTERM
LAST_SECONDS: Final = 1.5  # more, for what is being committed
REJECTED: Final = (0x01, 0x01, 0x03)  # permanently, by the user of the service: calling AE title not recognised


class Listener:
    """An application entity that verifies and stores, and nothing else.

    Args:
        title: Of our own.
        associations: At most at the same time. An object is in memory until it is stored: together they take at
            most so many times the largest file that is accepted.
    """

    def __init__(self, *, title: str, associations: int) -> None:
        silence()
        self._ae = AE(ae_title=title)
        self._ae.maximum_pdu_size = PDU_BYTES
        self._ae.maximum_associations = associations
        self._ae.acse_timeout = ACSE_SECONDS
        self._ae.dimse_timeout = self._ae.network_timeout = IDLE_SECONDS
        self._ae.require_called_aet = True
        self._ae.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            # Also what is no picture: its receipt says so, where a refused context would be tried for ever.
            self._ae.add_supported_context(str(context.abstract_syntax), sorted(NATIVE | COMPRESSED))
        self._counts: WeakKeyDictionary[Association, Counter[str]] = WeakKeyDictionary()
        self._arriving: WeakKeyDictionary[Association, int] = WeakKeyDictionary()
        self._handling = 0
        self._lock = threading.Lock()

    def start(self, address: str, port: int) -> int:
        """Listen in threads of its own. The port, which is another if 0 was asked for."""
        handlers = [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_PDU_RECV, self._on_pdu),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_RELEASED, self._on_end),
            (evt.EVT_ABORTED, self._on_end),
        ]
        server = self._ae.start_server((address, port), block=False, evt_handlers=handlers)  # type: ignore[arg-type] # its own type is narrower than what it takes
        assert server is not None, "a server that does not block is given"
        self._server = server
        assert server.socket is not None
        return int(server.socket.getsockname()[1])

    def stop(self) -> None:
        """Take no more associations, let those that are there end for a moment, then end them.

        What was answered with success is stored; what was not is sent again by its sender.
        """
        if self._server in self._ae._servers:  # noqa: SLF001 - it says so nowhere else; a second end is none
            self._server.shutdown()
        _wait(lambda: not self._ae.active_associations, GENTLE_SECONDS)
        for association in self._ae.active_associations:
            association.abort()
        _wait(lambda: self._handling == 0, LAST_SECONDS)

    def _on_requested(self, event: Event) -> None:
        """Refuse whom the table does not know by title and address."""
        association, asked = event.assoc, event.assoc.requestor.primitive
        sender = self._known(association, asked.calling_ae_title if asked else "")
        connections.close_all()  # the thread may end here, without a word
        if sender is None:
            log.warning("association_refused", why="unknown title or address")
            association.acse.send_reject(*REJECTED)
            association.kill()
            return
        self._counts[association] = Counter()

    def _on_pdu(self, event: Event) -> None:
        """End an association that sends more than is accepted before it is stored: it would all be in memory."""
        if not isinstance(event.pdu, P_DATA_TF):
            return
        with self._lock:
            held = self._arriving.get(event.assoc, 0) + event.pdu.pdu_length
            self._arriving[event.assoc] = held
        if held > settings.CONFIG.limits.file_bytes + PDU_BYTES:
            log.warning("association_ended", why="an object is larger than a file may be")
            event.assoc.abort()

    def _on_store(self, event: Event) -> int:
        """Store one object, and tell its sender."""
        with self._lock:
            self._handling += 1
        try:
            status = self._store(event)
        finally:
            # Not kept for the next object: an association may end in ways that its thread is not told of.
            connections.close_all()
            with self._lock:
                self._handling -= 1
        self._counts.setdefault(event.assoc, Counter())[status.name.lower()] += 1
        return int(status)

    def _store(self, event: Event) -> Status:
        association, data = event.assoc, event.request.DataSet  # type: ignore[union-attr] # of a C-STORE
        try:
            sender = sender_for(association.requestor.ae_title, str(association.requestor.address))
        except OperationalError as problem:
            report("sender_not_looked_up", problem)
            return Status.NO_ROOM
        if sender is None:  # it was removed, or its user, since the association began
            return Status.NOT_AUTHORIZED
        if data is None:
            return Status.NOT_UNDERSTOOD
        size = data.getbuffer().nbytes
        status = receive(sender=sender, meta=event.file_meta, data=data)
        with self._lock:
            idle = association.dimse.msg_queue.empty() and association.dimse.message is None
            self._arriving[association] = 0 if idle else max(0, self._arriving.get(association, 0) - size)
        return status

    def _on_end(self, event: Event) -> None:
        counts = self._counts.pop(event.assoc, Counter())
        log.info("association_done", **counts)

    @staticmethod
    def _known(association: Association, title: str) -> DicomSender | None:
        try:
            return sender_for(title, str(association.requestor.address))
        except Exception as problem:  # noqa: BLE001 - a database that is away knows nobody
            report("sender_not_looked_up", problem)
            return None


def _wait(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(0.05)


def silence() -> None:
    """Keep the libraries of DICOM from writing what they read into logs, warnings and tracebacks."""
    _config.LOG_HANDLER_LEVEL = "none"
    for name in ("pynetdicom", "pydicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in ("pynetdicom", "pydicom"):
        warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")


def report_threads() -> None:
    """Log what ends a thread of a library without its words."""

    def hook(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            report("thread_failed", told.exc_value)

    threading.excepthook = hook
