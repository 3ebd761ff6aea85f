"""The cost of a sync is measured where the data are, and the file system there is named."""

import os
from pathlib import Path

import pytest

from benchmarks.common import disk
from benchmarks.common.disk import (
    NodeStorage,
    NoDiskError,
    file_system,
    folder_bytes,
    place_on_disk,
    sync_cost_s,
    written_bytes,
)

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
tmpfs {0} tmpfs rw 0 0
/dev/vdb {0}/deep xfs rw 0 0
overlay {0}/deep overlay rw 0 0
"""


def test_syncs_are_timed_and_leave_nothing(tmp_path: Path) -> None:
    costs = sync_cost_s(tmp_path, 5)
    assert len(costs) == 5
    assert all(cost > 0 for cost in costs)
    assert not list(tmp_path.iterdir())


def test_the_deepest_and_latest_mount_counts(tmp_path: Path) -> None:
    mounts = MOUNTS.format(tmp_path)
    assert file_system(tmp_path, mounts) == "tmpfs"
    assert file_system(tmp_path / "deep" / "er", mounts) == "overlay"
    assert file_system(tmp_path.with_name(tmp_path.name + "-not"), mounts) == "ext4"


def test_this_machine_has_file_systems() -> None:
    assert file_system(Path("/proc")) == "proc" if Path("/proc/self/mounts").exists() else "unknown"


def test_a_file_system_in_memory_is_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    kinds = {here: "tmpfs", there: "ext4"}
    monkeypatch.setattr(disk, "file_system", lambda place: kinds[place])
    assert place_on_disk(here, there) == there
    with pytest.raises(NoDiskError, match=r"no disk here to sync to: .*here \(tmpfs\)"):
        place_on_disk(here)


@pytest.mark.parametrize(
    ("keeping", "folder", "told"),
    [
        ("paper", "x", "not in 'paper'"),
        ("memory", "x", "needs no folder"),
        ("synced", "", "needs a folder"),
    ],
)
def test_storage_that_can_not_be(keeping: str, folder: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NodeStorage(keeping=keeping, folder=folder)  # type: ignore[arg-type]


def test_each_node_has_a_directory_of_its_own(tmp_path: Path) -> None:
    storage = NodeStorage(keeping="synced", folder=str(tmp_path))
    places = [
        storage.within(f"process-{process}").settings(number)["data_dir"]
        for process in range(2)
        for number in range(2)
    ]
    assert len(set(places)) == 4
    assert all(Path(place).is_dir() for place in places)
    assert NodeStorage().within("process-0").settings(0) == {}
    named = NodeStorage(identities="x").within("process-0")
    assert named.settings(1) == {"identity": "x/process-0/1"}


def test_what_is_written_and_what_is_there(tmp_path: Path) -> None:
    before, file = written_bytes(os.getpid()), tmp_path / "deep" / "file"
    file.parent.mkdir()
    with file.open("wb") as handle:
        handle.write(os.urandom(1 << 20))
        handle.flush()
        os.fsync(handle.fileno())
    assert folder_bytes(tmp_path) == pytest.approx(1 << 20, rel=0.05)
    after = written_bytes(os.getpid())
    if before is not None and file_system(tmp_path) not in disk.IN_MEMORY:
        assert after is not None
        assert after - before >= 1 << 20


def test_a_process_that_is_gone_has_written_nothing_that_is_known() -> None:
    assert written_bytes((1 << 22) + 1) is None
