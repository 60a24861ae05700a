"""Pages of a site's administrators: members, invitations, policy, and what happened."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import verify_chain
from screening.people.forms import LimitsForm, PolicyForm, RoleForm
from screening.people.links import NewLink, invite, open_invitations, withdraw_invitation
from screening.people.members import change_role, remove_member, set_limits, set_policy
from screening.people.reads_forms import ReadsForm
from screening.people.selectors import administered, members_of, site_events
from screening.users.models import Membership, Site, User


@login_required
@require_safe
def sites(request: HttpRequest) -> HttpResponse:
    """The sites that one administers; straight to it where there is only one."""
    mine = list(administered(_user(request)))
    if len(mine) == 1:
        return redirect("admin_site", mine[0].pk)
    return render(request, "people/sites.html", {"sites": mine})


@never_cache
@login_required
@require_safe
def admin_site(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Members, open invitations and policy of a site."""
    return _page(request, _site(request, site_id))


@never_cache
@login_required
@require_POST
def site_invite(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Make an invitation. The answer is the only page that ever shows its link."""
    site = _site(request, site_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(request, site, form=form, status=400)
    user = _user(request)
    return _page(
        request, site, made=invite(site=site, role=form.cleaned_data["role"], actor=Actor.user(user), created_by=user)
    )


@login_required
@require_POST
def invitation_withdraw(request: HttpRequest, site_id: UUID, link_id: int) -> HttpResponse:
    """Make an open invitation useless."""
    withdraw_invitation(site=_site(request, site_id), link_id=link_id, actor=Actor.user(_user(request)))
    messages.success(request, _("The invitation no longer works."))
    return redirect("admin_site", site_id)


@login_required
@require_POST
def member_role(request: HttpRequest, site_id: UUID, membership_id: int) -> HttpResponse:
    """Give a member another role."""
    membership = _membership(request, site_id, membership_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _page(request, membership.site, status=400)
    change_role(membership=membership, role=form.cleaned_data["role"], actor=Actor.user(_user(request)))
    messages.success(
        request,
        _("%(name)s is now: %(role)s.") % {"name": membership.user.username, "role": form.cleaned_data["role"].label},
    )
    return redirect("admin_site", site_id)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def member_remove(request: HttpRequest, site_id: UUID, membership_id: int) -> HttpResponse:
    """Ask, then end a membership and the person's tokens at the site."""
    membership = _membership(request, site_id, membership_id)
    if request.method != "POST":
        return render(request, "people/member_remove.html", {"membership": membership, "site": membership.site})
    remove_member(membership=membership, actor=Actor.user(_user(request)))
    messages.success(request, _("%s no longer belongs to this site.") % membership.user.username)
    return redirect("sites" if membership.user_id == request.user.pk else reverse("admin_site", args=[site_id]))


@login_required
@require_POST
def site_policy(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Change what the site decides for all its pictures."""
    site = _site(request, site_id)
    form = PolicyForm(request.POST)
    form.is_valid()
    set_policy(site_id=site.pk, actor=Actor.user(_user(request)), **form.cleaned_data)
    messages.success(request, _("The policy is stored. It holds for pictures that arrive from now on."))
    return redirect("admin_site", site_id)


@never_cache
@login_required
@require_POST
def site_limits(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """Change by when the site's studies are to be read, and which of them."""
    site = _site(request, site_id)
    form = LimitsForm(request.POST)
    if not form.is_valid():
        return _page(request, site, limits=form, status=400)
    set_limits(site_id=site.pk, actor=Actor.user(_user(request)), **form.cleaned_data)
    messages.success(request, _("Stored. It holds for every study that waits."))
    return redirect("admin_site", site_id)


@login_required
@require_safe
def site_audit(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """What happened at the site, the newest first, and whether the chain is whole."""
    site = _site(request, site_id)
    page = site_events(site, before=request.GET.get("before", ""))
    return render(
        request, "people/audit.html", {"site": site, "page": page, "report": verify_chain(ChainKind.SITE, site.pk)}
    )


def _page(
    request: HttpRequest,
    site: Site,
    *,
    made: NewLink | None = None,
    form: RoleForm | None = None,
    limits: LimitsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    link = request.build_absolute_uri(reverse("invitation", args=[made.secret])) if made else ""
    context = {
        "site": site,
        "members": members_of(site),
        "invitations": open_invitations(site),
        "form": form or RoleForm(),
        "policy": PolicyForm(initial={"hold_burned_in": site.hold_burned_in, "mask_text": site.mask_text}),
        "limits": limits or LimitsForm(initial=model_to_dict(site, ["flagged_hours", "rest_hours", "reads"])),
        "reads": ReadsForm.of(site),
        "made": made,
        "link": link,
    }
    return render(request, "people/site.html", context, status=status)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user


def _site(request: HttpRequest, site_id: UUID) -> Site:
    return get_object_or_404(administered(_user(request)), pk=site_id)


def _membership(request: HttpRequest, site_id: UUID, membership_id: int) -> Membership:
    site = _site(request, site_id)
    return get_object_or_404(Membership.objects.select_related("user", "site"), pk=membership_id, site=site)
