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
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

from benchmarks.common.load.mix import KINDS, YCSB, Distribution, DrawnOperation, Kind
from benchmarks.common.load.schedule import Piece, after, arrivals, bursts
from benchmarks.common.load.values import STAMP_BYTES
from perflab.forms import check_values, converted, shown, toml_table
from perflab.load.replay import MOST_SECONDS, ScenarioError, read_trace

__all__ = [
    "SHIPPED",
    "Fault",
    "FaultKind",
    "Load",
    "LoadPhase",
    "LoadScenario",
    "Pattern",
    "ScenarioError",
    "read_scenario",
    "scenario_of",
    "shipped",
]

SHIPPED = Path(__file__).with_name("scenarios")
MOST_VALUE_BYTES = 1 << 20  # the core's own limit is below 1 MiB
MOST_IN_FLIGHT = 4096  # the client's own limit
MOST_OF_A_KIND = 1000  # phases, faults, steps: more are a program's mistake
MOST_SIZES = 64  # each is up to a MiB in the memory of every client
MOST_AT_ONCE, SHORTEST_S = 1_000_000, 0.001  # operations of a burst; from one to the next
MOST_WEIGHT = 1e9
FILE_NAME = re.compile(r"(?!\.{1,2}$)[^/\\]{1,100}")

Pattern = Literal["constant", "poisson", "soak", "burst", "ramp", "steps", "spike", "trace"]
FaultKind = Literal[
    "kill", "pause", "restart", "partition", "slow", "lossy", "descriptors", "memory"
]
T = TypeVar("T")

NEEDS: Mapping[Pattern, tuple[str, ...]] = {
    "constant": ("rate", "seconds"),
    "poisson": ("rate", "seconds"),
    "soak": ("rate", "seconds"),
    "burst": ("size", "every_s", "seconds"),
    "ramp": ("rate", "to_rate", "seconds"),
    "steps": ("rates", "seconds"),
    "spike": ("rate", "spike_rate", "spike_at_s", "spike_s", "seconds"),
    "trace": ("file",),
}


def _need(condition: bool, name: str, value: object, limit: str) -> None:
    if not condition:
        raise ScenarioError(f"{name} is {limit}, not {shown(value)}")


