"""Who may see and do what through the API. What a caller may not see is not found."""

from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from screening.api.repeating import HEADER, Body, Keeping, Repeating, repeated
from screening.audit.actor import Actor
from screening.classes.selectors import closed_studies
from screening.errors import AnswerFirst, NotAllowed
from screening.hooks.selectors import counted
from screening.outbox.models import Endpoint
from screening.review.blinding import is_hidden
from screening.studies.models import Image, Study
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import ApiToken, Role, Scope, Site, User
from screening.users.roles import (
    ADMINISTRATORS,
    API_UPLOADERS,
    READERS,
    SEE_PATHS,
    SEE_RESULTS,
    UPLOADERS,
    role_at,
    sites_where,
)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SEEING = (Scope.READ, Scope.UPLOAD)  # receipts are an uploader's, results a reader's


class HasScope(BasePermission):
    """Signed in, and with a token: one whose scopes include what the view asks for the method."""

    message = "This token lacks the scope that is needed here."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.user, User):
            return False
        if not isinstance(request.auth, ApiToken):
            return True
        needed = view.reading_scopes if request.method in SAFE else view.writing_scopes  # type: ignore[attr-defined] # ApiView has them
        return bool(set(request.auth.scopes).intersection(needed))


class OneForm(BaseContentNegotiation):
    """Each address has one form, and its refusals are JSON: what a caller would rather have changes neither."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002 - the signature is DRF's
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """The base of every view of the API."""

    permission_classes = (HasScope,)
    content_negotiation_class: type[BaseContentNegotiation] = OneForm
    reading_scopes: tuple[Scope, ...] = (Scope.READ,)
    writing_scopes: tuple[Scope, ...] = (Scope.UPLOAD,)
    repeating = Repeating.OWN

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let a POST under an `Idempotency-Key` be done once: see `repeating.py`."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and HEADER in request.headers:
            act = getattr(self, "post", self.http_method_not_allowed)

            def post(request: Request, **parts: Any) -> Response:
                keeping = Keeping(self.keep, self.tell)
                return repeated(request, self.repeating, keeping, lambda: act(request, **parts))

            vars(self)["post"] = post  # of this request alone

    def keep(self, body: Body) -> Body:
        """What is kept of an answer that may have to be told again: all of it, unless a view says otherwise."""
        return body

    def tell(self, body: Body) -> Body:
        """What is told again of what was kept."""
        return body


def caller(request: Request) -> User:
    """Give the user behind a request that `HasScope` let through."""
    if not isinstance(request.user, User):  # a view without the permission would be a bug
        raise TypeError("an anonymous request reached a view")
    return request.user


def actor(request: Request) -> Actor:
    """Give the caller as the audit names it."""
    return Actor.user(caller(request))


def sites(request: Request, roles: tuple[Role, ...] = SEE_RESULTS) -> QuerySet[Site]:
    """Sites at which the caller holds one of the roles; a token counts at its own site alone."""
    found = sites_where(caller(request), roles)
    return found.filter(pk=request.auth.site_id) if isinstance(request.auth, ApiToken) else found


def one_site(request: Request, site_id: UUID | None, roles: tuple[Role, ...]) -> Site:
    """Give the site that was named, or the only one there is, with the caller's `role` there.

    Raises:
        NotFound: not a site of the caller.
        NotAllowed: a site of the caller, in another role.
        ValidationError: none was named and there are several.
    """
    seen = sites(request)
    if site_id is not None:
        seen = seen.filter(pk=site_id)
    # Who polls asks for its change number next, and for what is hidden from their role.
    first_two = list(seen.annotate(role=F("memberships__role")).select_related("change")[:2])
    if not first_two:
        raise NotFound
    if len(first_two) > 1:
        raise ValidationError({"site": ["You belong to several sites: name one."]})
    if roles != SEE_RESULTS and not sites(request, roles).filter(pk=first_two[0].pk).exists():
        raise NotAllowed("Your role at this site does not permit this.")
    return first_two[0]


def require_still_welcome(request: Request, site_id: UUID) -> None:
    """Make sure that a caller who has waited may still read the site's results.

    Raises:
        NotFound: they may not; the token may have been revoked meanwhile.
    """
    token = request.auth
    kept = not isinstance(token, ApiToken) or ApiToken.objects.filter(pk=token.pk).exists()
    if not kept or not sites(request).filter(pk=site_id).exists():
        raise NotFound


def visible_uploads(request: Request) -> QuerySet[Upload]:
    """Uploads of the caller's sites."""
    return Upload.objects.filter(site__in=sites(request)).select_related("site", "created_by")


def visible_upload(request: Request, upload_id: UUID) -> Upload:
    """Give an upload of one of the caller's sites.

    Raises:
        NotFound: there is none that the caller may see.
    """
    upload = visible_uploads(request).filter(pk=upload_id).first()
    if upload is None:
        raise NotFound
    return upload


