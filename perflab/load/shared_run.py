"""A load run whose clients a scheduler has run: shares of one schedule, on this machine or others.

Theory of operation. Shares are what client processes are in every run: share k of n takes each n-th
operation of the schedule from the k-th on, and what they write is put together row by row. New is
where they run (`perflab/cluster`), and what follows from that. Each machine's clock is measured
against ours, and "begin" is told to each in its own time. Files come here in pieces while they are
written, and are held against the originals' hashes at the end. A share whose last word is older
than SILENT_S is missing, whatever its scheduler says: what is known of it until then stays, the
others go on, and the run ends *incomplete*, with what is missing by the plan. It is never run
again: late, and as a burst, it would be another load.

Rule: starts, waits and files as `run.py`; schedulers are `perflab/cluster`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from benchmarks.common import subject
from benchmarks.common.entry import SUITE_PARENT
from perflab.cluster.clocks import measure_offset
from perflab.cluster.remote_child import Posted, RemoteChild
from perflab.cluster.scheduler import Scheduler, SchedulerError, Seat
from perflab.cluster.station import about
from perflab.load.client import LoadClient, LoadOrder
from perflab.load.plan import LoadPlan
from perflab.load.record import SHARES, End, MissingShare, Share, read_load
from perflab.load.run import LoadRun
from perflab.load.target import StartedSwarm, Target
from perflab.load.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perflab.load.scenario import LoadScenario

__all__ = ["SILENT_S", "SharedRun"]

LEAD_S = 2.0  # from the word to the beginning: a hundred workers have heard it by then
SILENT_S = 3.0
LATE_NS = 10_000_000  # a first operation that is later is told
PROVED = ("package", "python", "msgspec", "cryptography", "uvloop")


class ShareClient(LoadClient):
    """A client whose process runs on a seat."""

    def __init__(self, order: LoadOrder, seat: Seat, run: SharedRun) -> None:
        directory = run.plan.directory

        def start(module: str, arguments: list[str], environment: dict[str, str]) -> RemoteChild:
            return RemoteChild(seat, order.part, module, arguments, environment, directory)

        super().__init__(order, start)
        self.seat, self.reason = seat, ""
        self._going: Posted | None = None
        self._done: Posted | None = None

    @property
    def remote(self) -> RemoteChild:
        assert isinstance(self.child, RemoteChild)
        return self.child

    def go(self, zero_ns: int) -> None:
        """Tell it when to begin, without waiting for its answer: `heard` does."""
        self._going = self.remote.post({"do": "go", "zero_ns": zero_ns}, waited_for=True)

    def heard(self) -> None:
        """ChildError unless it has taken the word."""
        assert self._going is not None
        self.remote.answer_to(self._going)

    def halt(self) -> None:
        """Start nothing more; one that is missing does not hear it."""
        if not self.reason:
            self.remote.post({"do": "halt"})

    def done(self) -> bool:
        """Whether it has ended, or is missing; `reason` says why. Does not wait."""
        if self.reason:
            return True
        if self._done is None:
            self._done = self.remote.post({"ask": "done"})
        if self._done.came.is_set():
            answer, self._done = self._done.answer, None
            if "error" in answer:
                return self.lose(f"it broke: {answer['error']}")
            if answer["done"]:
                return True
        if self.remote.exit_code is not None:
            return self.lose(f"it ended with {self.remote.exit_code}{self.remote.words()}")
        if self.remote.silent_s > SILENT_S:
            return self.lose(f"nothing was heard of it for {SILENT_S:g} s{self.remote.words()}")
        return False

    def lose(self, reason: str) -> bool:
        """It is missing from now on."""
        self.reason = " ".join(reason.split())
        self.remote.abandon()
        return True


class SharedRun(LoadRun):
    """A run on a target and on a scheduler that have been entered."""

    lead_s = LEAD_S

    def __init__(self, plan: LoadPlan, target: Target, view: View, scheduler: Scheduler) -> None:
        super().__init__(plan, target, view)
        self._scheduler = scheduler
        self._told: set[int] = set()
        self._lost: list[MissingShare] = []

    def _start_clients(self) -> None:
        self._machines = _equal_machines(self._scheduler.seats, self.target)
        super()._start_clients()
        self._shares = [self._share(client) for client in self._of_shares()]
        for share in self._shares:
            clock = f"{share.clock_measured_ns / 1e6:+.3f} ms"
            within = f"{share.clock_within_ns / 1e6:.3f} ms"
            words = f"clock {clock}, within {within}" if share.clock_within_ns else (
                f"our clock (measured: {clock})")  # fmt: skip
            self.view.say(f"share {share.process}: {share.seat} on {share.machine}, {words}")

    def _of_shares(self) -> list[ShareClient]:
        return [client for client in self.clients if isinstance(client, ShareClient)]

    def _client(self, order: LoadOrder) -> LoadClient:
        return ShareClient(order, self._scheduler.seats[order.part], self)

    def _compared(self, identity: dict[str, str]) -> dict[str, str]:
        return identity | {"directory": ""}  # each machine has its own

    def _watch(self, client: LoadClient, name: str) -> None:
        if isinstance(client, ShareClient) and client.seat.here:
            super()._watch(client, name)

    def _share(self, client: ShareClient) -> Share:
        machine = self._machines[client.order.part]
        same = bool(machine["boot"]) and machine["boot"] == self._machines[-1]["boot"]
        offset = measure_offset(client.seat.clock_ns, same)
        return Share(
            process=client.order.part,
            seat=client.seat.name,
            machine=machine["host"],
            clock_ns=offset.ns,
            clock_within_ns=offset.within_ns,
            clock_measured_ns=offset.measured_ns,
        )

    def _go(self) -> None:
        self._file_shares()
        for client, share in zip(self._of_shares(), self._shares, strict=True):
            client.go(self.zero_ns + share.clock_ns)
        for client in self._of_shares():
            client.heard()

    def _over(self, scenario: LoadScenario, deeds: Sequence[object]) -> bool:
        over = super()._over(scenario, deeds)
        return over or all(client.reason for client in self._of_shares())

    def _look(self) -> None:
        super()._look()
        for client in self._of_shares():
            part = client.order.part
            if client.reason and part not in self._told:
                self._told.add(part)
                self.note("missing", f"share {part} on {client.seat.name}: {client.reason}")

    def _collect(self, end: End, message: str) -> tuple[End, str]:
        self.view.say("collecting what the shares wrote")
        drifts: dict[int, int] = {}
        for client in self._of_shares():
            if client.reason:
                continue
            try:
                if bad := client.remote.copies_differ():
                    client.lose(f"what came of {', '.join(bad)} is not what it wrote")
                offset = measure_offset(client.seat.clock_ns, False)
                before = self._shares[client.order.part].clock_measured_ns
                drifts[client.order.part] = offset.measured_ns - before
            except SchedulerError as error:
                client.lose(str(error))
        self._look()
        rows = read_load(self.plan.directory).rows
        self._shares = [_ended(share, drifts, rows) for share in self._shares]
        self._file_shares()
        self._lost = self._lost_shares(rows, end == "complete")
        for share in self._shares:
            if (share.first_lag_ns or 0) > LATE_NS:
                late = f"{(share.first_lag_ns or 0) / 1e6:.0f} ms"
                self.note("late", f"share {share.process} began {late} after its time")
        if end == "complete" and self._lost:
            return "incomplete", "; ".join(map(str, self._lost))
        return end, message

    def _missing(self) -> list[MissingShare]:
        return self._lost

    def _lost_shares(self, rows: NDArray[np.void], whole: bool) -> list[MissingShare]:
        """What is missing by the plan, which no share can say of itself; of a run that was not to
        be `whole`, the shares that are."""
        parts = len(self.clients)
        if not whole and not any(client.reason for client in self._of_shares()):
            return []
        due = [0] * parts
        for place, _ in enumerate(self.plan.scenario.due()):
            due[place % parts] += 1
        end_s = self.plan.scenario.duration_s
        found = []
        for client in self._of_shares():
            own = rows[rows["process"] == client.order.part]
            left = due[client.order.part] - len(own)
            if not client.reason and not (left and whole):
                continue
            last_s = float(own["due_ns"].max()) / 1e9 if len(own) else 0.0
            share = self._shares[client.order.part]
            found.append(
                MissingShare(
                    process=share.process,
                    seat=share.seat,
                    machine=share.machine,
                    from_s=last_s,
                    to_s=max(end_s, last_s),
                    operations=left,
                    reason=client.reason or "its files hold less than its part of the plan",
                )
            )
        return found

    def _file_shares(self) -> None:
        path = self.plan.directory / SHARES
        part = path.with_name(SHARES + ".part")
        part.write_text(json.dumps([asdict(each) for each in self._shares], indent=1) + "\n")
        part.replace(path)


def _ended(share: Share, drifts: dict[int, int], rows: NDArray[np.void]) -> Share:
    """With what was seen at its end."""
    begun = rows[(rows["process"] == share.process) & (rows["begun_ns"] >= 0)]
    lag = int(begun["begun_ns"][0] - begun["due_ns"][0]) if len(begun) else None
    return replace(share, clock_drift_ns=drifts.get(share.process), first_lag_ns=lag)


def _equal_machines(seats: list[Seat], target: Target) -> list[dict[str, str]]:
    """What each seat says of its machine, and at last this one; SchedulerError if one would measure
    something else, or could not reach what is measured."""
    machines = [seat.about() for seat in seats]
    mine = about(SUITE_PARENT, subject.core_dir())
    for seat, theirs in zip(seats, machines, strict=True):
        for name in PROVED:
            if theirs.get(name) != mine.get(name):
                raise SchedulerError(
                    f"{seat.name} on {theirs['host']} has {name} {theirs.get(name)}, this machine "
                    f"{mine.get(name)}"
                )
        if isinstance(target, StartedSwarm) and theirs["boot"] != mine["boot"]:
            raise SchedulerError(
                f"{seat.name} on {theirs['host']} cannot reach a swarm on the loopback of "
                f"{mine['host']}: --target names a running network"
            )
    return [*machines, mine]
