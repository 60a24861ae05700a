"""The page on which people make and revoke their API tokens."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from screening.audit.actor import Actor
from screening.people.forms import TokenForm
from screening.people.tokens import NewToken, make_token, revoke_token, tokens_of
from screening.users.models import ApiToken, User


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """List one's tokens and make one. The answer to making it is the only page that ever shows it."""
    user = request.user
    assert isinstance(user, User)
    memberships = list(user.memberships.select_related("site").order_by("site__name"))
    form = TokenForm(memberships, request.POST or None)
    made: NewToken | None = None
    if request.method == "POST" and form.is_valid():
        chosen = form.cleaned_data
        made = make_token(
            user=user, site=chosen["site"], name=chosen["name"], scopes=chosen["scopes"], days=chosen["days"]
        )
        form = TokenForm(memberships)
    context = {"form": form, "made": made, "tokens": tokens_of(user), "now": timezone.now(), "memberships": memberships}
    return render(request, "people/tokens.html", context)


@login_required
@require_POST
def token_revoke(request: HttpRequest, digest: str) -> HttpResponse:
    """End one of one's own tokens."""
    user = request.user
    assert isinstance(user, User)
    token = get_object_or_404(ApiToken, user=user, digest=digest)
    revoke_token(token=token, actor=Actor.user(user))
    messages.success(request, _("The token “%s” no longer works.") % token.name)
    return redirect("tokens")
