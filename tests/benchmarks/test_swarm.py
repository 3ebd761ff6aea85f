"""Swarms start in every layout, hold real records, and leave nothing behind."""

import asyncio
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.common import subject
from benchmarks.common import swarm as swarm_module
from benchmarks.common.children import ChildError
from benchmarks.common.disk import IN_MEMORY, Keeping, file_system
from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.records import Layout
from benchmarks.common.swarm import Members, Swarm, SwarmError, no_leftovers
from benchmarks.common.workload import Values, closed_loop

LOOPS = ["asyncio", pytest.param("uvloop", marks=pytest.mark.skipif(
    subject.default_loop() != "uvloop", reason="this platform has no uvloop"))]  # fmt: skip


@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("layout", "processes"), [("A", 2), ("B", 5), ("C", 1)])
def test_a_swarm_holds_what_it_is_given(layout: Layout, processes: int, loop: str) -> None:
    values = Values(3000)
    with Swarm(layout=layout, nodes=4, loop="uvloop" if loop == "uvloop" else "asyncio") as swarm:
        assert len(set(swarm.addresses)) == len(swarm.join_s) == 4
        assert all(address.startswith("127.0.0.1:") for address in swarm.addresses)
        assert swarm.processes == processes
        client = swarm.client
        stored = swarm.run(
            closed_loop(
                lambda n: client.store(f"k{n}", values.value(n)), operations=40, in_flight=4
            )
        )
        retrieved = swarm.run(
            closed_loop(
                lambda n: client.retrieve(f"k{n}"), operations=40, in_flight=4, check=values.check
            )
        )
        assert stored.errors == retrieved.errors == {}
        swarm.run(subject.must_be_gone(client, "never stored"))
        usage, pids = swarm.usage(), swarm.pids
        assert len(usage) == max(1, processes - 1)
        assert all(row["cpu_s"] > 0 and row["resident_bytes"] > 0 for row in usage)
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize("keeping", ["synced", "buffered"])
@pytest.mark.parametrize("layout", ["A", "C"])
def test_nodes_come_back_with_their_records(
    layout: Layout, keeping: Keeping, tmp_path: Path
) -> None:
    values = Values(1000)
    with Swarm(layout=layout, nodes=3, keeping=keeping, folder=tmp_path) as swarm:
        for number in range(8):
            swarm.run(swarm.client.store(f"k{number}", values.value(number)))
        network = swarm.network
    with Swarm(layout=layout, nodes=3, keeping=keeping, folder=tmp_path, network=network) as swarm:
        for number in range(8):
            values.check(number, swarm.run(swarm.client.retrieve(f"k{number}")))


def test_a_folder_that_nobody_named_is_on_a_disk_and_goes(tmp_path: Path) -> None:
    with Swarm(layout="B", nodes=3, keeping="synced") as swarm:
        assert swarm.folder is not None
        assert file_system(swarm.folder) not in IN_MEMORY
        assert len(list(swarm.folder.rglob("records.db"))) == 3
    assert not swarm.folder.exists()


@pytest.mark.parametrize("keeping", ["synced", "raw log"])
def test_a_core_without_disks_is_skipped(
    keeping: Keeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "supports", lambda feature: feature in ("network", "ready"))
    with (
        pytest.raises(NotImplementedError, match=r"has no (durability|raw log) yet"),
        Swarm(layout="C", nodes=1, keeping=keeping, folder=tmp_path),
    ):
        pass


@pytest.mark.parametrize("layout", ["A", "B", "C"])
def test_a_network_of_one(layout: Layout) -> None:
    alone = subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1)
    with Swarm(layout=layout, nodes=1, network=alone) as swarm:
        assert len(swarm.addresses) == 1


@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize("layout", ["A", "B", "C"])
def test_a_swarm_that_cannot_work_is_refused_and_cleared_away(layout: Layout) -> None:
    """Two replicas have to acknowledge, and there is one node."""
    with pytest.raises(SwarmError, match="QuorumError"), Swarm(layout=layout, nodes=1):
        pass


