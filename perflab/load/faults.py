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

from perflab.load.fault_kinds import HealedFault, LoadFault, Scene
from perflab.load.recovery import Happened
from perflab.load.scenario import LoadScenario
from perflab.load.target import StartedSwarm
from perflab.processes.fleet import Fleet, FleetMember

__all__ = ["FaultError", "FaultPlayer", "needs_relay"]


class FaultError(RuntimeError):
    """A fault that could not be made or healed; the message names it and says why."""


def needs_relay(scenario: LoadScenario) -> bool:
    """Whether a fault is one of links."""
    return any(fault.of_links for fault in scenario.fault)


@dataclass
class _Doing:
    """A fault that was begun."""

    number: int
    fault: LoadFault
    scene: Scene
    begin_s: float
    known: int
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
            if isinstance(fault, HealedFault):
                found.append((fault.end_s, partial(self._try, number, "healed", self._heal)))
        return found

    def undone(self) -> list[str]:
        """What the scenario asks for and was not done, by name; none after a whole run."""
        made = {doing.number: doing for doing in self._done}
        found = []
        for number, fault in enumerate(self._scenario.fault):
            if number not in made:
                found.append(f"{_name(number, fault)} was not made")
            elif isinstance(fault, HealedFault) and made[number].healed_s is None:
                found.append(f"{_name(number, fault)} was not healed")
        return found

    def look(self) -> None:
        """Ask the nodes whether they have noticed, while there is something to be noticed."""
        for doing in self._done[-1:]:
            victims = doing.scene.victims
            if doing.fault.noticed_by_nodes and doing.seen_s is None and doing.healed_s is None:
                others = [each for each in self._fleet.members if each not in victims]
                known = [self._fleet.standing(each).known for each in others]
                if max(known, default=0) <= doing.known - len(victims):
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
                    kind=doing.fault.name,
                    begin_s=doing.begin_s,
                    healed_s=doing.healed_s,
                    seen_by_nodes_s=None if doing.seen_s is None else doing.seen_s - doing.begin_s,
                    until_s=until_s,
                    recover_within_s=doing.fault.recover_within_s,
                )
            )
        return found

    def _try(self, number: int, what: str, deed: Callable[[int, LoadFault], None]) -> None:
        """Do something of a fault; FaultError, which names it, if that fails in any way."""
        fault = self._scenario.fault[number]
        try:
            deed(number, fault)
        except Exception as error:  # of psutil, of the kernel, of a process that has gone
            words = " ".join(str(error).split()) or type(error).__name__
            raise FaultError(f"{_name(number, fault)} could not be {what}: {words}") from error

    def _begin(self, number: int, fault: LoadFault) -> None:
        fleet = self._fleet
        if fault.nodes > len(fleet.members) - fault.spares_one:
            raise ValueError(f"it takes {fault.nodes} nodes of {len(fleet.members)} that are left")
        victims = self._rng.sample(fleet.members, fault.nodes)
        for member in victims:
            fleet.standing(member)  # raises if it has died by itself: nothing would be done to it
        scene = Scene(
            fleet=fleet,
            victims=victims,
            others=[m.end for m in fleet.members if m not in victims] + self._sources,
            watch=self._watch,
            note=lambda words: self._note("note", words, number),
        )
        names = scene.names
        self._done.append(_Doing(number, fault, scene, self._now_s(), len(fleet.members) - 1))
        fault.begin(scene)
        self._note("fault", f"{fault.name} of {names}", number)

    def _heal(self, number: int, fault: LoadFault) -> None:
        assert isinstance(fault, HealedFault)
        doing = self._done[-1]
        names = fault.heal(doing.scene)
        doing.healed_s = self._now_s()
        self._note("heal", f"{fault.name}: {names}", number)
        fault.after_heal(doing.scene)


def _name(number: int, fault: LoadFault) -> str:
    return f"fault[{number}], {fault.name} at {fault.at_s:g} s,"
