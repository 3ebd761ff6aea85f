"""Prometheus' own tools, where they are."""

import shutil

import pytest


@pytest.fixture(scope="session")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on the PATH: it comes with Debian's package prometheus")
    return found
