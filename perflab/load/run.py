"""One load run, from its network to its record.

Theory of operation. The lab's process drives nothing itself: client processes keep the schedule
(`client.py`), the monitor samples, nodes serve; all of them are children that cannot outlive it.
It tells them when to begin, waits, and reads what they write, so that whoever watches sees
what the record says. The record (`perflab/load/record.py`) is written as the run goes on, by those
who know, and the result last. A run lasts as long as its phases, whenever its last operation was
due: a fault or a heal after that is carried out, and rates are per second of the phases.

    state      while                                    then
    PREPARING  clients start, and store the records      PLAYING
    PLAYING    the schedule goes on, with its faults     HALTING, READING, FILING
    HALTING    interrupted: what is in flight ends       FILING
    READING    what was acknowledged is read again       FILING
    FILING     the result is written

PLAYING is followed by READING where all went well and there is a network, and by FILING where not.
`End` says how it came out.

Rule: starts, waits and files; figures are `perflab/load/figures.py`'s.
"""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from benchmarks.common import subject
from benchmarks.common.children import ChildError, stop_all
from benchmarks.common.load.values import StampedValues
from benchmarks.common.records import now_utc, this_machine
from perflab.load.client import FILL_CHUNK, LoadClient, LoadOrder
from perflab.load.faults import FaultError, FaultPlayer
from perflab.load.figures import generator_reasons
from perflab.load.operation_log import RowTail
from perflab.load.plan import LoadPlan
from perflab.load.readback import ReadBack, read_back
from perflab.load.record import (
    EVENTS,
    FORMAT,
    MANIFEST,
    MONITOR,
    RESULT,
    VERSION,
    End,
    Event,
    LoadManifest,
    LoadRecord,
    MissingShare,
    Result,
    intervals_file,
    operations_file,
    read_load,
)
from perflab.load.recovery import recoveries
from perflab.load.scenario import LoadScenario
from perflab.load.target import StartedSwarm, Target
from perflab.load.view import View
from perflab.monitor.monitor import Monitor
from perflab.processes.interrupts import interrupts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LoadRun", "RunState"]

TICK_S = 0.25  # between looks at what the clients have written
LEAD_S = 0.5  # from the word to the beginning: every client has heard it by then
GRACE_S = 15.0  # beyond the last start and its deadline, until clients are done


class RunState(enum.Enum):
    """Where a run is on its course; the table is at the top."""

    PREPARING = enum.auto()
    PLAYING = enum.auto()
    HALTING = enum.auto()
    READING = enum.auto()
    FILING = enum.auto()


