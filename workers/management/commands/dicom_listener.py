import signal
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from workers import heartbeat
from workers.crew import PROGRESS
from workers.dicom.listener import Listener, report_threads
from workers.release import end_when_upgraded, refuse_other_release

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    requires_system_checks = []
    help = "Take objects by C-STORE from those that `dicom_sender` names, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        config = settings.CONFIG
        parser.add_argument("--address", default=config.dicom_address)
        parser.add_argument("--port", type=int, default=config.dicom_port)

    def handle(self, *, address: str, port: int, **_: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        refuse_other_release()
        end_when_upgraded(stop)
        report_threads()
        config = settings.CONFIG
        listener = Listener(title=config.dicom_ae_title, associations=config.dicom_associations)
        bound = listener.start(address, port)
        heartbeat.start()
        log.info("listening", port=bound)
        PROGRESS.enroll()
        while not stop.wait(1.0):
            PROGRESS.note()
        listener.stop()
        log.info("listener_ended")
