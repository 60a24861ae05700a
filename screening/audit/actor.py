"""Who did it."""

from dataclasses import dataclass

from screening.users.models import User


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a service, as the audit names it: never by a person's name."""

    key: str

    @classmethod
    def user(cls, user: User) -> "Actor":
        return cls(f"user:{user.pk}")

    @classmethod
    def service(cls, name: str) -> "Actor":
        return cls(f"service:{name}")
