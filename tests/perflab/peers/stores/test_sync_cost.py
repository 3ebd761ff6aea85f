"""The cost of a sync is measured where the data are, and the file system there is named."""

from pathlib import Path

from perflab.peers.stores.sync_cost import file_system, sync_cost_s

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
