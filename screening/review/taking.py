"""Who may take documents of a study: they tell what models and readers said."""

from screening.review.blinding import is_hidden
from screening.studies.models import Study
from screening.users.models import User
from screening.users.roles import SEE_RESULTS, holds


def may_take(user: User, study: Study) -> bool:
    """Whether somebody may have documents of a study, or learn that there are some: the one place that decides."""
    return holds(user, study.site_id, SEE_RESULTS) and not is_hidden(user, study)
