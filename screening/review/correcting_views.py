"""Asking for a picture to be turned or inverted, and screened anew."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from screening.audit.actor import Actor
from screening.errors import ScreeningError
from screening.flows.correcting import ask_correction
from screening.review.blinding import is_hidden
from screening.review.selectors import image_for, may_answer
from screening.users.models import User


@login_required
@require_POST
def correct(request: HttpRequest, image_id: UUID) -> HttpResponse:
    """Have a corrected picture made; the study says when it is there."""
    image = image_for(request.user, image_id)
    if not isinstance(request.user, User) or not may_answer(request.user, image.study):
        raise Http404
    if is_hidden(request.user, image.study):  # what can be corrected says what the gate found
        raise Http404
    wanted = request.POST.get("correction", "")
    try:
        ask_correction(image_id=image.pk, correction=wanted, actor=Actor.user(request.user))
        messages.success(request, _("The corrected picture is being made and screened. Reload in a moment."))
    except ScreeningError as error:
        messages.error(request, str(error))
    return redirect("review:study", image.study_id)
