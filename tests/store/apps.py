from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "tests.store"
    label = "store_tests"

    def ready(self) -> None:
        from tests.store import weighing  # noqa: PLC0415 - it imports models, which are there only now

        weighing.weigh()
