"""What every route answers to whom. `test_routes.py` fails on a route or a method that is missing here.

A line: the method; what it answers to each of ROLES through a session, every one of them with the same valid
request about objects of one site; for the API, what it answers to a token of the site's administrator with each
of SCOPES alone. 404 hides what is there; 403 refuses an act on what one may see.
"""

from dataclasses import dataclass

ROLES = ("anonymous", "other site", "staff", "reviewer", "integrator", "admin")
SCOPES = ("read", "upload", "review")
PUBLIC = ("api:schema", "api:docs")  # the description of the API, which says nothing about any site

# Answers that come again and again, in the order of ROLES.
ALL = "200 200 200 200 200 200"
GO = "302 302 302 302 302 302"
SIGNED_IN = "302 200 200 200 200 200"
SENDERS = "302 200 200 404 404 200"  # pages about what one sends; everybody at a site of their own
READERS = "302 200 404 200 404 200"
SENDERS_HERE = "302 404 200 404 404 200"  # pages about an upload of the site
ACT_OF_SENDERS = "302 404 302 404 404 302"
MEMBERS_HERE = "302 404 200 200 200 200"
ADMIN_HERE = "302 404 404 404 404 200"
ACT_OF_ADMIN = "302 404 404 404 404 302"
API_MEMBERS = "401 404 200 200 200 200"
API_ANY = "401 200 200 200 200 200"

# Answers to tokens, in the order of SCOPES.
READING = "200 403 403"
SEEING = "200 200 403"


@dataclass(frozen=True)
class Expectation:
    method: str
    by_role: str
    by_scope: str = ""

    def of_role(self, role: str) -> int:
        return int(self.by_role.split()[ROLES.index(role)])

    def of_scope(self, scope: str) -> int:
        return int(self.by_scope.split()[SCOPES.index(scope)])


def lines(*told: tuple[str, ...]) -> tuple[Expectation, ...]:
    return tuple(Expectation(*one) for one in told)


TABLE: dict[str, tuple[Expectation, ...]] = {
    # people
    "home": lines(("GET", GO)),
    "sign_in": lines(("GET", "200 302 302 302 302 302"), ("POST", "200 302 302 302 302 302")),
    "sign_out": lines(("POST", GO)),
    "enter": lines(("GET", ALL), ("POST", GO)),
    "invitation": lines(("GET", ALL), ("POST", "302 302 409 409 409 409")),
    "disclaimer": lines(("GET", SIGNED_IN), ("POST", GO)),
    "password": lines(("GET", SIGNED_IN), ("POST", GO)),
    "tokens": lines(("GET", SIGNED_IN), ("POST", SIGNED_IN)),
    "token_revoke": lines(("POST", "302 404 302 404 404 404")),
    "sites": lines(("GET", "302 302 200 200 200 302")),
    "admin_site": lines(("GET", ADMIN_HERE)),
    "site_invite": lines(("POST", ADMIN_HERE)),
    "invitation_withdraw": lines(("POST", ACT_OF_ADMIN)),
    "member_role": lines(("POST", ACT_OF_ADMIN)),
    "member_remove": lines(("GET", ADMIN_HERE), ("POST", ACT_OF_ADMIN)),
    "site_policy": lines(("POST", ACT_OF_ADMIN)),
    "site_audit": lines(("GET", ADMIN_HERE)),
    "healthz": lines(("GET", ALL)),
    "readyz": lines(("GET", ALL)),
    "metrics": lines(("GET", "404 404 404 404 404 404")),  # nobody named a token; with one: tests/metrics
    # desk
    "desk:upload": lines(("GET", SENDERS)),
    "desk:uploads": lines(("GET", SENDERS)),
    "desk:detail": lines(("GET", SENDERS_HERE)),
    "desk:progress": lines(("GET", SENDERS_HERE)),
    "desk:receipt": lines(("GET", SENDERS_HERE)),
    "desk:seal": lines(("POST", ACT_OF_SENDERS)),
    "desk:cancel": lines(("POST", ACT_OF_SENDERS)),
    "desk:retry": lines(("POST", ACT_OF_SENDERS)),
    "desk:rescreen": lines(("POST", ACT_OF_SENDERS)),
    "desk:references": lines(("POST", ACT_OF_SENDERS)),
    "desk:purge": lines(("GET", SENDERS_HERE), ("POST", ACT_OF_SENDERS)),
    "desk:quick": lines(("GET", SENDERS), ("POST", SENDERS)),
    "desk:verdict": lines(("GET", SENDERS_HERE)),
    # review
    "review:worklist": lines(("GET", READERS)),
    "review:not_assessed": lines(("GET", READERS)),
    "review:not_flagged": lines(("GET", READERS)),
    "review:study": lines(("GET", MEMBERS_HERE)),
    "review:answer": lines(("POST", "302 404 404 200 404 200")),
    "review:preview": lines(("GET", MEMBERS_HERE)),
    "review:heat": lines(("GET", MEMBERS_HERE), ("POST", MEMBERS_HERE)),
    "review:heat_raw": lines(("GET", MEMBERS_HERE)),
    "review:heat_overlay": lines(("GET", MEMBERS_HERE)),
    "review:models": lines(("GET", SIGNED_IN)),
    "review:model": lines(("GET", SIGNED_IN)),
    # API
    "api:uploads": lines(("GET", API_ANY, SEEING), ("POST", "401 201 201 403 201 201", "403 201 403")),
    "api:upload": lines(("GET", API_MEMBERS, SEEING), ("DELETE", "401 404 200 403 403 200", "403 200 403")),
    "api:check": lines(("POST", "401 404 200 403 403 200", "403 200 403")),
    "api:files": lines(("POST", "401 404 200 403 403 200", "403 200 403")),
    "api:archive": lines(
        ("GET", "401 404 200 403 403 200", SEEING),
        ("HEAD", "401 404 200 403 403 200", SEEING),
        ("PUT", "401 404 200 403 403 200", "403 200 403"),
    ),
    "api:seal": lines(("POST", "401 404 202 403 403 202", "403 202 403")),
    "api:cancel": lines(("POST", "401 404 202 403 403 202", "403 202 403")),
    "api:retry": lines(("POST", "401 404 202 403 403 202", "403 202 403")),
    "api:screenings": lines(("POST", "401 404 202 403 403 202", "403 202 403")),
    "api:references": lines(("POST", "401 404 200 403 403 200", "403 200 403")),
    "api:receipt": lines(("GET", API_MEMBERS, SEEING)),
    "api:receipt_csv": lines(("GET", API_MEMBERS, SEEING)),
    "api:studies": lines(("GET", API_ANY, READING)),
    "api:lookup": lines(("POST", API_ANY, READING)),
    "api:study": lines(("GET", API_MEMBERS, READING), ("DELETE", "401 404 200 403 403 200", "403 200 403")),
    "api:audit": lines(("GET", API_MEMBERS, READING)),
    "api:reviews": lines(("POST", "401 404 403 201 403 201", "403 403 201")),
    "api:preview": lines(("GET", API_MEMBERS, READING)),
    "api:heat_maps": lines(("GET", API_MEMBERS, READING), ("POST", "401 404 202 202 202 202", "202 403 403")),
    "api:heat_raw": lines(("GET", API_MEMBERS, READING)),
    "api:heat_overlay": lines(("GET", API_MEMBERS, READING)),
    "api:models": lines(("GET", API_ANY, SEEING)),
    "api:schema": lines(("GET", ALL)),
    "api:docs": lines(("GET", ALL)),
}
