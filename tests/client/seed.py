"""Sites with one integrator and one token each, and a model that does nothing: printed as JSON for the tests.

python -m tests.client.seed COUNT
"""

import json
import sys
from datetime import timedelta

import django

django.setup()

from ml.inference import NoopScorer  # noqa: E402 - models are there only once Django is set up
from ml.vocabulary import DISCLAIMER_VERSION  # noqa: E402
from screening.users.models import ApiToken, Role, Scope  # noqa: E402
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory  # noqa: E402


def door(*scopes: Scope, role: Role = Role.INTEGRATOR) -> dict[str, str]:
    site = SiteFactory()
    user = UserFactory(role_at=(site, role))
    token = {"user": user, "name": "a program", "site": site, "scopes": list(scopes)}
    _, secret = ApiToken.objects.create(**token, disclaimer_version=DISCLAIMER_VERSION, expiry=timedelta(days=1))
    return {"site": str(site.pk), "token": secret}


def main(count: int) -> None:
    ModelVersionFactory(slug="xray-noop", labels=list(NoopScorer().labels), sha256=NoopScorer().identity.sha256)
    doors = [door(Scope.READ, Scope.UPLOAD) for _ in range(count)]
    admin = door(Scope.WEBHOOKS, role=Role.ADMIN)
    sys.stdout.write(json.dumps({"doors": doors, "reader": door(Scope.READ), "admin": admin}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
