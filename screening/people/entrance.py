"""Pages of coming in and going out."""

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from ml.vocabulary import DISCLAIMER_VERSION
from screening.errors import InvitationInvalid, UsernameTaken
from screening.people.entry import NewAccount, accept_disclaimer, join, record_sign_in, use_sign_in_link
from screening.people.forms import AcceptForm, JoinForm, PasswordForm, SignInForm
from screening.people.links import find_link
from screening.people.middleware import SESSION_KEY
from screening.people.passwords import set_password
from screening.users.models import DisclaimerAcceptance, OneTimeLink, Role, User

BACKEND = "django.contrib.auth.backends.ModelBackend"
# Where a person starts, by the first of these roles that they hold somewhere.
START = (
    (Role.ADMIN, "desk:upload"),
    (Role.STAFF, "desk:upload"),
    (Role.REVIEWER, "review:worklist"),
    (Role.INTEGRATOR, "tokens"),
)


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Send everybody to where their work begins."""
    roles = set(_user(request).memberships.values_list("role", flat=True))
    for role, start in START:
        if role in roles:
            return redirect(start)
    return render(request, "people/no_site.html")


@method_decorator([never_cache, require_http_methods(["GET", "HEAD", "POST"])], name="dispatch")
class SignIn(LoginView):
    template_name = "people/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        assert isinstance(user, User)
        record_sign_in(user=user, method="password")
        _remember_acceptance(self.request, user)
        return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, secret: str) -> HttpResponse:
    """Sign in by a one-time link. Looking (as previews of links do) uses nothing up: the button does."""
    try:
        if request.method != "POST":
            find_link(secret, OneTimeLink.Kind.SIGN_IN)
            return render(request, "people/enter.html")
        user = use_sign_in_link(secret=secret)
    except InvitationInvalid as error:
        return _useless_link(request, error)
    _sign_in(request, user)
    return redirect("home" if user.has_usable_password() else "password")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Join a site by an invitation: with the account one is signed in with, or with a new one."""
    member = request.user if isinstance(request.user, User) else None
    form = JoinForm(request.POST if request.method == "POST" and member is None else None)
    try:
        link = find_link(secret, OneTimeLink.Kind.INVITATION)
        if request.method == "POST" and (member is not None or form.is_valid()):
            return _join(request, secret, member, form)
    except InvitationInvalid as error:
        return _useless_link(request, error)
    except UsernameTaken as error:
        form.add_error("username", str(error))
    context = {"form": form, "site": link.site, "role": Role(link.role), "member": member}
    return render(request, "people/invitation.html", context)


def _join(request: HttpRequest, secret: str, member: User | None, form: JoinForm) -> HttpResponse:
    account = (
        None if member else NewAccount(username=form.cleaned_data["username"], password=form.cleaned_data["password"])
    )
    joined = join(secret=secret, user=member, account=account)
    if member is None:
        _sign_in(request, joined)
    messages.success(request, _("You belong to the site now."))
    return redirect("home")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def disclaimer(request: HttpRequest) -> HttpResponse:
    """Show the disclaimer; accept its current version."""
    user = _user(request)
    onward = _onward(request)
    form = AcceptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        accept_disclaimer(user=user)
        request.session[SESSION_KEY] = DISCLAIMER_VERSION
        return HttpResponseRedirect(onward)
    accepted = DisclaimerAcceptance.objects.filter(user=user, version=DISCLAIMER_VERSION).first()
    return render(request, "people/disclaimer.html", {"form": form, "next": onward, "accepted": accepted})


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Set or change one's password. Every other session of the person ends."""
    user = _user(request)
    form = PasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        set_password(user=user, password=form.cleaned_data["new"])
        update_session_auth_hash(request, user)
        messages.success(request, _("Your password is set. Every other session of yours was ended."))
        return redirect("home")
    return render(request, "people/password.html", {"form": form, "first": not user.has_usable_password()})


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user


def _sign_in(request: HttpRequest, user: User) -> None:
    login(request, user, backend=BACKEND)
    _remember_acceptance(request, user)


def _remember_acceptance(request: HttpRequest, user: User) -> None:
    if DisclaimerAcceptance.objects.filter(user=user, version=DISCLAIMER_VERSION).exists():
        request.session[SESSION_KEY] = DISCLAIMER_VERSION


def _onward(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    own = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return wanted if own else reverse("home")


def _useless_link(request: HttpRequest, error: InvitationInvalid) -> HttpResponse:
    context = {"message": error.what_happened, "what_to_do": error.what_to_do}
    return render(request, "people/useless_link.html", context, status=error.http_status)
