"""`python -m perflab` as one end of a pipe."""

import os
import subprocess
import sys

from benchmarks.common.entry import SUITE_PARENT


def test_a_reader_that_has_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "perflab", "load", "--list"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=SUITE_PARENT
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
