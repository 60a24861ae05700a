"""Who may open these pages. A site that is not for a user does not exist for them."""

from uuid import UUID

from django.http import Http404, HttpRequest

from screening.users.models import Role, Site, User
from screening.users.roles import ADMINISTRATORS, sites_where


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user


def site_for(request: HttpRequest, site_id: UUID, roles: tuple[Role, ...] = ADMINISTRATORS) -> Site:
    """The site, if the visitor holds one of the roles there.

    Raises:
        Http404: there is none, or it is not for this visitor.
    """
    site = sites_where(person(request), roles).filter(pk=site_id).first()
    if site is None:
        raise Http404
    return site
