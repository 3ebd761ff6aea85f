"""What clients saw of a network, operation by operation, held against what it promises.

What is found, and when, `p2pcore/sim/promise.py` says. Times are of the machine's monotonic clock,
which all processes on it share.

What happens while the network's premises do not hold (a partition, until it has healed and the two
sides have compared what they hold) is counted, and no breach; but for invented values and losses
nothing is an excuse. While two sides are apart each is a network of its own, and what its clients
have written since it was ready is promised to the clients on that side.

Rule: judges what it is given; no clock, no network.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Literal

from p2pcore.sim.promise import Breach, judge_read, judge_write

__all__ = [
    "ConsistencyReport",
    "FaultWindow",
    "ObservedOperation",
    "Violation",
    "check",
    "read_history",
    "story",
]

Kind = Literal["store", "delete", "retrieve"]
NEVER_EXCUSED = (Breach.LOST, Breach.INVENTED, Breach.NOT_LOOKED_AT)
STORY_LINES = 24


@dataclass(frozen=True, slots=True)
class ObservedOperation:
    """One operation of one client, from its call to its end, on the shared monotonic clock.

    `value` names what was stored or retrieved; None for a delete, and for a retrieve that was told
    that there is no such key. `version` is that of an acknowledged write; `error` the name of the
    exception of an operation that failed. `last`: a retrieve after everything had settled.
    """

    client: str
    kind: Kind
    key: str
    value: str | None
    begin_ns: int
    end_ns: int
    version: str | None = None
    error: str | None = None
    last: bool = False

    def as_line(self) -> str:
        """One line of a history file."""
        return json.dumps(astuple(self), separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class FaultWindow:
    """A time in which the premises of the promise did not hold.

    `sides` are the clients of each side of a partition, and `apart_ns` the time, within this one,
    in which every side knew that it was alone, and was ready; None if it did not come to that.
    """

    begin_ns: int
    end_ns: int
    sides: tuple[frozenset[str], ...] = ()
    apart_ns: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Violation:
    """Something that the promise excludes. `excused`: its premises did not hold at the time."""

    breach: Breach
    key: str
    text: str
    at_ns: int
    excused: bool


@dataclass(kw_only=True)
class ConsistencyReport:
    """What a history comes to. `acknowledged` and `failed` are counted by kind of operation, and
    `errors` by the name of the exception; `own` are the stale reads and false not-founds of a
    client whose own write was acknowledged."""

    operations: int = 0
    keys: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    own: int = 0
    findings: list[Violation] = field(default_factory=list)

    @property
    def breaches(self) -> list[Violation]:
        """The findings that nothing excuses, in the order of time."""
        broken = (finding for finding in self.findings if not finding.excused)
        return sorted(broken, key=lambda finding: finding.at_ns)

    def count(self, breach: Breach, *, excused: bool) -> int:
        """How many findings there are of one sort."""
        return sum(f.breach == breach and f.excused is excused for f in self.findings)


def read_history(paths: Iterable[Path]) -> list[ObservedOperation]:
    """The operations of some history files, in the order of their beginnings."""
    operations = [
        ObservedOperation(*json.loads(line))
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return sorted(operations, key=lambda operation: operation.begin_ns)


def check(
    operations: Sequence[ObservedOperation], windows: Sequence[FaultWindow] = ()
) -> ConsistencyReport:
    """Hold a whole history against the promise."""
    report = ConsistencyReport(operations=len(operations))
    by_key: dict[str, list[ObservedOperation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
        (report.acknowledged if operation.error is None else report.failed)[operation.kind] += 1
        if operation.error is not None:
            report.errors[operation.error] += 1
    report.keys = len(by_key)
    for key, of_key in by_key.items():
        _Key(key, of_key, report, windows).check()
    return report


def story(operations: Sequence[ObservedOperation], finding: Violation) -> list[str]:
    """The latest of what happened to the key until the finding, in lines to be read."""
    about = [o for o in operations if o.key == finding.key and o.begin_ns <= finding.at_ns]
    return [_told(each, finding.at_ns) for each in about[-STORY_LINES:]]


def _told(operation: ObservedOperation, at_ns: int) -> str:
    begin_s = (operation.begin_ns - at_ns) / 1e9
    took_ms = (operation.end_ns - operation.begin_ns) / 1e6
    if operation.error is not None:
        outcome = f"failed: {operation.error}"
    elif operation.kind == "retrieve":
        outcome = f"gave {operation.value or 'no such key'}"
    else:
        outcome = f"acknowledged as {operation.version}"
    what = f" {operation.value}" if operation.kind == "store" else ""
    who = f"{begin_s:+9.3f} s {operation.client:8}"
    return f"{who} {operation.kind}{what}: {outcome}, {took_ms:.1f} ms"


class _Newest:
    """The newest write that had been acknowledged by any moment."""

    def __init__(self, writes: Iterable[ObservedOperation]) -> None:
        self._ends_ns: list[int] = []
        self._newest: list[ObservedOperation] = []
        for write in sorted(writes, key=lambda write: write.end_ns):
            newest = self._newest[-1] if self._newest else write
            self._ends_ns.append(write.end_ns)
            self._newest.append(max(newest, write, key=_version))

    def before(self, at_ns: int) -> ObservedOperation | None:
        """Of those that ended before this."""
        count = bisect_left(self._ends_ns, at_ns)
        return self._newest[count - 1] if count else None


def _version(write: ObservedOperation | None) -> str:
    return (write and write.version) or ""


class _Key:
    """The history of one key."""

    def __init__(
        self,
        key: str,
        operations: list[ObservedOperation],
        report: ConsistencyReport,
        windows: Sequence[FaultWindow],
    ) -> None:
        self._key = key
        self._report = report
        self._windows = windows
        self._reads = [o for o in operations if o.kind == "retrieve" and o.error is None]
        self._writes = [o for o in operations if o.kind != "retrieve"]
        self._acked = [write for write in self._writes if write.error is None]
        self._by_value = {write.value: write for write in self._writes if write.kind == "store"}
        self._deletes = [write for write in self._writes if write.kind == "delete"]
        self._newest = _Newest(self._acked)

    def check(self) -> None:
        own = {
            client: _Newest(write for write in self._acked if write.client == client)
            for client in {write.client for write in self._acked}
        }
        for write in self._acked:
            newest = self._newest.before(write.begin_ns)
            breach = judge_write(_version(write), _version(newest))
            if breach is not None:
                self._find(breach, write, newest, "was acknowledged below")
        for read in self._reads:
            newest = self._newest.before(read.begin_ns)
            breach = self._judge(read, newest)
            if breach is None:
                continue
            self._find(breach, read, newest, "was read after")
            if breach in (Breach.STALE, Breach.NOT_FOUND) and read.client in own:
                self._report.own += (
                    self._judge(read, own[read.client].before(read.begin_ns)) == breach
                )
        for window in self._windows:
            if window.apart_ns is not None:
                for side in window.sides:
                    self._check_side(side, *window.apart_ns)
        if self._acked and not any(read.last for read in self._reads):
            self._find(Breach.NOT_LOOKED_AT, self._acked[-1], None, "was not read back in the end")

    def _check_side(self, clients: frozenset[str], begin_ns: int, end_ns: int) -> None:
        """What one side has written while it was alone, it reads."""

        def here(operation: ObservedOperation) -> bool:
            within = begin_ns <= operation.begin_ns and operation.end_ns <= end_ns
            return within and operation.client in clients

        newest_here = _Newest(filter(here, self._acked))
        for read in filter(here, self._reads):
            newest = newest_here.before(read.begin_ns)
            breach = self._judge(read, newest)
            if newest is not None and breach is not None:
                self._find(
                    breach, read, newest, "was read, on its own side, after", excusable=False
                )

    def _judge(self, read: ObservedOperation, newest: ObservedOperation | None) -> Breach | None:
        """What is wrong with a read, given the newest write acknowledged before it."""
        return judge_read(
            read.value,
            self._by_value,
            self._deletes,
            _version(newest),
            end_ns=read.end_ns,
            last=read.last,
        )

    def _find(
        self,
        breach: Breach,
        operation: ObservedOperation,
        newest: ObservedOperation | None,
        how: str,
        *,
        excusable: bool = True,
    ) -> None:
        what = operation.value or ("no such key" if operation.kind == "retrieve" else "a delete")
        than = f" {newest.value or 'a delete'} as {newest.version}" if newest is not None else ""
        excused = (
            excusable
            and breach not in NEVER_EXCUSED
            and any(
                operation.begin_ns <= window.end_ns and operation.end_ns >= window.begin_ns
                for window in self._windows
            )
        )
        self._report.findings.append(
            Violation(
                breach=breach,
                key=self._key,
                text=f"{breach}: {self._key!r}: {what} {how}{than}",
                at_ns=operation.end_ns,
                excused=excused,
            )
        )
