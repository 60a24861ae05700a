"""What every route answers to whom. `test_routes.py` fails on a route or a method that is missing here.

A line: the method; what it answers to each of ROLES through a session, every one of them with the same valid
request about objects of one site; for the API, what it answers to a token of the site's administrator with each
of SCOPES alone. 404 hides what is there; 403 refuses an act on what one may see.
"""

from dataclasses import dataclass

ROLES = ("anonymous", "other site", "staff", "reviewer", "integrator", "admin")
SCOPES = ("read", "upload", "review", "webhooks")
PUBLIC = ("api:schema", "api:docs")  # the description of the API, which says nothing about any site

# Answers that come again and again, in the order of ROLES.
ALL = "200 200 200 200 200 200"
GO = "302 302 302 302 302 302"
SIGNED_IN = "302 200 200 200 200 200"
SENDERS = "302 200 200 404 404 200"  # pages about what one sends; everybody at a site of their own
READERS = "302 200 404 200 404 200"
REVIEWERS = "302 404 404 200 404 404"  # lists of those who may be blinded, which administrators are not
SENDERS_HERE = "302 404 200 404 404 200"  # pages about an upload of the site
ACT_OF_SENDERS = "302 404 302 404 404 302"
MEMBERS_HERE = "302 404 200 200 200 200"
ADMIN_HERE = "302 404 404 404 404 200"
ACT_OF_ADMIN = "302 404 404 404 404 302"
OPERATORS = "302 403 404 404 404 403"
API_MEMBERS = "401 404 200 200 200 200"
API_ADMIN = "401 404 404 404 404 200"
API_ANY = "401 200 200 200 200 200"