@dataclass(frozen=True, kw_only=True)
class LoadPhase:
    """A time with one pattern of arrivals; rates are per second.

    constant, soak: evenly spaced at `rate`. poisson: at chance, at `rate` on average. burst: `size`
    operations at once, every `every_s`. ramp: from `rate` to `to_rate`. steps: `rates` one after
    the other, `seconds` *each*. spike: `rate`, but `spike_rate` for `spike_s` from `spike_at_s` on.
    trace: what a file says (`replay.read_trace`). With `random`, any of them but burst and trace
    comes at chance.
    """

    name: str = ""
    pattern: Pattern
    seconds: float = 0.0
    rate: float | None = None
    to_rate: float | None = None
    rates: list[float] = field(default_factory=list)
    size: int = 0
    every_s: float = 0.0
    spike_rate: float | None = None
    spike_at_s: float | None = None
    spike_s: float | None = None
    file: str = ""
    random: bool = False
    warm_up: bool = False
    """Figures of the run leave out what is due in it."""

    def __post_init__(self) -> None:
        wanted = NEEDS[self.pattern]
        empty: tuple[object, ...] = (None, 0, 0.0, "", [])
        for each in fields(self):
            if each.name in ("name", "pattern", "random", "warm_up"):
                continue
            given = getattr(self, each.name) not in empty
            if given and each.name not in wanted:
                raise ScenarioError(f"the pattern {self.pattern!r} has no {each.name!r}")
            if not given and each.name in wanted and getattr(self, each.name) in (None, "", []):
                raise ScenarioError(f"the pattern {self.pattern!r} needs {each.name!r}")
        if self.pattern == "trace":
            read_trace(Path(self.file))
            return
        limit = f"a list of at most {MOST_OF_A_KIND}"
        _need(len(self.rates) <= MOST_OF_A_KIND, "rates", len(self.rates), limit)
        _need(0 < self.duration_s <= MOST_SECONDS, "seconds", self.seconds, "above 0, up to a week")
        if self.pattern == "burst":
            _need(1 <= self.size <= MOST_AT_ONCE, "size", self.size, f"1 to {MOST_AT_ONCE:,}")
            limit = f"{SHORTEST_S} or more, <= seconds"
            _need(SHORTEST_S <= self.every_s <= self.seconds, "every_s", self.every_s, limit)
        else:
            operations = sum(piece.operations for piece in self._pieces())
            _need(operations >= 1, "rate", self.rate, "high enough for an operation in the phase")

    @property
    def duration_s(self) -> float:
        """How long it lasts; a trace as long as its file says."""
        if self.pattern == "trace":
            return read_trace(Path(self.file))[-1].due_ns / 1e9
        return self.seconds * max(1, len(self.rates))

    def due_ns(self, seed: int) -> Iterator[int]:
        """When operations are due, from the beginning of the phase; not of a trace."""
        if self.pattern == "burst":
            return bursts(self.size, self.every_s, self.seconds)
        by_chance = self.random or self.pattern == "poisson"
        return arrivals(self._pieces(), seed if by_chance else None)

    def rate_at(self, at_s: float) -> float:
        """Operations per second asked for at that time of the phase; of bursts the mean."""
        if self.pattern == "burst":
            return self.size / self.every_s
        for piece in self._pieces():
            if at_s < piece.seconds:
                change = (piece.end_per_s - piece.begin_per_s) / piece.seconds
                return piece.begin_per_s + at_s * change
            at_s -= piece.seconds
        return 0.0

    def _pieces(self) -> list[Piece]:
        def flat(rate: float | None, seconds: float) -> Piece:
            assert rate is not None
            return Piece(begin_per_s=rate, end_per_s=rate, seconds=seconds)

        if self.pattern == "trace":
            return []
        if self.pattern == "steps":
            return [flat(rate, self.seconds) for rate in self.rates]
        if self.pattern == "ramp":
            assert self.rate is not None
            assert self.to_rate is not None
            return [Piece(begin_per_s=self.rate, end_per_s=self.to_rate, seconds=self.seconds)]
        if self.pattern != "spike":
            return [flat(self.rate, self.seconds)]
        assert self.spike_at_s is not None
        assert self.spike_s is not None
        rest_s = self.seconds - self.spike_at_s - self.spike_s
        _need(self.spike_at_s > 0 and rest_s > 0, "spike_at_s", self.spike_at_s, "within the phase")
        return [
            flat(self.rate, self.spike_at_s),
            flat(self.spike_rate, self.spike_s),
            flat(self.rate, rest_s),
        ]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What operations there are, and who starts them."""

    mix: str | dict[str, float] = "B"
    """YCSB's A to F, or a weight for each of retrieve, store, insert, scan, modify, delete."""
    records: int = 1000
    """Stored before the clock starts."""
    distribution: Distribution | None = None
    """Default: as YCSB has it for that mix, else uniform."""
    value_bytes: int | list[int] = 1024
    """Of several sizes each record has one, all equally likely."""
    clients: int = 1
    """Processes that generate the load."""
    max_in_flight: int = 1024
    """In each of them; what is due beyond it is dropped."""
    timeout_s: float = 5.0
    trace_every: int = 25
    """One operation in so many is followed through its stages; 0: none."""

    def __post_init__(self) -> None:
        if isinstance(self.mix, str):
            _need(self.mix in YCSB, "mix", self.mix, f"one of {', '.join(YCSB)}, or weights")
        else:
            for name, weight in self.mix.items():
                _need(name in KINDS, "mix", name, f"of {', '.join(KINDS)}")
                _need(0 <= weight <= MOST_WEIGHT, f"mix.{name}", weight, f"0 to {MOST_WEIGHT:g}")
            _need(sum(self.mix.values()) > 0, "mix", self.mix, "more than nothing")
        _need(1 <= self.records <= 1_000_000, "records", self.records, "1 to 1,000,000")
        for size in self.sizes:
            _need(STAMP_BYTES <= size <= MOST_VALUE_BYTES, "value_bytes", size, "16 to 1,048,576")
        limit = f"1 to {MOST_SIZES} sizes"
        _need(1 <= len(self.sizes) <= MOST_SIZES, "value_bytes", self.value_bytes, limit)
        _need(1 <= self.clients <= 64, "clients", self.clients, "1 to 64")
        limit = f"1 to {MOST_IN_FLIGHT}"
        _need(1 <= self.max_in_flight <= MOST_IN_FLIGHT, "max_in_flight", self.max_in_flight, limit)
        _need(0 < self.timeout_s <= 600, "timeout_s", self.timeout_s, "above 0, up to 600")
        _need(0 <= self.trace_every <= 10**6, "trace_every", self.trace_every, "0 to 1,000,000")

    @property
    def sizes(self) -> list[int]:
        return [self.value_bytes] if isinstance(self.value_bytes, int) else self.value_bytes

    @property
    def weights(self) -> Mapping[Kind, float]:
        return YCSB[self.mix] if isinstance(self.mix, str) else self.mix  # type: ignore[return-value]

    @property
    def chosen_by(self) -> Distribution:
        if self.distribution is not None:
            return self.distribution
        if isinstance(self.mix, str):
            return "latest" if self.mix == "D" else "zipf"
        return "uniform"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that is done to nodes, `at_s` seconds after the beginning, for `for_s` seconds.

    kill: SIGKILL. restart: SIGKILL, and after `for_s` another node in its place. pause: SIGSTOP.
    partition: nobody reaches the nodes; connections are reset, or with `hold` nothing passes. slow:
    links delay by `delay_ms`, and pass `bytes_per_s` if given. lossy: of what is sent, a share of
    `loss` comes a retransmission later. descriptors, memory: nodes may open so many more, `limit`,
    or take so many more bytes of address space.
    """

    kind: FaultKind
    at_s: float
    for_s: float = 0.0
    nodes: int = 1
    delay_ms: float = 0.0
    bytes_per_s: float | None = None
    loss: float = 0.0
    limit: int = 0
    hold: bool = False
    recover_within_s: float = 30.0
    """After it was healed; the run fails if it takes longer."""

    def __post_init__(self) -> None:
        _need(0 <= self.at_s <= MOST_SECONDS, "at_s", self.at_s, "0 to a week")
        heals = self.kind != "kill"
        _need(not heals or 0 < self.for_s <= 3600, "for_s", self.for_s, "above 0, up to 3600")
        _need(heals or self.for_s == 0, "for_s", self.for_s, "nothing that a kill has")
        _need(1 <= self.nodes <= 64, "nodes", self.nodes, "1 to 64")
        _need(0 <= self.delay_ms <= 60_000, "delay_ms", self.delay_ms, "0 to 60,000")
        _need(0 <= self.loss <= 1, "loss", self.loss, "0 to 1")
        _need(0 <= self.limit < 1 << 62, "limit", self.limit, "0 or more, below 2^62")
        rate = self.bytes_per_s
        _need(rate is None or 1 <= rate <= 1e12, "bytes_per_s", rate, "1 to 1e12")
        wants_delay = self.kind == "slow" and self.bytes_per_s is None
        _need(not wants_delay or self.delay_ms > 0, "delay_ms", self.delay_ms, "above 0 for slow")
        _need(self.kind != "lossy" or self.loss > 0, "loss", self.loss, "above 0 for lossy")
        within_s, limit_s = self.recover_within_s, "above 0, up to a week"
        _need(0 < within_s <= MOST_SECONDS, "recover_within_s", within_s, limit_s)


@dataclass(frozen=True, kw_only=True)
class LoadScenario:
    """A whole run. `nodes` is the size of a swarm that is started for it."""

    name: str
    about: str = ""
    seed: int = 1
    nodes: int = 5
    load: Load = field(default_factory=Load)
    phase: list[LoadPhase]
    fault: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        named = FILE_NAME.fullmatch(self.name) is not None and self.name.isprintable()
        _need(named, "name", self.name, "1 to 100 characters that a file's name may have")
        _need(bool(self.phase), "phase", self.phase, "one or more")
        many = max(len(self.phase), len(self.fault))
        _need(many <= MOST_OF_A_KIND, "phase or fault", many, f"at most {MOST_OF_A_KIND} tables")
        _need(self.duration_s <= MOST_SECONDS, "seconds", self.duration_s, "up to a week in all")
        _need(1 <= self.nodes <= 64, "nodes", self.nodes, "1 to 64")
        left, before_s = self.nodes, 0.0
        for number, fault in enumerate(self.fault):
            place, end_s = f"fault[{number}]", fault.at_s + fault.for_s
            _need(fault.at_s >= before_s, f"{place}.at_s", fault.at_s, "after the one before")
            _need(end_s < self.duration_s, f"{place}.at_s", fault.at_s, "over before the end")
            _need(fault.nodes < left, f"{place}.nodes", fault.nodes, f"fewer than the {left} left")
            left -= fault.nodes if fault.kind == "kill" else 0
            before_s = end_s

    @property
    def duration_s(self) -> float:
        return math.fsum(phase.duration_s for phase in self.phase)

    @property
    def deletes(self) -> bool:
        """Whether records are deleted, so that some are rightly not there."""
        if self.load.weights.get("delete", 0) > 0:
            return True
        traces = [Path(phase.file) for phase in self.phase if phase.pattern == "trace"]
        return any(each.step.kind == "delete" for path in traces for each in read_trace(path))

    def spans(self) -> list[tuple[LoadPhase, float, float]]:
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

    def due(self) -> Iterator[tuple[int, DrawnOperation | None]]:
        """When operations are due, and what they are where a trace says so."""
        return chain.from_iterable(
            (
                (round(begin_s * 1e9) + each.due_ns, each.step)
                for each in read_trace(Path(phase.file))
            )
            if phase.pattern == "trace"
            else ((due_ns, None) for due_ns in after(phase.due_ns(self.seed + number), begin_s))
            for number, (phase, begin_s, _) in enumerate(self.spans())
        )


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
    try:
        return scenario_of({"name": path.stem} | data, path.parent)
    except ScenarioError as error:
        raise ScenarioError(f"{path.name}: {error}") from error


def scenario_of(data: Mapping[str, Any], directory: Path | None = None) -> LoadScenario:
    """A scenario from plain tables; trace files are looked for from the directory on."""
    table = dict(data)
    check_values(table, "it", ScenarioError)
    load = _take(Load, table.pop("load", {}), "load")
    phases = [
        _phase(each, directory, f"phase[{number}]")
        for number, each in enumerate(_tables(table.pop("phase", []), "phase"))
    ]
    faults = [
        _take(Fault, each, f"fault[{number}]")
        for number, each in enumerate(_tables(table.pop("fault", []), "fault"))
    ]
    return _take(LoadScenario, table | {"load": load, "phase": phases, "fault": faults}, "scenario")


def _tables(value: object, place: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ScenarioError(f"{place} is a list of tables ([[{place}]]), not {shown(value)}")
    return value


def _phase(table: dict[str, Any], directory: Path | None, place: str) -> LoadPhase:
    pattern = table.get("pattern")
    known = isinstance(pattern, str) and pattern in NEEDS
    _need(known, f"{place}: pattern", pattern, f"one of {', '.join(NEEDS)}")
    if directory is not None and isinstance(table.get("file"), str):
        table = table | {"file": str(directory / table["file"])}
    return _take(LoadPhase, table, place)


def _take(what: type[T], table: Mapping[str, Any], place: str) -> T:
    """Build one of the dataclasses above from a table, strictly."""
    if not isinstance(table, dict):
        raise ScenarioError(f"{place} is a table, not {shown(table)}")
    known = [each.name for each in fields(what)]  # type: ignore[arg-type]
    unknown = [name for name in table if name not in known]
    if unknown:
        raise ScenarioError(f"{place} has no {shown(unknown[0])}; there are {', '.join(known)}")
    return converted(table, what, place, ScenarioError)
