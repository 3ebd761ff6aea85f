"""A network of processes changes as it is told, and tells how it stands."""

import random
import socket
from collections.abc import Iterator

import psutil
import pytest

from benchmarks.common import subject
from benchmarks.common.loops import running_loop
from perflab.processes.fleet import Fleet, SlowError, wait_until
from perflab.processes.relay import Conditions

PATIENCE_S = 60.0
LOOP = subject.default_loop()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Four nodes behind a relay; each test leaves four that have settled."""
    network = subject.NetworkSettings()
    with Fleet(network=network, loop=LOOP, relayed=True, rng=random.Random(1)) as fleet:
        assert len(fleet.join(4)) == 4
        fleet.wait_settled(PATIENCE_S)
        yield fleet
        pids = [member.child.pid for member in fleet.members]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def known(fleet: Fleet, name: str) -> int:
    return fleet.standings()[name].known


@pytest.mark.slow
def test_a_kill_and_a_join(fleet: Fleet) -> None:
    lost = fleet.members[0]
    fleet.kill(lost)
    assert not psutil.pid_exists(lost.child.pid)
    fleet.wait_settled(PATIENCE_S)
    assert set(fleet.standings()) == {member.name for member in fleet.members}
    (newcomer,) = fleet.join()
    fleet.wait_settled(PATIENCE_S)
    assert known(fleet, newcomer.name) == 3
    assert newcomer.join_s > 0


def test_who_leaves_hands_over_first(fleet: Fleet) -> None:
    async def store() -> None:
        async with subject.make_client(fleet.network, fleet.addresses()) as client:
            for number in range(20):
                await client.store(f"key {number}", b"value")

    with running_loop(LOOP, fleet.new_end()) as runner:
        runner.run(store())
    fleet.leave(fleet.members[0])
    fleet.wait_settled(PATIENCE_S)
    fleet.wait_copies(60, 60, PATIENCE_S)
    fleet.join()
    fleet.wait_settled(PATIENCE_S)
    fleet.wait_copies(60, 60, PATIENCE_S)


def test_a_pause_that_is_over_is_no_loss(fleet: Fleet) -> None:
    member = fleet.members[0]
    fleet.pause(member)
    assert psutil.Process(member.child.pid).status() == psutil.STATUS_STOPPED
    fleet.resume(member)
    fleet.wait_settled(PATIENCE_S)


def test_who_is_cut_off_is_forgotten_and_found_again(fleet: Fleet) -> None:
    assert fleet.relay is not None
    alone, *others = fleet.members
    ends = [member.end for member in others]
    fleet.relay.set_between([alone.end], ends, Conditions(cut="refuse"))
    wait_until(lambda: known(fleet, alone.name) == 0, PATIENCE_S, "alone", fleet.standings)
    assert not fleet.settled()
    for other in others:
        wait_until(lambda it=other: known(fleet, it.name) == 2, PATIENCE_S, "cut", fleet.standings)
    fleet.relay.heal()
    fleet.wait_settled(PATIENCE_S)


def test_what_takes_too_long_says_how_things_stand() -> None:
    with pytest.raises(SlowError, match=r"never: not within 0.1 s; 7 of 8"):
        wait_until(lambda: False, 0.1, "never", lambda: "7 of 8")


def test_members_come_back_with_their_records_where_they_were() -> None:
    """One of them, and then all at once: the first alone, the others through it."""
    network = subject.NetworkSettings()
    with Fleet(
        network=network, loop=LOOP, relayed=False, rng=random.Random(2), keeping="synced"
    ) as fleet:
        fleet.join(3)
        fleet.wait_settled(PATIENCE_S)

        async def store() -> None:
            async with subject.make_client(network, fleet.addresses()) as client:
                for number in range(10):
                    await client.store(f"key {number}", b"value")

        async def read() -> list[bytes | None]:
            async with subject.make_client(network, fleet.addresses()) as client:
                return [
                    await subject.retrieve_if_there(client, f"key {number}") for number in range(10)
                ]

        with running_loop(LOOP) as runner:
            runner.run(store())
            for count in (1, 3):
                killed = fleet.members[:count]
                before = {member.name: member.address for member in fleet.members}
                for member in killed:
                    fleet.kill(member)
                fleet.restart(killed)
                fleet.wait_settled(PATIENCE_S)
                assert {member.name: member.address for member in fleet.members} == before
                assert runner.run(read()) == [b"value"] * 10


def test_a_port_that_was_taken_meanwhile_is_given_up() -> None:
    network = subject.NetworkSettings.of(1)
    with Fleet(
        network=network, loop=LOOP, relayed=False, rng=random.Random(3), keeping="buffered"
    ) as fleet:
        (member,) = fleet.join()
        fleet.kill(member)
        host, port = member.address.split(":")
        with socket.create_server((host, int(port))):
            (back,) = fleet.restart([member])
        assert back.name == member.name
        assert back.address != member.address
