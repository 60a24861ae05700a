"""Who may do what: one function per question. A stranger to a site sees nothing of it."""

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from screening.users.models import Membership, Role, Scope, Site, User

UPLOADERS = (Role.STAFF, Role.ADMIN)
API_UPLOADERS = (Role.STAFF, Role.INTEGRATOR, Role.ADMIN)
READERS = (Role.REVIEWER, Role.ADMIN)
SEE_RESULTS = (Role.STAFF, Role.REVIEWER, Role.INTEGRATOR, Role.ADMIN)
SEE_PATHS = (Role.STAFF, Role.ADMIN)  # paths are identifying: reviewers never see one
ADMINISTRATORS = (Role.ADMIN,)

# What a token of somebody in this role may do at most.
SCOPES_OF: dict[Role, tuple[Scope, ...]] = {
    Role.STAFF: (Scope.READ, Scope.UPLOAD),
    Role.REVIEWER: (Scope.READ, Scope.REVIEW),
    Role.INTEGRATOR: (Scope.READ, Scope.UPLOAD),
    Role.ADMIN: (Scope.READ, Scope.UPLOAD, Scope.REVIEW, Scope.WEBHOOKS),
}


def role_at(user: User | AnonymousUser, site_id: UUID) -> Role | None:
    """The user's role at the site, or None for a stranger."""
    if not isinstance(user, User):
        return None
    value = Membership.objects.filter(user_id=user.pk, site_id=site_id).values_list("role", flat=True).first()
    return Role(value) if value else None


def sites_where(user: User | AnonymousUser, roles: tuple[Role, ...]) -> QuerySet[Site]:
    """Sites at which the user holds one of the roles. Nothing for an anonymous visitor."""
    return sites_of(user.pk, roles) if isinstance(user, User) else Site.objects.none()


def sites_of(user_id: int, roles: tuple[Role, ...]) -> QuerySet[Site]:
    """The same of somebody who is known by number."""
    return Site.objects.filter(Q(memberships__user_id=user_id) & Q(memberships__role__in=roles))


def holds(user: User | AnonymousUser, site_id: UUID, roles: tuple[Role, ...]) -> bool:
    """Whether the user holds one of the roles at the site."""
    return role_at(user, site_id) in roles


def runs_installation(user: User | AnonymousUser) -> bool:
    """Whether the user may decide for every site at once, such as which model versions there are.

    It opens no site: that is what memberships are for. `manage.py operator` gives and takes it.
    """
    return isinstance(user, User) and user.is_active and user.is_superuser
