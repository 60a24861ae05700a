"""A disk on which every sync takes long, for one process and all that it starts, by Debian's strace."""

import shutil
import subprocess

import pytest

SYNCS = "fsync,fdatasync,sync_file_range,syncfs"


def slow_disk(seconds: float) -> dict[str, str]:
    """Build the variables of a process whose syncs begin so much later. It stays the direct child of who starts it."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace: apt install strace")
    if subprocess.run([strace, "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a machine on which strace may trace")
    late = f"{SYNCS}:delay_enter={round(seconds * 1_000_000)}"
    words = f"{strace} -D -f --seccomp-bpf -qq -o /dev/null -e trace={SYNCS} -e inject={late}"
    return {"TEST_BEFORE": words}
