"""A network of node processes that changes: nodes join, leave, are killed, paused and cut off.

Layout B: a process per node, by the same child as `swarm.Swarm`, whose nodes stay as they
are. The caller is synchronous and does one thing at a time; clients are other processes. Behind a
relay (see there) each node has a loopback address of its own, from which it dials as well, and the
links between any two groups of nodes and clients can be cut. Without one, nodes talk directly.

Members that keep their records on a disk each have a directory, and can be started again on it, at
the address that they had.

Rule: does what it is told; when and why is for the scenarios to say.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import subject
from benchmarks.common.children import Child, ChildError, stop_all
from benchmarks.common.disk import Keeping, NodeStorage, place_on_disk
from benchmarks.common.entered import Entered
from benchmarks.common.records import LoopKind
from benchmarks.common.swarm import SwarmError
from perflab.processes.relay import Relay

__all__ = ["POLL_S", "Fleet", "FleetMember", "SlowError", "wait_until"]

POLL_S = 0.05  # between looks at the nodes: each costs them a line of JSON
ENTRIES = 3  # bootstrap addresses of a newcomer: one may be the next that is lost
PORT_TAKEN = "listen: "  # the core's words for an address that it can't have begin so
ALL_KNOWN = 20  # more than so many others nobody has to know: a node syncs with its 20 nearest


class SlowError(RuntimeError):
    """What was waited for did not come in time; the message says how things stand."""


def wait_until(
    condition: Callable[[], bool], limit_s: float, what: str, standing: Callable[[], object]
) -> float:
    """Seconds until something is so; SlowError, with how things stand, after `limit_s`."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > limit_s:
            raise SlowError(f"{what}: not within {limit_s:g} s; {standing()}")
        time.sleep(POLL_S)
    return time.monotonic() - begin


