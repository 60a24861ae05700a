from django.apps import AppConfig

from tests.faults import orders


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.faults import arming  # noqa: PLC0415 - it imports models, which are there only now

        arming.arm()
        orders.follow()
