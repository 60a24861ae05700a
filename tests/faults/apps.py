from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.faults import arming  # noqa: PLC0415 - it imports models, which are there only now

        arming.arm()
