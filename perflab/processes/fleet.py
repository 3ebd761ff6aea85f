"""A network of node processes that changes: nodes join, leave, are killed, paused and cut off.

Layout B: a process per node, by the same child as `swarm.Swarm`, whose nodes stay as they
are. The caller is synchronous and does one thing at a time; clients are other processes. Behind a
relay (see there) each node has a loopback address of its own, from which it dials as well, and the
links between any two groups of nodes and clients can be cut. Without one, nodes talk directly.

Rule: does what it is told; when and why is for the scenarios to say.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.common import subject
from benchmarks.common.children import Child, stop_all
from benchmarks.common.entered import Entered
from benchmarks.common.records import LoopKind
from benchmarks.common.swarm import SwarmError
from perflab.processes.relay import Relay

__all__ = ["POLL_S", "Fleet", "FleetMember", "SlowError", "wait_until"]

POLL_S = 0.05  # between looks at the nodes: each costs them a line of JSON
ENTRIES = 3  # bootstrap addresses of a newcomer: one may be the next that is lost
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
    """A node process. `end` is its loopback address at the relay, or "" without one."""

    name: str
    end: str
    address: str
    join_s: float
    child: Child


class Fleet(Entered):
    """A network in layout B and its relay, from entering to leaving. `watched` members keep self
    metrics
    for the monitor."""

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
    ) -> None:
        subject.require("network", "ready")
        self.network = network
        self.loop: LoopKind = loop
        self.members: list[FleetMember] = []  # those that are there, oldest first
        self.relay: Relay | None = Relay() if relayed else None
        self._repair_bytes_per_s = repair_bytes_per_s
        self._watched = watched
        self._rng = rng
        self._ends = f"127.{rng.randrange(16, 255)}.{rng.randrange(256)}."
        self._named = self._placed = 0

    def _enter(self) -> None:
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
        begun = [self._spawn(entries) for _ in range(count if entries else min(count, 1))]
        mine = asdict(subject.identity(self.loop))
        joined: list[FleetMember] = []
        try:
            for child, end in begun:
                ready = child.wait_ready()
                if ready["identity"] != mine:
                    raise SwarmError(f"child {child.pid} runs {ready['identity']}, this is {mine}")
                self._named += 1
                joined.append(
                    FleetMember(
                        name=f"n{self._named}",
                        end=end,
                        address=ready["addresses"][0],
                        join_s=ready["join_s"][0],
                        child=child,
                    )
                )
        except BaseException:
            stop_all([child for child, _ in begun])
            raise
        self.members += joined
        if len(joined) < count:  # the founder was alone
            joined += self.join(count - len(joined))
        return joined

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

    def _spawn(self, bootstrap: list[str]) -> tuple[Child, str]:
        settings: dict[str, object] = {"repair_bytes_per_s": self._repair_bytes_per_s}
        order: dict[str, object] = {
            "settings": settings,
            "network": asdict(self.network),
            "count": 1,
            "bootstrap": bootstrap,
            "loop": self.loop,
        }
        end = self.new_end()
        if self.relay is not None:
            advertise, listen = self.relay.open(end)
            settings |= {"advertise": advertise, "listen": listen}
            order["source"] = end
        arguments = [json.dumps(order)]
        core = subject.core_dir()
        return Child(self.child_module, arguments, core, self_metrics=self._watched), end

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
