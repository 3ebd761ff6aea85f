"""The lab counts: more records take more heap, the same records again take none."""

from pathlib import Path

import pytest

from benchmarks.common import footprint, subject
from benchmarks.common.children import ChildError
from benchmarks.common.disk import NodeStorage
from benchmarks.common.heap_lab import HeapLab

pytestmark = pytest.mark.skipif(footprint.heap_bytes() is None, reason="needs glibc's mallinfo2")

SIZE, MANY = 1024, 200


def test_records_take_at_least_their_bytes() -> None:
    with HeapLab(1, subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)) as lab:
        lab.store(MANY, SIZE)
        before = lab.retrieve(MANY, SIZE, edition=0)
        lab.store(MANY, SIZE, first=MANY)
        after = lab.retrieve(MANY, SIZE, edition=0)
        assert after - before >= MANY * SIZE
        more = lab.nodes(1)
        assert more > after


def test_records_on_a_disk_take_memory_too(tmp_path: Path) -> None:
    storage = NodeStorage(keeping="buffered", folder=str(tmp_path))
    with HeapLab(1, subject.NetworkSettings.of(1), storage) as lab:
        before = lab.store(MANY, SIZE)
        assert lab.store(MANY, SIZE, first=MANY) > before
    assert list(tmp_path.rglob("records.db"))


def test_the_same_records_again_take_little() -> None:
    """Within its first second, at any of these readings, a node makes its sums: 0.1 MB, once."""
    size = 4 * SIZE
    with HeapLab(3, subject.NetworkSettings()) as lab:
        readings = [lab.store(MANY, size, edition=edition) for edition in range(6)]
        assert readings[-1] - readings[2] < MANY * size  # nine times as much if values piled up
        lab.retrieve(MANY, size, edition=5)


def test_few_records_are_written_again_and_again() -> None:
    with HeapLab(1, subject.NetworkSettings.of(1)) as lab:
        lab.store(MANY, SIZE, edition=7, among=20)
        lab.retrieve(MANY, SIZE, edition=7 + MANY // 20 - 1, among=20)
        with pytest.raises(ChildError, match="WrongValueError"):
            lab.retrieve(1, SIZE, edition=7)
