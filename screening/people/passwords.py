"""Passwords that people set themselves."""

from django.db import transaction

from screening.people.entry import tell_sites
from screening.users.models import User


def set_password(*, user: User, password: str) -> User:
    """Store the password's hash and write to the audit that there is a new one."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        tell_sites(user, "password:set")
    return user
