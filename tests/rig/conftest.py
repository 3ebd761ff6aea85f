"""What the tests of the rig share."""

from collections.abc import Iterator

import psutil
import pytest


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Whatever the test starts has ended by its end; those that were there are others' affair."""
    before = _children()
    yield
    assert not _children() - before


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))
