"""Carries out the faults of a load scenario, and notes when the nodes had noticed.

The clients need not be asked: what they saw is in the rows (`recovery.py`). The nodes are: those
that a fault leaves alone say how many others they know.

A fault that cannot be made, or healed, ends the run: a run without its fault shows nothing.

Rule: does what the scenario says, when it says so; whether service came back is not judged here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.common.children import ChildError
from perflab.load.recovery import Happened
from perflab.load.scenario import Fault, LoadScenario
from perflab.load.target import StartedSwarm
from perflab.processes.fleet import Fleet, FleetMember
from perflab.processes.relay import Conditions

__all__ = ["FaultError", "FaultPlayer", "needs_relay"]

OF_LINKS = ("partition", "slow", "lossy")
OF_PROCESSES = ("kill", "restart", "pause", "partition")  # the others can notice these
OF_LIMITS = ("descriptors", "memory")


class FaultError(RuntimeError):
    """A fault that could not be made or healed; the message names it and says why."""


def needs_relay(scenario: LoadScenario) -> bool:
    """Whether a fault is one of links."""
    return any(fault.kind in OF_LINKS for fault in scenario.fault)


@dataclass
class _Doing:
    """A fault that was begun."""

    number: int
    fault: Fault
    victims: list[FleetMember]
    begin_s: float
    known: int
    limits: dict[int, tuple[int, int]]
    seen_s: float | None = None
    healed_s: float | None = None


class FaultPlayer:
    """Of one run. `now_s` tells the run's time; `sources` are the addresses of its clients."""

    def __init__(
        self,
        scenario: LoadScenario,
        swarm: StartedSwarm,
        *,
        sources: list[str],
        now_s: Callable[[], float],
        note: Callable[[str, str, int], None],
        watch: Callable[[FleetMember], None],
    ) -> None:
        self._scenario, self._sources = scenario, sources
        self._fleet: Fleet = swarm.fleet
        self._now_s, self._note, self._watch = now_s, note, watch
        self._rng = random.Random(f"{scenario.seed} faults")
        self._done: list[_Doing] = []

    def deeds(self) -> list[tuple[float, Callable[[], None]]]:
        """What there is to do, and when."""
        found: list[tuple[float, Callable[[], None]]] = []
        for number, fault in enumerate(self._scenario.fault):
            found.append((fault.at_s, partial(self._try, number, "made", self._begin)))
            if fault.kind != "kill":
                healed_s = fault.at_s + fault.for_s
                found.append((healed_s, partial(self._try, number, "healed", self._heal)))
        return found

    def undone(self) -> list[str]:
        """What the scenario asks for and was not done, by name; none after a whole run."""
        made = {doing.number: doing for doing in self._done}
        found = []
        for number, fault in enumerate(self._scenario.fault):
            if number not in made:
                found.append(f"{_name(number, fault)} was not made")
            elif fault.kind != "kill" and made[number].healed_s is None:
                found.append(f"{_name(number, fault)} was not healed")
        return found

    def look(self) -> None:
        """Ask the nodes whether they have noticed, while there is something to be noticed."""
        for doing in self._done[-1:]:
            if doing.fault.kind in OF_PROCESSES and (doing.seen_s, doing.healed_s) == (None, None):
                others = [each for each in self._fleet.members if each not in doing.victims]
                known = [self._fleet.standing(each).known for each in others]
                if max(known, default=0) <= doing.known - len(doing.victims):
                    doing.seen_s = self._now_s()
                    self._note("note", "the other nodes have noticed", doing.number)

    def happened(self, end_s: float) -> list[Happened]:
        """What was done, in a run whose schedule ends then."""
        found = []
        for place, doing in enumerate(self._done):
            following = self._done[place + 1 :]
            until_s = following[0].begin_s if following else end_s
            found.append(
                Happened(
                    fault=doing.number,
                    kind=doing.fault.kind,
                    begin_s=doing.begin_s,
                    healed_s=doing.healed_s,
                    seen_by_nodes_s=None if doing.seen_s is None else doing.seen_s - doing.begin_s,
                    until_s=until_s,
                    recover_within_s=doing.fault.recover_within_s,
                )
            )
        return found

    def _try(self, number: int, what: str, deed: Callable[[int, Fault], None]) -> None:
        """Do something of a fault; FaultError, which names it, if that fails in any way."""
        fault = self._scenario.fault[number]
        try:
            deed(number, fault)
        except Exception as error:  # of psutil, of the kernel, of a process that has gone
            words = " ".join(str(error).split()) or type(error).__name__
            raise FaultError(f"{_name(number, fault)} could not be {what}: {words}") from error

    def _begin(self, number: int, fault: Fault) -> None:
        fleet = self._fleet
        if fault.nodes >= len(fleet.members):
            raise ValueError(f"it takes {fault.nodes} nodes of {len(fleet.members)} that are left")
        victims = self._rng.sample(fleet.members, fault.nodes)
        for member in victims:
            fleet.standing(member)  # raises if it has died by itself: nothing would be done to it
        doing = _Doing(number, fault, victims, self._now_s(), len(fleet.members) - 1, {})
        self._done.append(doing)
        ends = [member.end for member in victims]
        others = [member.end for member in fleet.members if member not in victims] + self._sources
        for member in victims:
            if fault.kind in ("kill", "restart"):
                fleet.kill(member)
            elif fault.kind == "pause":
                fleet.pause(member)
            elif fault.kind in OF_LIMITS:
                doing.limits[member.child.pid] = _limit(member, fault)
        if fault.kind in OF_LINKS:
            assert fleet.relay is not None
            fleet.relay.set_between(ends, others, _conditions(fault))
        names = ", ".join(member.name for member in victims)
        self._note("fault", f"{fault.kind} of {names}", number)

    def _heal(self, number: int, fault: Fault) -> None:
        doing = self._done[-1]
        names = ", ".join(member.name for member in doing.victims)
        if fault.kind == "restart":
            joined = self._fleet.join(fault.nodes)
            for member in joined:
                self._watch(member)
            names = ", ".join(member.name for member in joined)
        elif fault.kind == "pause":
            for member in doing.victims:
                self._fleet.resume(member)
        elif fault.kind in OF_LINKS:
            assert self._fleet.relay is not None
            self._fleet.relay.heal()
        doing.healed_s = self._now_s()
        self._note("heal", f"{fault.kind}: {names}", doing.number)
        for member in doing.victims if fault.kind in OF_LIMITS else ():
            self._lift(member, doing)

    def _lift(self, member: FleetMember, doing: _Doing) -> None:
        """Take a limit away; a node that has died of it is buried, and told."""
        import resource

        kind = resource.RLIMIT_NOFILE if doing.fault.kind == "descriptors" else resource.RLIMIT_AS
        try:
            resource.prlimit(member.child.pid, kind, doing.limits[member.child.pid])
            self._fleet.standing(member)
        except (ChildError, OSError) as error:
            self._fleet.kill(member)
            self._note("note", f"{member.name} has died of it: {error}", doing.number)


def _name(number: int, fault: Fault) -> str:
    return f"fault[{number}], {fault.kind} at {fault.at_s:g} s,"


def _conditions(fault: Fault) -> Conditions:
    if fault.kind == "partition":
        return Conditions(cut="hold" if fault.hold else "refuse")
    return Conditions(delay_s=fault.delay_ms / 1e3, bytes_per_s=fault.bytes_per_s, loss=fault.loss)


def _limit(member: FleetMember, fault: Fault) -> tuple[int, int]:
    """Let a process have so many more descriptors or bytes than it has; returns what it could."""
    import resource

    import psutil

    process = psutil.Process(member.child.pid)
    if fault.kind == "descriptors":
        kind, used = resource.RLIMIT_NOFILE, process.num_fds()
    else:
        kind, used = resource.RLIMIT_AS, process.memory_info().vms
    before: tuple[int, int] = resource.prlimit(process.pid, kind)
    resource.prlimit(process.pid, kind, (used + fault.limit, before[1]))
    return before
