from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.faults import arming, orders  # noqa: PLC0415 - these import models, which are there only now

        arming.arm()
        orders.follow()
