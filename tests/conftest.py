"""What every test shares: how Hypothesis works here, and a look at the processes left behind."""

import gc
import os
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import settings

# The same examples in every run: a red check is about the change, not about the dice. To look
# further, e.g. at night: pytest --hypothesis-profile=explore.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("house")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What `-n logical` means: three workers for two processors, since a third of the time of tests
    is waiting (31 minutes of processor time in 23 on two processors, with two workers)."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is measured by night is tested by night, too."""
    if os.environ.get("P2PCORE_NIGHTLY") != "1":
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


def pytest_collection() -> None:
    """Thousands of tests are made, and none of them is garbage: a third of the time of collecting
    them was looking for it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor do the collections of each test look at all of them again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Whatever the test starts has ended by its end; those that were there are others' affair."""
    before = _children()
    yield
    assert not _children() - before


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))
