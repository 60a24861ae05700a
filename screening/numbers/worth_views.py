"""What a flag was worth so far, as a part of the study page."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from screening.numbers.worth import worth_of_flags
from screening.results.models import ModelVersion
from screening.review.blinding import Veil
from screening.review.selectors import study_for


@never_cache
@login_required
@require_safe
def worth(request: HttpRequest, study_id: UUID, model_id: UUID) -> HttpResponse:
    """How many of 100 flags like those of a model on this study readers confirmed; nothing for who is blinded.

    A reviewer from whom anything is hidden is told nothing: a count that grows tells what a single study was.
    """
    found = study_for(request.user, study_id)
    veil = Veil(request.user)
    if any(site.pk == found.site_id for site in veil.sites) and not veil.is_thin:
        return HttpResponse(status=204)
    version = get_object_or_404(ModelVersion, pk=model_id)
    return render(request, "numbers/_worth.html", {"worth": worth_of_flags(found, version)})
