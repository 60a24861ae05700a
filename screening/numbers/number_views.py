"""Pages of numbers: parse, ask one question, answer."""

import csv
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from screening.numbers.access import person, site_for
from screening.numbers.number_table import HEADER, rows_of
from screening.numbers.numbers_page import PERIODS, Numbers, numbers_of
from screening.numbers.threshold_page import Choice, choices, chosen
from screening.review.stranded import stranded_at
from screening.users.models import Site
from screening.users.roles import ADMINISTRATORS, holds, sites_where
from screening.wording import in_english

DEFAULT_DAYS = PERIODS[1]


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The numbers of the site that one administers; the first by name, whose page names the others."""
    site = sites_where(person(request), ADMINISTRATORS).order_by("name").first()
    if site is None:
        raise Http404
    return redirect("numbers:numbers", site.pk)


@never_cache
@login_required
@require_safe
def numbers(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """What models and readers did at a site in a period.

    For administrators, who are never blinded: counts alone would tell a reviewer what models said of a single study.
    """
    site = site_for(request, site_id)
    offered = choices()
    choice = chosen(offered, request.GET.get("for", ""))
    if choice is None:
        return render(request, "numbers/no_model.html", {"site": site, "stranded": stranded_at([site])})
    context = {
        "site": site,
        "sites": sites_where(person(request), ADMINISTRATORS).order_by("name"),
        "choices": offered,
        "choice": choice,
        "periods": PERIODS,
        "numbers": _numbers(request, site, choice),
        "stranded": stranded_at([site]),
        "administers": holds(person(request), site.pk, ADMINISTRATORS),
    }
    return render(request, "numbers/numbers.html", context)


@never_cache
@login_required
@require_safe
@in_english
def table(request: HttpRequest, site_id: UUID) -> HttpResponse:
    """The same as CSV."""
    site = site_for(request, site_id)
    choice = chosen(choices(), request.GET.get("for", ""))
    if choice is None:
        raise Http404
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="numbers.csv"'
    writer = csv.writer(answer)
    writer.writerow(HEADER)
    writer.writerows(rows_of(_numbers(request, site, choice), site=_harmless(site.name)))
    return answer


def _numbers(request: HttpRequest, site: Site, choice: Choice) -> Numbers:
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(period) for period in PERIODS} else DEFAULT_DAYS
    return numbers_of(site=site, version=choice.version, label=choice.label, days=days, user=person(request))


def _harmless(text: str) -> str:
    """A text that no program for tables takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text
