"""What every test shares: how Hypothesis works here, and a look at the processes left behind."""

from collections.abc import Iterator

import psutil
import pytest
from hypothesis import settings

# The same examples in every run: a red check is about the change, not about the dice. To look
# further, e.g. at night: pytest --hypothesis-profile=explore.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("house")


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Whatever the test starts has ended by its end; those that were there are others' affair."""
    before = _children()
    yield
    assert not _children() - before


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))