@dataclass(frozen=True, kw_only=True)
class FleetMember:
    """A node process. `end` is its loopback address at the relay, or "" without one; `storage` has
    the directory in which its records are, if they are on a disk."""

    name: str
    end: str
    address: str
    join_s: float
    child: Child
    storage: NodeStorage


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a member's process goes. `again`: it has been there before, and others may have to come
    back before it can be ready."""

    name: str
    end: str
    storage: NodeStorage
    listen: str = ""
    again: bool = False


def _place_of(member: FleetMember) -> _Place:
    return _Place(
        name=member.name,
        end=member.end,
        storage=member.storage,
        listen=member.address,
        again=True,
    )


class Fleet(Entered):
    """A network in layout B and its relay, from entering to leaving. `watched` members keep self
    metrics for the monitor; `keeping` says where they have their records, and `environment` is
    added to theirs. `folder` has the directories of those on a disk: a new one, which goes at the
    end, unless one is given."""

    child_module = "benchmarks.common.swarm"

    def __init__(
        self,
        *,
        network: subject.NetworkSettings,
        loop: LoopKind,
        relayed: bool,
        rng: random.Random,
        repair_bytes_per_s: int | None = None,
        watched: bool = False,
        keeping: Keeping = "memory",
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        subject.require("network", "ready")
        self.network = network
        self.loop: LoopKind = loop
        self.members: list[FleetMember] = []  # those that are there, oldest first
        self.relay: Relay | None = Relay() if relayed else None
        self._repair_bytes_per_s = repair_bytes_per_s
        self._watched = watched
        self.keeping: Keeping = keeping
        self.folder = folder
        self._environment = dict(environment or {})
        self._rng = rng
        self._ends = f"127.{rng.randrange(16, 255)}.{rng.randrange(256)}."
        self._named = self._placed = 0

    def _enter(self) -> None:
        if self.keeping != "memory" and self.folder is None:
            made = TemporaryDirectory(prefix="fleet-", dir=place_on_disk())
            self.folder = Path(self._stack.enter_context(made))
        if self.relay is not None:
            self._stack.enter_context(self.relay)
        self._stack.callback(lambda: stop_all([member.child for member in self.members]))

    def new_end(self) -> str:
        """A loopback address that no other process of this fleet has; "" without a relay."""
        if self.relay is None:
            return ""
        self._placed += 1
        return f"{self._ends}{self._placed}"

    def addresses(self, among: Iterable[FleetMember] | None = None) -> list[str]:
        """Some members' addresses, in an order of chance."""
        addresses = [member.address for member in (self.members if among is None else among)]
        return self._rng.sample(addresses, len(addresses))

    # Changes of the membership

    def join(self, count: int = 1) -> list[FleetMember]:
        """Start node processes, all at once, and wait until they are in the network."""
        entries = self.addresses()[:ENTRIES]
        begun = [self._new_member() for _ in range(count if entries else min(count, 1))]
        joined = self._begin(begun, entries)
        if len(joined) < count:  # the founder was alone
            joined += self.join(count - len(joined))
        return joined

    def restart(self, killed: Sequence[FleetMember]) -> list[FleetMember]:
        """Start members that were killed again, on their directories, at their addresses: the first
        alone if nobody is there, the others at once. Returns when they are in the network; they
        need not be ready."""
        first = [] if self.members else killed[:1]
        back = self._begin([_place_of(each) for each in first], []) if first else []
        others = [_place_of(each) for each in killed[len(first) :]]
        return back + self._begin(others, self.addresses()[:ENTRIES])

    def _new_member(self) -> _Place:
        self._named += 1
        storage = NodeStorage()
        if self.folder is not None:
            storage = NodeStorage(keeping=self.keeping, folder=f"{self.folder}/n{self._named}")
        return _Place(name=f"n{self._named}", end=self.new_end(), storage=storage)

    def _begin(self, places: Sequence[_Place], entries: list[str]) -> list[FleetMember]:
        """Start processes, all at once, and wait until they are in the network."""
        children = [self._spawn(place, entries) for place in places]
        joined: list[FleetMember] = []
        try:
            for number, place in enumerate(places):
                ready = self._ready(children, number, place, entries)
                joined.append(
                    FleetMember(
                        name=place.name,
                        end=place.end,
                        address=ready["addresses"][0],
                        join_s=ready["join_s"][0],
                        child=children[number],
                        storage=place.storage,
                    )
                )
        except BaseException:
            stop_all(children)
            raise
        self.members += joined
        return joined

    def _ready(
        self, children: list[Child], number: int, place: _Place, entries: list[str]
    ) -> dict[str, Any]:
        """A child's ready line. If somebody else has taken its port meanwhile, it gets another."""
        mine = asdict(subject.identity(self.loop))
        try:
            ready = children[number].wait_ready()
        except ChildError as error:
            if not place.listen or PORT_TAKEN not in str(error):
                raise
            children[number].kill()  # it has ended; its files are let go
            children[number] = self._spawn(replace(place, listen=""), entries)
            ready = children[number].wait_ready()
        if ready["identity"] != mine:
            child = children[number]
            raise SwarmError(f"child {child.pid} runs {ready['identity']}, this is {mine}")
        return ready

    def leave(self, member: FleetMember) -> None:
        """The node hands over what it holds and says goodbye; returns when its process is gone."""
        self.members.remove(member)
        member.child.stop()
        self._forget(member)

    def kill(self, member: FleetMember) -> None:
        """SIGKILL: nothing is handed over, nobody is told."""
        self.members.remove(member)
        member.child.kill()
        self._forget(member)

    def pause(self, member: FleetMember) -> None:
        """SIGSTOP: its connections stand, and nobody answers."""
        member.child.pause()

    def resume(self, member: FleetMember) -> None:
        """SIGCONT: it goes on where it was, and does not know how long it was away."""
        member.child.resume()

    def _forget(self, member: FleetMember) -> None:
        if self.relay is not None:
            self.relay.close(member.end)

    def _spawn(self, place: _Place, bootstrap: list[str]) -> Child:
        settings: dict[str, object] = {"repair_bytes_per_s": self._repair_bytes_per_s}
        order: dict[str, object] = {
            "settings": settings,
            "network": asdict(self.network),
            "count": 1,
            "bootstrap": bootstrap,
            "loop": self.loop,
            "storage": asdict(place.storage),
            "settle": not place.again,
        }
        if self.relay is not None:
            advertise, listen = self.relay.open(place.end)
            settings |= {"advertise": advertise, "listen": listen}
            order["source"] = place.end
        elif place.listen:
            settings["listen"] = place.listen
        return Child(
            self.child_module,
            [json.dumps(order)],
            subject.core_dir(),
            self._environment,
            self_metrics=self._watched,
        )

    # How things stand

    def standing(self, member: FleetMember) -> subject.NodeStanding:
        """How a member stands."""
        return subject.NodeStanding(**member.child.ask({"ask": "standing"})["nodes"][0])

    def standings(self) -> dict[str, subject.NodeStanding]:
        """How each member stands, by name."""
        return {member.name: self.standing(member) for member in self.members}

    def settled(self, sides: Sequence[Sequence[FleetMember]] | None = None) -> bool:
        """Whether everybody is ready, knows everybody and nobody who is gone; given sides that are
        cut off from each other, everybody on the own side and nobody else."""
        standings = self.standings()
        for side in sides or [self.members]:
            others = len(side) - 1
            for standing in (standings[member.name] for member in side):
                all_known = standing.known == others
                if not standing.ready or not (all_known or ALL_KNOWN <= standing.known < others):
                    return False
        return True

    def wait_settled(self, limit_s: float) -> float:
        """Seconds until all are; SlowError after `limit_s`."""
        what = f"{len(self.members)} nodes know each other and are ready"
        return wait_until(self.settled, limit_s, what, self.standings)

    def wait_copies(self, fewest: int, most: int, limit_s: float) -> float:
        """Seconds until the nodes hold so many records together; SlowError after `limit_s`."""

        def copies() -> int:
            return sum(standing.records for standing in self.standings().values())

        what = f"the nodes hold {fewest} to {most} copies of records together"
        return wait_until(lambda: fewest <= copies() <= most, limit_s, what, self.standings)
