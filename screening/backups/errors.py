"""Why a backup was not made, or not put back."""


class Refused(Exception):
    """A backup cannot be made or put back; the person at the terminal can do something about it."""

    def __init__(self, code: str, what_happened: str, what_to_do: str) -> None:
        self.code = code
        self.what_happened = what_happened
        self.what_to_do = what_to_do
        super().__init__(f"{what_happened} {what_to_do} [{code}]")