def test_an_impossible_network_says_why() -> None:
    broken = subject.NetworkSettings(replication=1, write_quorum=2)
    with (
        pytest.raises(ChildError, match="write_quorum"),
        Swarm(layout="A", nodes=1, network=broken),
    ):
        pass


def test_simulated_layouts_have_no_swarm() -> None:
    with pytest.raises(ValueError, match="'S'"):
        Swarm(layout="S", nodes=1)


def test_quorums_that_do_not_overlap_cannot_be_checked() -> None:
    with pytest.raises(ValueError, match="add up to 3"):
        Swarm(layout="A", nodes=3, network=subject.NetworkSettings(read_quorum=1))


@pytest.mark.usefixtures("no_process_left")
def test_another_p2pcore_than_the_callers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(subject.core_dir()) / "p2pcore", tmp_path / "p2pcore")
    monkeypatch.setattr(subject, "core_dir", lambda: str(tmp_path))
    with pytest.raises(SwarmError, match=str(tmp_path)), Swarm(layout="A", nodes=3):
        pass


def test_the_checkouts_p2pcore_is_not_measured(tmp_path: Path) -> None:
    """As under asv: the suite is in a checkout that has a p2pcore of its own beside it."""
    checkout = tmp_path / "checkout"
    shutil.copytree(
        Path(SUITE_PARENT) / "benchmarks",
        checkout / "benchmarks",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (checkout / "p2pcore").mkdir()
    (checkout / "p2pcore" / "__init__.py").write_text("raise ImportError('the checkout’s copy')")
    script = (
        "from asv_runner._aux import update_sys_path\n"
        f"update_sys_path({str(checkout / 'benchmarks')!r})\n"
        "from benchmarks.common import subject\n"
        "from benchmarks.common.swarm import Swarm\n"
        "with Swarm(layout='A', nodes=3) as swarm:\n"
        "    print(subject.__file__, subject.identity(swarm.loop).directory)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    suite, core = done.stdout.split()
    assert Path(suite).is_relative_to(checkout)
    assert core == subject.core_dir()


async def test_a_leftover_is_noticed() -> None:
    left = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    with pytest.raises(SwarmError, match="forgotten"):
        await no_leftovers()
    left.cancel()
    await no_leftovers()


async def test_members_come_and_go() -> None:
    members = Members(subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1))
    await members.add(2, [])
    assert len(members.addresses) == len(members.join_s) == 2
    times = list(zip(members.join_s, members.ready_s, strict=True))
    assert all(0 < join_s <= ready_s for join_s, ready_s in times)
    await members.shutdown()
    assert members.addresses == []
    await no_leftovers()


async def test_nodes_of_a_core_that_cannot_tell_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "supports", lambda feature: feature != "ready")
    members = Members(subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1))
    await members.add(1, [])
    await members.shutdown()
    assert len(members.join_s) == 1
    assert members.ready_s == []


async def test_nodes_that_do_not_get_ready_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_module, "SETTLE_S", 0.01)
    monkeypatch.setattr("p2pcore.AdaptiveCoordinator.wait_ready", lambda _: asyncio.Event().wait())
    members = Members(subject.NetworkSettings(replication=1, write_quorum=1, read_quorum=1))
    with pytest.raises(SwarmError, match=r"1 nodes were not ready after 0\.01 s"):
        await members.add(1, [])
    await members.shutdown()
    await no_leftovers()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches a stranger's end by pidfd")
@pytest.mark.parametrize("layout", ["A", "B"])
def test_a_killed_parent_leaves_no_nodes(layout: str) -> None:
    script = (
        "import sys\n"
        "from benchmarks.common.swarm import Swarm\n"
        f"with Swarm(layout={layout!r}, nodes=3) as swarm:\n"
        "    print(*swarm.pids, flush=True)\n"
        "    sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SUITE_PARENT,
    )  # fmt: skip
    with parent:
        assert parent.stdout is not None
        nodes = [os.pidfd_open(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert nodes
    for node in nodes:  # readable when the process has ended, reaped or not
        ended, _, _ = select.select([node], [], [], 30)
        os.close(node)
        assert ended
