"""Load scenarios as data: what is asked of a network, when, and what is done to it meanwhile.

A scenario is a TOML file (those of `perflab/load/scenarios/` are shipped) or is put together
from the options of `python -m perflab load`. Everything is checked when it is read, unknown
names too: a typo that is passed over would measure something else.

Rule: reads and checks; starts nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from benchmarks.common.load.mix import YCSB, Distribution, Kind
from benchmarks.common.load.values import STAMP_BYTES
from perflab.forms import shown, toml_table
from perflab.load.fault_kinds import MOST_NODES, AnyFault
from perflab.load.patterns import AnyPattern, Due, LoadPattern
from perflab.load.replay import MOST_SECONDS, ScenarioError
from perflab.tables import Table, table_of

__all__ = ["SHIPPED", "Load", "LoadScenario", "read_scenario", "scenario_of", "shipped"]

SHIPPED = Path(__file__).with_name("scenarios")
MOST_VALUE_BYTES = 1 << 20  # the core's own limit is below 1 MiB
MOST_IN_FLIGHT = 4096  # the client's own limit
MOST_OF_A_KIND = 1000  # phases, faults: more are a program's mistake
MOST_SIZES = 64  # each is up to a MiB in the memory of every client
MOST_WEIGHT = 1e9
FILE_NAME = re.compile(r"(?!\.{1,2}$)[^/\\]{1,100}")

Size = Annotated[int, Meta(ge=STAMP_BYTES, le=MOST_VALUE_BYTES)]
Weight = Annotated[float, Meta(ge=0, le=MOST_WEIGHT)]


class Load(Table, frozen=True, kw_only=True):
    """What operations there are, and who starts them."""

    mix: Literal["A", "B", "C", "D", "E", "F"] | dict[Kind, Weight] = "B"
    """YCSB's A to F, or a weight for each of retrieve, store, insert, scan, modify, delete."""
    records: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """Stored before the clock starts."""
    distribution: Distribution | None = None
    """Default: as YCSB has it for that mix, else uniform."""
    value_bytes: Size | Annotated[list[Size], Meta(min_length=1, max_length=MOST_SIZES)] = 1024
    """Of several sizes each record has one, all equally likely."""
    clients: Annotated[int, Meta(ge=1, le=64)] = 1
    """Processes that generate the load."""
    max_in_flight: Annotated[int, Meta(ge=1, le=MOST_IN_FLIGHT)] = 1024
    """In each of them; what is due beyond it is dropped."""
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    trace_every: Annotated[int, Meta(ge=0, le=10**6)] = 25
    """One operation in so many is followed through its stages; 0: none."""

    def __post_init__(self) -> None:
        if isinstance(self.mix, dict) and not sum(self.mix.values()):
            raise ScenarioError(f"mix is more than nothing, not {shown(self.mix)}")

    @property
    def sizes(self) -> list[int]:
        return [self.value_bytes] if isinstance(self.value_bytes, int) else self.value_bytes

    @property
    def weights(self) -> Mapping[Kind, float]:
        return YCSB[self.mix] if isinstance(self.mix, str) else self.mix

    @property
    def chosen_by(self) -> Distribution:
        if self.distribution is not None:
            return self.distribution
        if isinstance(self.mix, str):
            return "latest" if self.mix == "D" else "zipf"
        return "uniform"


class LoadScenario(Table, frozen=True, kw_only=True):
    """A whole run. `nodes` is the size of a swarm that is started for it."""

    name: str
    about: str = ""
    seed: int = 1
    nodes: Annotated[int, Meta(ge=1, le=MOST_NODES)] = 5
    load: Load = field(default_factory=Load)
    phase: Annotated[list[AnyPattern], Meta(min_length=1, max_length=MOST_OF_A_KIND)]
    fault: Annotated[list[AnyFault], Meta(max_length=MOST_OF_A_KIND)] = field(default_factory=list)

    def __post_init__(self) -> None:
        named = FILE_NAME.fullmatch(self.name) is not None and self.name.isprintable()
        _need(named, "name", self.name, "1 to 100 characters that a file's name may have")
        _need(self.duration_s <= MOST_SECONDS, "seconds", self.duration_s, "up to a week in all")
        left, before_s = self.nodes, 0.0
        for number, fault in enumerate(self.fault):
            place = f"fault[{number}]"
            _need(fault.at_s >= before_s, f"{place}.at_s", fault.at_s, "after the one before")
            _need(fault.end_s < self.duration_s, f"{place}.at_s", fault.at_s, "over before the end")
            most = left - fault.spares_one
            words = f"fewer than the {left} left" if fault.spares_one else f"up to the {left} left"
            _need(fault.nodes <= most, f"{place}.nodes", fault.nodes, words)
            left -= fault.nodes if fault.leaves_fewer else 0
            before_s = fault.end_s

    @property
    def duration_s(self) -> float:
        return math.fsum(phase.duration_s for phase in self.phase)

    @property
    def deletes(self) -> bool:
        """Whether records are deleted, so that some are rightly not there."""
        return self.load.weights.get("delete", 0) > 0 or any(each.deletes for each in self.phase)

    def spans(self) -> list[tuple[LoadPattern, float, float]]:
        """The phases with their beginnings and ends in seconds."""
        found, begin_s = [], 0.0
        for phase in self.phase:
            found.append((phase, begin_s, begin_s + phase.duration_s))
            begin_s += phase.duration_s
        return found

    def rate_at(self, at_s: float) -> float:
        """Operations per second that are asked for at that time; 0 outside, and in traces."""
        for phase, begin_s, end_s in self.spans():
            if begin_s <= at_s < end_s:
                return phase.rate_at(at_s - begin_s)
        return 0.0

    def due(self) -> Iterator[Due]:
        """When operations are due, and what they are where a trace says so."""
        for number, (phase, begin_s, _) in enumerate(self.spans()):
            begin_ns = round(begin_s * 1e9)
            for due_ns, step in phase.due(self.seed + number):
                yield begin_ns + due_ns, step


def _need(condition: bool, name: str, value: object, limit: str) -> None:
    if not condition:
        raise ScenarioError(f"{name} is {limit}, not {shown(value)}")


def shipped() -> list[str]:
    """The names of the scenarios that are shipped."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read_scenario(name: str) -> LoadScenario:
    """A shipped scenario by its name, or any by its file; ScenarioError with one clear line."""
    path = SHIPPED / f"{name}.toml" if name in shipped() else Path(name)
    if "\0" in name or not path.exists():
        raise ScenarioError(
            f"no scenario is called {shown(name)} and there is no such file; there are "
            f"{', '.join(shipped())}"
        )
    data = toml_table(path, ScenarioError)
    return scenario_of({"name": path.stem} | data, path.parent, path.name)


def scenario_of(
    data: Mapping[str, Any], directory: Path | None = None, place: str = "the scenario"
) -> LoadScenario:
    """A scenario from plain tables; trace files are looked for from the directory on."""
    table = dict(data)
    if directory is not None and isinstance(table.get("phase"), list):
        table["phase"] = [_placed(each, directory) for each in table["phase"]]
    return table_of(table, LoadScenario, place, ScenarioError)


def _placed(phase: object, directory: Path) -> object:
    if isinstance(phase, dict) and isinstance(phase.get("file"), str):
        return phase | {"file": str(directory / phase["file"])}
    return phase
