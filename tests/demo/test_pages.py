"""Lists of a demo site: every question about its studies is answered from an index, with as many queries as before."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from screening.studies.models import Study
from screening.uploads.models import Upload
from tests.benchmarks.lists import (
    api_questions,
    reading_questions,
    receipt_questions,
    site_and_client,
    worklist_questions,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(request):
    call_command("seed_demo", "--studies", str(request.param))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":  # a few thousand rows are few enough to read all, on a disk with heads
            cursor.execute("SET LOCAL random_page_cost = 1.1")
    return site_and_client("Demo")


def selects(client, address):
    with CaptureQueriesContext(
        connection,
    ) as context:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in context if query["sql"].startswith("SELECT")]


def looked_through(sql):
    """Give the lines of a statement's plan that read every study: none, where an index says where to begin."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN {sql}")
            return [line for (line,) in cursor.fetchall() if f"Seq Scan on {Study._meta.db_table}" in line]
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return [line for *_, line in cursor.fetchall() if line.startswith(f"SCAN {Study._meta.db_table}")]


@pytest.mark.parametrize("demo", [6000], indirect=True)
def test_no_list_looks_through_the_studies_of_its_site(demo):
    site, client = demo
    asked = {"worklist": worklist_questions(site, 6000), "to read": reading_questions(6000), "api": api_questions(site)}
    del asked["api"]["last upload"]  # which brought every study of this site: all of them are in question

    scans = {
        (area, name): found
        for area, questions in asked.items()
        for name, address in questions.items()
        for sql in selects(client, address)
        if (found := looked_through(sql))
    }

    assert scans == {}


@pytest.mark.parametrize("demo", [600], indirect=True)
def test_no_list_takes_more_queries_than_it_is_known_to(demo):
    site, client = demo
    [upload] = Upload.objects.all()
    most = {
        "worklist": (worklist_questions(site, 600), 24),
        "to read": (reading_questions(600), 32),
        "api": (api_questions(site), 15),
        "receipt": (receipt_questions(upload), 15),
    }

    beyond = {
        (area, name): number
        for area, (questions, limit) in most.items()
        for name, address in questions.items()
        if (number := len(selects(client, address))) > limit
    }

    assert beyond == {}