# Answers to tokens, in the order of SCOPES.
READING = "200 403 403 403"
SEEING = "200 200 403 403"
HOOKS = "403 403 403 200"


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
    "language": lines(("POST", GO)),
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
    "site_key": lines(("GET", ADMIN_HERE)),
    "key_export": lines(("POST", ADMIN_HERE)),
    "key_rotate": lines(("POST", ACT_OF_ADMIN)),
    "site_limits": lines(("POST", ACT_OF_ADMIN)),
    "site_reads": lines(("POST", ACT_OF_ADMIN)),
    "site_audit": lines(("GET", ADMIN_HERE)),
    "healthz": lines(("GET", ALL)),
    "readyz": lines(("GET", ALL)),
    "metrics": lines(("GET", "404 404 404 404 404 404")),  # nobody named a token; with one: tests/metrics
    # webhooks and e-mail
    "hooks:endpoints": lines(("GET", ADMIN_HERE), ("POST", ADMIN_HERE)),
    "hooks:endpoint": lines(("GET", ADMIN_HERE)),
    "hooks:rotate": lines(("POST", ADMIN_HERE)),
    "hooks:resume": lines(("POST", ACT_OF_ADMIN)),
    "hooks:again": lines(("POST", ACT_OF_ADMIN)),
    "hooks:remove": lines(("GET", ADMIN_HERE), ("POST", ACT_OF_ADMIN)),
    "hooks:notifications": lines(("GET", SIGNED_IN), ("POST", GO)),
    "hooks:no_mail": lines(("POST", GO)),
    "hooks:confirm": lines(("GET", "302 404 200 404 404 404"), ("POST", "302 404 302 404 404 404")),  # of the staff
    # desk
    "desk:upload": lines(("GET", SENDERS)),
    "desk:uploads": lines(("GET", SENDERS)),
    "desk:detail": lines(("GET", SENDERS_HERE)),
    "desk:progress": lines(("GET", SENDERS_HERE)),
    "desk:receipt": lines(("GET", SENDERS_HERE)),
    "desk:failures": lines(("GET", SENDERS_HERE)),
    "desk:deidentification": lines(("GET", SENDERS_HERE)),
    "desk:seal": lines(("POST", ACT_OF_SENDERS)),
    "desk:cancel": lines(("POST", ACT_OF_SENDERS)),
    "desk:retry": lines(("POST", ACT_OF_SENDERS)),
    "desk:rescreen": lines(("POST", ACT_OF_SENDERS)),
    "desk:references": lines(("POST", ACT_OF_SENDERS)),
    "desk:purge": lines(("GET", SENDERS_HERE), ("POST", ACT_OF_SENDERS)),
    "desk:quick": lines(("GET", SENDERS), ("POST", SENDERS)),
    "desk:verdict": lines(("GET", SENDERS_HERE)),
    # review
    "review:to_read": lines(("GET", READERS)),
    "review:next": lines(("POST", "302 302 404 302 404 302")),
    "review:peek": lines(("GET", READERS)),
    "review:news": lines(("GET", READERS)),
    "review:summary": lines(("GET", READERS)),
    "review:claim": lines(("POST", "302 404 404 200 404 200")),
    "review:release": lines(("POST", "302 404 404 204 404 204")),
    "review:undo": lines(("POST", "302 404 404 302 404 302")),
    "review:unusable": lines(("POST", "302 404 404 200 404 200")),
    "review:worklist": lines(("GET", READERS)),
    "review:not_assessed": lines(("GET", READERS)),
    "review:not_flagged": lines(("GET", READERS)),
    "review:blinded": lines(("GET", REVIEWERS)),
    "review:second": lines(("GET", REVIEWERS)),
    "review:adjudication": lines(("GET", REVIEWERS)),
    "review:study": lines(("GET", MEMBERS_HERE)),
    "review:answer": lines(("POST", "302 404 404 200 404 200")),
    "review:preview": lines(("GET", MEMBERS_HERE)),
    "review:correct": lines(("POST", "302 404 404 302 404 302")),
    "review:deep": lines(("GET", "302 404 204 204 204 204"), ("POST", MEMBERS_HERE)),
    "review:documents": lines(("GET", MEMBERS_HERE), ("POST", MEMBERS_HERE)),
    "review:heat": lines(("GET", MEMBERS_HERE), ("POST", MEMBERS_HERE)),
    "review:heat_raw": lines(("GET", MEMBERS_HERE)),
    "review:heat_overlay": lines(("GET", MEMBERS_HERE)),
    "review:models": lines(("GET", SIGNED_IN)),
    "review:model": lines(("GET", SIGNED_IN)),
    # classes: the world's reviewer reads in them, its administrator teaches
    "classroom:home": lines(("GET", READERS)),
    "classroom:set": lines(("GET", REVIEWERS)),
    "classroom:next": lines(("GET", "302 404 404 302 404 404")),
    "classroom:case": lines(("GET", REVIEWERS)),
    "classroom:answer": lines(("POST", "302 404 404 200 404 404")),
    "classroom:results": lines(("GET", "302 404 404 200 404 200")),
    "classroom:figures_csv": lines(("GET", ADMIN_HERE)),
    "classroom:answers_csv": lines(("GET", ADMIN_HERE)),
    "classroom:sets": lines(("GET", ADMIN_HERE)),
    "classroom:make": lines(("POST", ACT_OF_ADMIN)),
    "classroom:manage": lines(("GET", ADMIN_HERE)),
    "classroom:progress": lines(("GET", ADMIN_HERE)),
    "classroom:labels": lines(("POST", ACT_OF_ADMIN)),
    "classroom:readers": lines(("POST", ACT_OF_ADMIN)),
    "classroom:open": lines(("POST", ACT_OF_ADMIN)),
    "classroom:reveal": lines(("POST", ACT_OF_ADMIN)),
    "classroom:discard": lines(("POST", ACT_OF_ADMIN)),
    # numbers
    "numbers:home": lines(("GET", "302 302 404 404 404 302")),  # to the numbers of their own site
    "numbers:numbers": lines(("GET", ADMIN_HERE)),
    "numbers:table": lines(("GET", ADMIN_HERE)),
    "numbers:upgrades": lines(("GET", ADMIN_HERE)),
    "numbers:replay": lines(("GET", ADMIN_HERE)),
    "numbers:replay_begin": lines(("POST", ACT_OF_ADMIN)),
    "numbers:replay_switch": lines(("POST", ACT_OF_ADMIN)),
    "numbers:replay_close": lines(("POST", ACT_OF_ADMIN)),
    "numbers:thresholds": lines(("GET", ADMIN_HERE)),
    "numbers:propose": lines(("POST", ACT_OF_ADMIN)),
    "numbers:approve": lines(("POST", ACT_OF_ADMIN)),
    "numbers:decline": lines(("POST", ACT_OF_ADMIN)),
    "numbers:reflag_start": lines(("POST", ACT_OF_ADMIN)),
    "numbers:reflag_next": lines(("POST", ACT_OF_ADMIN)),
    "numbers:worth": lines(("GET", "302 404 200 204 200 200")),  # the reviewer reads in a class, and is told nothing
    # housekeeping
    "housekeeping:versions": lines(("GET", "302 200 404 404 404 200")),
    # for whoever runs the installation, which an administrator of a site does not: tests/housekeeping
    "housekeeping:version": lines(("GET", OPERATORS), ("POST", OPERATORS)),
    "housekeeping:retention": lines(("GET", ADMIN_HERE), ("POST", ACT_OF_ADMIN)),
    "housekeeping:study_delete": lines(("GET", "302 404 200 403 403 200"), ("POST", "302 404 302 403 403 302")),
    # API
    "api:uploads": lines(("GET", API_ANY, SEEING), ("POST", "401 201 201 403 201 201", "403 201 403 403")),
    "api:upload": lines(("GET", API_MEMBERS, SEEING), ("DELETE", "401 404 200 403 403 200", "403 200 403 403")),
    "api:check": lines(("POST", "401 404 200 403 403 200", "403 200 403 403")),
    "api:files": lines(("POST", "401 404 200 403 403 200", "403 200 403 403")),
    "api:archive": lines(
        ("GET", "401 404 200 403 403 200", SEEING),
        ("HEAD", "401 404 200 403 403 200", SEEING),
        ("PUT", "401 404 200 403 403 200", "403 200 403 403"),
    ),
    "api:seal": lines(("POST", "401 404 202 403 403 202", "403 202 403 403")),
    "api:cancel": lines(("POST", "401 404 202 403 403 202", "403 202 403 403")),
    "api:retry": lines(("POST", "401 404 202 403 403 202", "403 202 403 403")),
    "api:screenings": lines(("POST", "401 404 202 403 403 202", "403 202 403 403")),
    "api:references": lines(("POST", "401 404 200 403 403 200", "403 200 403 403")),
    "api:deidentification": lines(("GET", "401 404 200 403 403 200", SEEING)),
    "api:receipt": lines(("GET", API_MEMBERS, SEEING)),
    "api:receipt_csv": lines(("GET", API_MEMBERS, SEEING)),
    "api:studies": lines(("GET", API_ANY, READING)),
    "api:results_csv": lines(("GET", API_ANY, READING)),
    "api:results_ndjson": lines(("GET", API_ANY, READING)),
    "api:lookup": lines(("POST", API_ANY, READING)),
    "api:study": lines(("GET", API_MEMBERS, READING), ("DELETE", "401 404 200 403 403 200", "403 200 403 403")),
    "api:audit": lines(("GET", API_MEMBERS, READING)),
    "api:report": lines(("GET", API_MEMBERS, READING)),
    "api:heat_map_capture": lines(("GET", API_MEMBERS, READING)),
    "api:fhir": lines(("GET", API_MEMBERS, READING)),
    "api:reviews": lines(("POST", "401 404 403 201 403 201", "403 403 201 403")),
    "api:preview": lines(("GET", API_MEMBERS, READING)),
    "api:heat_maps": lines(("GET", API_MEMBERS, READING), ("POST", "401 404 202 202 202 202", "202 403 403 403")),
    "api:heat_raw": lines(("GET", API_MEMBERS, READING)),
    "api:heat_overlay": lines(("GET", API_MEMBERS, READING)),
    "api:webhooks": lines(("GET", API_ANY, HOOKS), ("POST", "401 201 403 403 403 201", "403 403 403 201")),
    "api:webhook": lines(("GET", API_ADMIN, HOOKS), ("PATCH", API_ADMIN, HOOKS), ("DELETE", API_ADMIN, HOOKS)),
    "api:webhook_secret": lines(("POST", "401 404 404 404 404 201", "403 403 403 201")),
    "api:webhook_deliveries": lines(("GET", API_ADMIN, HOOKS)),
    "api:webhook_replay": lines(("POST", "401 404 404 404 404 202", "403 403 403 202")),
    "api:webhook_test": lines(("POST", "401 404 404 404 404 202", "403 403 403 202")),
    "api:models": lines(("GET", API_ANY, SEEING)),
    # DICOMweb
    "dicomweb:studies": lines(("GET", API_ANY, READING), ("POST", "401 200 200 403 200 200", "403 200 403 403")),
    "dicomweb:all_series": lines(("GET", API_ANY, READING)),
    "dicomweb:all_instances": lines(("GET", API_ANY, READING)),
    "dicomweb:study": lines(("GET", API_MEMBERS, READING), ("POST", "401 200 200 403 200 200", "403 200 403 403")),
    "dicomweb:study_metadata": lines(("GET", API_MEMBERS, READING)),
    "dicomweb:study_series": lines(("GET", API_ANY, READING)),
    "dicomweb:study_instances": lines(("GET", API_ANY, READING)),
    "dicomweb:series": lines(("GET", API_MEMBERS, READING)),
    "dicomweb:series_metadata": lines(("GET", API_MEMBERS, READING)),
    "dicomweb:series_instances": lines(("GET", API_ANY, READING)),
    "dicomweb:instance": lines(("GET", API_MEMBERS, READING)),
    "dicomweb:instance_metadata": lines(("GET", API_MEMBERS, READING)),
    "api:schema": lines(("GET", ALL)),
    "api:docs": lines(("GET", ALL)),
}
