"""The ground that all tests stand on does what it promises."""

import os
import socket
import subprocess
import sys
import textwrap

import pytest
import pytest_socket
from django.db import connection, transaction

from screening.audit.triggers import triggers_present
from tests.environment import ROOT, STATE

SKIPPING = """
    import pytest

    def test_that_needs_a_card():
        pytest.skip("GPU: none here")

    def test_that_needs_a_picture():
        pytest.skip("needs real pictures")

    @pytest.mark.benchmark
    def test_that_takes_long():
        assert False

    def test_that_runs():
        pass
"""


@pytest.fixture
def run_tests(tmp_path):
    """Run a file of tests with the plug-ins of this project and nothing of Django."""

    def run(code: str, *, require_all: bool) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_sample.py").write_text(textwrap.dedent(code))
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:django", "-p", "no:cacheprovider"),
                *("-p", "no:valkey", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), "REQUIRE_ALL": "1" if require_all else "0"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_every_skip_is_counted_with_its_reason(run_tests):
    done = run_tests(SKIPPING, require_all=False)

    assert done.returncode == 0
    assert "1 x GPU: none here" in done.stdout
    assert "1 x needs real pictures" in done.stdout
    assert "tests marked benchmark are left to `make bench`" in done.stdout
    assert "1 passed, 2 skipped, 1 deselected" in done.stdout


def test_where_all_is_required_only_a_gpu_may_be_missing(run_tests):
    done = run_tests(SKIPPING, require_all=True)

    assert done.returncode == 1
    assert "1 failed, 1 passed, 1 skipped, 1 deselected" in done.stdout
    assert "REQUIRE_ALL=1 allows no skip but for a GPU, and this was one: needs real pictures" in done.stdout


def test_where_all_is_required_a_whole_file_cannot_slip_away(run_tests):
    done = run_tests('import pytest\npytest.importorskip("no_such_module")', require_all=True)

    assert done.returncode == 2
    assert "REQUIRE_ALL=1 allows no skip" in done.stdout


def test_tests_reach_no_other_machine():
    blocked = (pytest_socket.SocketConnectBlockedError, UserWarning)  # which it says first, and a warning is an error

    with socket.socket() as line, pytest.raises(blocked, match=r"192\.0\.2\.1"):
        line.connect(("192.0.2.1", 80))


def test_settings_of_tests_are_not_those_of_an_installation(state_dir):
    assert state_dir == STATE
    assert not STATE.is_relative_to(ROOT)


@pytest.mark.django_db(transaction=True)
def test_audit_is_append_only_in_a_transactional_test():
    assert triggers_present(connection)


@pytest.mark.django_db(transaction=True)
def test_audit_is_append_only_again_after_a_database_was_emptied():
    assert triggers_present(connection)


@pytest.mark.django_db
def test_database_of_tests_is_shared_with_child_processes(child_environment):
    url = child_environment()["DATABASE_URL"]

    assert str(connection.settings_dict["NAME"]) in url
    assert ":memory:" not in url
    assert "mode=memory" not in url


@pytest.mark.django_db(transaction=True)
def test_child_process_sees_what_a_test_has_committed(child_environment, django_user_model):
    with transaction.atomic():
        django_user_model.objects.create(username="seen")

    code = "from django.contrib.auth import get_user_model as m; print(m().objects.get().username)"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        env=child_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "seen"), done.stderr


def test_embedded_broker_is_the_one_that_the_settings_name(broker, settings):
    assert broker.partition("?")[0] == settings.CONFIG.redis_url.partition("?")[0]