def own_upload(request: Request, upload_id: UUID) -> Upload:
    """Give an upload that the caller may act on: anyone's for staff, their own for integrators.

    Raises:
        NotFound: there is none that the caller may see.
        NotAllowed: the caller sees it and may not change it.
    """
    upload = visible_upload(request, upload_id)
    if not _may_change(request, upload):
        raise NotAllowed("Only the staff of the site and the uploader may do this.")
    return upload


def _may_change(request: Request, upload: Upload) -> bool:
    role = role_at(caller(request), upload.site_id)
    return role in UPLOADERS or (role in API_UPLOADERS and upload.created_by_id == caller(request).pk)


def sees_paths(request: Request, upload: Upload) -> bool:
    """Whether the caller sees paths and names of this upload: staff of the site, and integrators their own.

    A token needs the scope to upload: one that only reads results learns no path.
    """
    if isinstance(request.auth, ApiToken) and Scope.UPLOAD not in request.auth.scopes:
        return False
    role = role_at(caller(request), upload.site_id)
    return role in SEE_PATHS or (role == Role.INTEGRATOR and upload.created_by_id == caller(request).pk)


def visible_studies(request: Request) -> QuerySet[Study]:
    """Studies of the caller's sites, but for those that they read in a class."""
    return Study.objects.filter(site__in=sites(request)).exclude(closed_studies(caller(request).pk))


def visible_study(request: Request, study_id: UUID) -> Study:
    """Give a study of one of the caller's sites.

    Raises:
        NotFound: there is none that the caller may see.
    """
    study = visible_studies(request).filter(pk=study_id).first()
    if study is None:
        raise NotFound
    return study


def open_study(request: Request, study_id: UUID) -> Study:
    """Give a study of which the caller may see what models and other readers said.

    Raises:
        NotFound: there is none that the caller may see.
        AnswerFirst: the caller is to answer about it blindly.
    """
    study = visible_study(request, study_id)
    require_open(request, study)
    return study


def require_open(request: Request, study: Study) -> None:
    """Refuse what says something about a study that the caller is to answer about blindly.

    Raises:
        AnswerFirst: so it is.
    """
    if is_hidden(caller(request), study):
        raise AnswerFirst("What models and other readers said about this study is not shown to you yet.")


def readable_study(request: Request, study_id: UUID) -> Study:
    """Give a study that the caller may answer about.

    Raises:
        NotFound: there is none that the caller may see.
        NotAllowed: the caller sees it and is no reader there.
    """
    study = visible_study(request, study_id)
    if role_at(caller(request), study.site_id) not in READERS:
        raise NotAllowed("Only reviewers answer.")
    return study


def deletable_study(request: Request, study_id: UUID) -> Study:
    """Give a study that the caller may purge: any for staff, for integrators one that nobody else sent a part of.

    Raises:
        NotFound: there is none that the caller may see.
        NotAllowed: the caller sees it and may not delete it.
    """
    study = visible_study(request, study_id)
    if not _may_change(request, Upload.objects.get(pk=study.upload_id)) or _is_partly_of_others(request, study):
        raise NotAllowed("Only the staff of the site, and who sent all of it, may delete a study.")
    return study


def _is_partly_of_others(request: Request, study: Study) -> bool:
    """Whether an integrator would delete files that somebody else sent."""
    user = caller(request)
    brought = Item.objects.filter(study_id=study.pk, state=ItemState.ACCEPTED)
    return role_at(user, study.site_id) not in UPLOADERS and brought.exclude(upload__created_by=user).exists()


def administered_endpoint(request: Request, webhook_id: UUID) -> Endpoint:
    """Give a webhook of a site that the caller administers, also one that was removed.

    Raises:
        NotFound: there is none that the caller may see.
    """
    return _endpoint_of(Endpoint.objects.filter(site__in=sites(request, ADMINISTRATORS)), webhook_id)


def visible_endpoint(request: Request, webhook_id: UUID) -> Endpoint:
    """Give a webhook of a site that the caller administers, with `waiting` and `dead`.

    Raises:
        NotFound: there is none that the caller may see.
    """
    return _endpoint_of(counted(Endpoint.objects.kept().filter(site__in=sites(request, ADMINISTRATORS))), webhook_id)


def _endpoint_of(found: QuerySet[Endpoint], webhook_id: UUID) -> Endpoint:
    endpoint = found.filter(pk=webhook_id).first()
    if endpoint is None:
        raise NotFound
    return endpoint


def visible_image(request: Request, image_id: UUID) -> Image:
    """Give a picture of one of the caller's sites.

    Raises:
        NotFound: there is none that the caller may see.
    """
    image = Image.objects.filter(site__in=sites(request), pk=image_id).first()
    if image is None:
        raise NotFound
    return image
