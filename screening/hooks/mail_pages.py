"""The page on which people say whether they want e-mail."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from screening.hooks.forms import MailForm
from screening.hooks.letters import confirmed_by
from screening.hooks.mail import TooManyAddresses, asked_at, confirm_mail, want_mail, want_no_mail
from screening.outbox.models import MailWish
from screening.users.models import User


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def notifications(request: HttpRequest) -> HttpResponse:
    """Say where one wants e-mail, and about what."""
    user = _user(request)
    wish = MailWish.objects.filter(user=user).first()
    start = {"address": wish.address, "uploads": wish.uploads} if wish else {"address": user.email, "uploads": True}
    form = MailForm(request.POST or None, initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            stored = want_mail(user=user, **form.cleaned_data)
        except TooManyAddresses:
            form.add_error(
                "address", _("Links were sent to three addresses of yours within a day. Try again tomorrow.")
            )
        else:
            _tell(request, stored)
            return redirect("hooks:notifications")
    return render(request, "hooks/notifications.html", {"form": form, "wish": wish})


def _tell(request: HttpRequest, stored: MailWish) -> None:
    if stored.confirmed_at is not None:
        messages.success(request, _("Stored."))
        return
    on_its_way = _("A letter with a link is on its way, or came within the last day.")
    messages.info(request, f"{on_its_way} {_('Open the link while you are signed in.')}")


@login_required
@require_POST
def no_mail(request: HttpRequest) -> HttpResponse:
    """Forget one's address."""
    want_no_mail(user=_user(request))
    messages.success(request, _("Your address is forgotten. No e-mail is sent to you."))
    return redirect("hooks:notifications")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, then confirm one's own address. A link that was made for somebody else leads nowhere."""
    user = _user(request)
    found = confirmed_by(token)
    if found is None or found[0] != user.pk:
        raise Http404
    address = asked_at(user=user, token=token)
    if address is not None and request.method != "POST":
        return render(request, "hooks/confirm.html", {"address": address})
    if address is not None and confirm_mail(user=user, token=token):
        messages.success(request, _("Your address is confirmed."))
    else:
        messages.error(request, _("This link is about an address that you have replaced since."))
    return redirect("hooks:notifications")


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user