class LoadRun:
    """A run on a target that has been entered. `zero_ns` is when its schedule begins."""

    lead_s = LEAD_S

    def __init__(self, plan: LoadPlan, target: Target, view: View) -> None:
        self.plan, self.target, self.view = plan, target, view
        self.zero_ns = 0
        self.clients: list[LoadClient] = []
        self._stack = ExitStack()
        self._tails: list[RowTail] = []
        self.state = RunState.PREPARING
        self._played_s = 0.0
        self._faults: FaultPlayer | None = None
        self._kept: ReadBack | None = None

    def run(self) -> LoadRecord:
        """Do it all, and file it; the record says how it ended. ChildError if it cannot begin."""
        plan, scenario = self.plan, self.plan.scenario
        with self._stack:
            self._stack.callback(self.view.end)
            self._start_clients()
            self._fill()
            self._monitor = self._stack.enter_context(Monitor(plan.directory / MONITOR))
            self.target.watch(self._monitor)
            for number, client in enumerate(self.clients):
                self._watch(client, f"client {number}")
            self._prepare_faults()
            self._events = self._stack.enter_context((plan.directory / EVENTS).open("wb", 0))
            self.zero_ns = time.perf_counter_ns() + round(self.lead_s * 1e9)
            self._write_manifest()
            self._go()
            self.state = RunState.PLAYING
            self.view.begin(self)
            end, message = self._attend(scenario)
            if self.state is RunState.PLAYING:
                self._played_s = self.now_s
            end, message = self._collect(end, message)
            if end == "complete" and self.target.addresses:
                end, message = self._read_back()
        return self._file(end, message)

    @property
    def now_s(self) -> float:
        """Seconds since the schedule began."""
        return (time.perf_counter_ns() - self.zero_ns) / 1e9

    def error_names(self, process: int, rows: NDArray[np.void]) -> dict[int, str]:
        """The names of the errors in some rows of a process, by their numbers."""
        if not rows["error"].any():
            return {}
        path = self.plan.directory / intervals_file(process)
        lines = path.read_bytes().split(b"\n")[:-1]
        told = [json.loads(line) for line in lines if b'"error"' in line]
        return {each["number"]: each["name"] for each in told}

    def note(self, kind: str, text: str, fault: int | None = None) -> None:
        """File an event that happens now, and show it."""
        at_ns = max(0, time.perf_counter_ns() - self.zero_ns)
        event = Event(at_ns=at_ns, kind=kind, text=text, fault=fault)
        self._events.write(json.dumps(asdict(event)).encode() + b"\n")
        self._monitor.mark(f"{kind}: {text}")
        self.view.event(event)

    def _start_clients(self) -> None:
        plan, load = self.plan, self.plan.scenario.load
        self._stack.callback(lambda: stop_all([client.child for client in self.clients]))
        self._sources = [self.target.new_source() for _ in range(load.clients)]
        for part in range(load.clients):
            order = LoadOrder(
                scenario=to_builtins(plan.scenario),
                part=part,
                directory=str(plan.directory.absolute()),
                network=self.target.network,
                bootstrap=self.target.addresses[:3],
                loop=plan.loop,
                source=self._sources[part],
                interval_s=plan.interval_s,
            )
            self.clients.append(self._client(order))
        mine = self._compared(asdict(subject.identity(plan.loop)))
        for client in self.clients:
            theirs = self._compared(client.child.wait_ready()["identity"])
            if theirs != mine:
                raise ChildError(f"child {client.child.pid} runs {theirs}, this is {mine}")

    # What is otherwise where a scheduler has the clients run (`shared_run.py`)

    def _client(self, order: LoadOrder) -> LoadClient:
        return LoadClient(order)

    def _compared(self, identity: dict[str, str]) -> dict[str, str]:
        """What of an identity has to be that of this process."""
        return identity

    def _watch(self, client: LoadClient, name: str) -> None:
        self._monitor.watch(client.child.pid, name, client.child.self_metrics)

    def _go(self) -> None:
        for client in self.clients:
            client.go(self.zero_ns)

    def _collect(self, end: End, message: str) -> tuple[End, str]:
        """See that all that the clients wrote is here; how the run has ended with that."""
        return end, message

    def _missing(self) -> list[MissingShare]:
        return []

    def _fill(self) -> None:
        """Store every record once, the clients taking turns."""
        records = self.plan.scenario.load.records
        self.view.say(f"storing {records:,} records")
        for number, first in enumerate(range(0, records, FILL_CHUNK)):
            client = self.clients[number % len(self.clients)]
            client.fill(first, min(first + FILL_CHUNK, records))

    def _write_manifest(self) -> None:
        plan, scenario, target = self.plan, self.plan.scenario, self.target
        identity = subject.identity(plan.loop)
        manifest = LoadManifest(
            format=FORMAT,
            version=VERSION,
            began=now_utc(),
            command=plan.command,
            commit=identity.commit or plan.source.commit,
            versions=identity.versions(),
            machine=asdict(this_machine()),
            scenario=to_builtins(scenario),
            seed=scenario.seed,
            target=target.name,
            layout=target.layout,
            nodes=target.nodes,
            clients=scenario.load.clients,
            interval_s=plan.interval_s,
            zero_mono_ns=self.zero_ns,
            zero_wall_ns=time.time_ns() + self.zero_ns - time.perf_counter_ns(),
            phases=[(phase.title, begin_s, end_s) for phase, begin_s, end_s in scenario.spans()],
            uncommitted=list(plan.source.uncommitted),
        )
        self._write(MANIFEST, manifest)
        self._phases = manifest.phases

    def _attend(self, scenario: LoadScenario) -> tuple[End, str]:
        """Wait for the clients, and see to what is due meanwhile."""
        latest_s = scenario.duration_s + 2 * scenario.load.timeout_s + GRACE_S
        deeds = self._deeds()
        try:
            with interrupts() as came:
                while not self._over(scenario, deeds):
                    if self.now_s > latest_s and not self._finished():
                        raise ChildError(f"the clients were not done {GRACE_S:g} s after the last")
                    if came.is_set() and self.state is RunState.PLAYING:
                        self._halt()
                        deeds.clear()
                    if deeds and deeds[0][0] <= self.now_s:
                        deeds.pop(0)[1]()
                        continue
                    self._look()
                    next_s = min([self.now_s + TICK_S, *[at_s for at_s, _ in deeds[:1]]])
                    time.sleep(max(0, next_s - self.now_s))
            self._look()
        except KeyboardInterrupt:
            return "interrupted", "interrupted twice: what was in flight was given up"
        except (ChildError, FaultError) as error:
            return "broken", str(error)
        undone = self._faults.undone() if self._faults is not None else []
        if self.state is RunState.HALTING:
            return "interrupted", ""
        return ("broken", "; ".join(undone)) if undone else ("complete", "")

    def _over(self, scenario: LoadScenario, deeds: Sequence[object]) -> bool:
        """Whether the clients are done, and the phases with all that was due in them over."""
        finished = self._finished()  # always asked: a client that broke says so
        played = not deeds and self.now_s >= scenario.duration_s
        return finished and (played or self.state is RunState.HALTING)

    def _deeds(self) -> list[tuple[float, Callable[[], None]]]:
        """What there is to do, and when, in the order of time."""

        def begins(name: str) -> Callable[[], None]:
            return lambda: self.note("phase", name)

        deeds = [(begin_s, begins(name)) for name, begin_s, _ in self._phases]
        if self._faults is not None:
            deeds += self._faults.deeds()
        return sorted(deeds, key=lambda deed: deed[0])

    def _prepare_faults(self) -> None:
        scenario, target, monitor = self.plan.scenario, self.target, self._monitor
        if not scenario.fault:
            return
        if not isinstance(target, StartedSwarm):
            raise ChildError(f"faults are for a swarm that was started, not for {target.name}")
        self._faults = FaultPlayer(
            scenario,
            target,
            sources=self._sources,
            now_s=lambda: self.now_s,
            note=self.note,
            watch=lambda member: target.watch_one(monitor, member),
        )

    def _finished(self) -> bool:
        return sum(client.done() for client in self.clients) == len(self.clients)

    def _halt(self) -> None:
        """End the schedule early."""
        self.state = RunState.HALTING
        self._played_s = self.now_s
        self.view.say("interrupted: waiting for what is in flight; once more gives it up")
        for client in self.clients:
            client.halt()

    def _look(self) -> None:
        """Show what the clients have written since the last time."""
        if not self._tails:
            names = [operations_file(number) for number in range(len(self.clients))]
            self._tails = [RowTail(self.plan.directory / name) for name in names]
        for process, tail in enumerate(self._tails):
            rows = tail.read()
            if len(rows):
                self.view.rows(rows, process)
        if self._faults is not None:
            self._faults.look()
        self.view.tick(self.now_s)

    def _read_back(self) -> tuple[End, str]:
        """Whether what was acknowledged is there; how the run has ended with that."""
        self.state = RunState.READING
        self.view.say("reading every record again")
        try:
            self._kept = read_back(
                self.clients,
                self.target.network,
                self.target.addresses[:3],
                StampedValues(self.plan.scenario.load.sizes),
                loop=self.plan.loop,
                source=self.target.new_source(),
            )
        except KeyboardInterrupt:
            return "interrupted", "while records were read again"
        except Exception as error:  # of the core, for one: a network that lets nobody in
            return "broken", f"records could not be read again: {error}"
        if self._kept.unread:
            return "broken", f"records could not be read again: {self._kept.unread}"
        return "complete", ""

    def _file(self, end: End, message: str) -> LoadRecord:
        """Look at what was recorded, and file the result."""
        self.state = RunState.FILING
        record = read_load(self.plan.directory)
        reasons = generator_reasons(record) if len(record.rows) else []
        faults = []
        if self._faults is not None and end == "complete":
            end_s, warm_s = _ends(record)
            faults = recoveries(record.rows, self._faults.happened(end_s), warm_s)
        result = Result(
            end=end,
            message=message,
            elapsed_s=self._played_s,
            generator_bound=bool(reasons),
            generator_reasons=reasons,
            faults=faults,
            records_acknowledged=None if self._kept is None else self._kept.acknowledged,
            records_lost=None if self._kept is None else len(self._kept.lost),
            missing=self._missing(),
        )
        self._write(RESULT, result)
        return read_load(self.plan.directory)

    def _write(self, name: str, what: Any) -> None:
        """A file that is there whole or not at all."""
        path = self.plan.directory / name
        part = path.with_name(name + ".part")
        part.write_text(json.dumps(asdict(what), indent=1, allow_nan=False) + "\n", "utf-8")
        part.replace(path)


def _ends(record: LoadRecord) -> tuple[float, float]:
    """The end of the schedule and that of its last warm-up, in seconds."""
    warm_s = 0.0
    spans = zip(record.manifest.scenario["phase"], record.manifest.phases, strict=True)
    for phase, (_, _, end_s) in spans:
        warm_s = end_s if phase["warm_up"] else warm_s
    return record.manifest.phases[-1][2], warm_s
