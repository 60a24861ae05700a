"""Why a backup was not made, or not put back."""

from screening.store.objects import objects


class Refused(Exception):
    """A backup cannot be made or put back; the person at the terminal can do something about it."""

    def __init__(self, code: str, what_happened: str, what_to_do: str) -> None:
        self.code = code
        self.what_happened = what_happened
        self.what_to_do = what_to_do
        super().__init__(f"{what_happened} {what_to_do} [{code}]")


def refuse_with_a_store() -> None:
    """See that pictures and keys lie in folders of this machine.

    Raises:
        Refused: they lie in a store, which is copied by its own means.
    """
    if objects() is not None:
        raise Refused(
            "store_in_use",
            "STORAGE_URL names a store: pictures and keys lie there, and this command copies folders.",
            "Dump the database with pg_dump first, then copy the bucket below its prefix; put both back in the other "
            "order, and run `manage.py verify_integrity`. docs/operations.md says how.",
        )
