"""A site with an object of every kind, tokens of every scope, and things that may be deleted: printed as JSON.

python -m tests.contract.seed
"""

import json
import sys

import django

django.setup()

from screening.audit.actor import Actor  # noqa: E402 - models are there only once Django is set up
from screening.hooks.endpoints import MOST_ENDPOINTS, add_endpoint  # noqa: E402
from screening.outbox.models import CHOSEN_KINDS  # noqa: E402
from screening.users.models import Scope  # noqa: E402
from tests.factories import StudyFactory, UploadFactory  # noqa: E402
from tests.route_world import World, lay_preview, make_world, token_of  # noqa: E402

TOKENS = 12  # of each kind, so that no rate ends the campaign
DOOMED = 300  # uploads, and studies of another, that a case may delete


def add_webhook(world: World) -> str:
    who = Actor.user(world.people["admin"])
    url = "https://pacs.example.org/hooks"
    return str(add_endpoint(site=world.site, url=url, kinds=CHOSEN_KINDS, actor=who).endpoint.pk)


def main() -> None:
    world = make_world()
    lay_preview(world.image)
    kinds = {scope.value: (scope,) for scope in Scope} | {"all": tuple(Scope)}
    callers = {name: [token_of(world, "admin", scopes) for _ in range(TOKENS)] for name, scopes in kinds.items()}
    whose = {"site": world.site, "created_by": world.people["admin"], "models_chosen": [world.model.name]}
    others = UploadFactory(**whose, sealed=True)
    told = {
        "callers": callers,
        "known": {name: str(key) for name, key in world.arguments.items()},
        "done": str(world.done.pk),
        "uploads": [str(UploadFactory(**whose).pk) for _ in range(DOOMED)],
        "studies": [str(StudyFactory(upload=others, ready=True).pk) for _ in range(DOOMED)],
        "webhooks": [add_webhook(world) for _ in range(MOST_ENDPOINTS - 1)],
        "kept": {"study": str(world.image.study_id), "upload": str(world.open.pk)},
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
