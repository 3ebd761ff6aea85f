"""What is filed beside asv's results and belongs to a history: a row each of one table.

The commands that measure file in `.asv`; the site shows it; `.asv-history` ships it, under the same
names. So a row says where such things lie, how they are read, which pages show them, and how much
of them is kept: the newest of each group, within bytes for one and for all. What is read is what
the pages can read: anything else is damaged, and said.

To ship something new, write its reader and its row in KINDS.

Rule: reads files; which of them are kept is decided by `reports.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perflab.archive.form import HistoryError
from perflab.forms import document, lines
from perflab.load.record import CAPACITY, MANIFEST, read_capacity, read_manifest
from perflab.mutate.record import PLAN, RESULTS, read_plan
from perflab.mutate.reviewed import filed as read_mutants
from perflab.production.field_record import FIELD
from perflab.readiness.baseline import REPORT, read_report
from perflab.readiness.record import CHAOS, read_figures
from perflab.readiness.single_run_report import filed_run
from perflab.report.form import RunReport
from perflab.results.culprits import CULPRITS, CulpritsError, read_culprits
from perflab.scaling.record import read_scaling
from perflab.sweep.record import MANIFEST as SWEEP
from perflab.sweep.record import RESULTS as SEEDS
from perflab.sweep.record import read_sweep

__all__ = [
    "CALIBRATION",
    "KINDS",
    "MOST_BYTES",
    "UNSHIPPED",
    "VERDICT",
    "FiledHead",
    "FiledKind",
    "Unshipped",
]

MOST_BYTES = 10_000_000
"""Of a history that a repository ships, all in all."""
Files = dict[str, bytes]
"""By their names below the place of the thing; "" if that is a file itself."""


@dataclass(frozen=True, kw_only=True)
class FiledHead:
    """What decides about keeping."""

    commit: str = ""
    """All its digits; "" if it is no commit's."""
    began: str = ""
    """ISO 8601, or anything that sorts by time."""
    group: str = ""
    """The newest of each are kept."""
    whole: bool = True
    """Parts and interrupted runs are not kept."""
    place: str = ""
    """Where the history has it, if not where it lies."""


@dataclass(frozen=True, kw_only=True)
class FiledKind:
    """A kind of thing that commands file."""

    name: str
    what: str
    """In words, of several."""
    places: tuple[str, ...]
    """Where each lies, below `.asv`: patterns, the last of which are runs of a machine."""
    marks: tuple[str, ...] = ()
    """A folder with one of these files is one; without any, the place is the file itself."""
    machine: bool = False
    """Whether the second part of the place is the machine."""
    pages: tuple[str, ...]
    """Of the site."""
    newest: int
    """So many of each group, of each machine."""
    most_bytes: int
    """Of one."""
    all_bytes: int
    """Of all on a machine: the newest first."""
    read: Callable[[Path], tuple[FiledHead, Files]]
    """Raises ValueError, KeyError, TypeError or OSError for what is damaged."""

    def paths(self, folder: Path) -> list[Path]:
        """All that lie in a folder, which is `.asv`, or a kept history."""
        found = {path for pattern in self.places for path in folder.glob(pattern)}
        return sorted(path for path in found if self._is_one(path))

    def _is_one(self, path: Path) -> bool:
        if not self.marks:
            return path.is_file()
        trial = path.parent / CAPACITY  # those of a search belong to it
        return not trial.is_file() and any((path / name).is_file() for name in self.marks)


@dataclass(frozen=True, kw_only=True)
class Unshipped:
    """What pages show, or commands file, and no history has: why."""

    what: str
    why: str
    pages: tuple[str, ...] = ()


def _compact(data: bytes) -> bytes:
    """JSON in as few bytes as it can be; a value that JSON has no number for is a ValueError."""
    import msgspec

    return msgspec.json.encode(msgspec.json.decode(data))


def _whole_lines(path: Path) -> bytes:
    return b"".join(lines(path))


def _readiness(path: Path) -> tuple[FiledHead, Files]:
    report = read_report(path)
    whole = not (report.quick or report.unfinished)
    head = FiledHead(commit=report.commit, began=report.began, whole=whole)
    return head, {REPORT: _compact((path / REPORT).read_bytes())}


def _run(kind: str) -> Callable[[Path], tuple[FiledHead, Files]]:
    """The report, made of the record where it is not there yet; a record is a hundred times as
    large."""

    def read(path: Path) -> tuple[FiledHead, Files]:
        import msgspec

        report, _ = filed_run(path)
        if report.kind != kind:
            raise ValueError(f"{REPORT} is of kind {report.kind}, and lies with those of {kind}")
        head = FiledHead(commit=report.commit, began=report.began, group=report.scenario)
        # As it reads when it was written once: a whole number in the place of a float is one.
        same = msgspec.json.decode(msgspec.json.encode(report), type=RunReport)
        return head, {REPORT: msgspec.json.encode(same)}

    return read


def _search(path: Path) -> tuple[FiledHead, Files]:
    found = read_capacity(path)
    names = [CAPACITY, *(f"{each.directory}/{MANIFEST}" for each in found.trials[:1])]
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
        raise ValueError(f"{CAPACITY}: a trial lies elsewhere, in {found.trials[0].directory!r}")
    manifest = read_manifest(path / found.trials[0].directory)
    group = f"{manifest.scenario['name']} {found.p99_ms} {found.success}"
    head = FiledHead(commit=manifest.commit, began=manifest.began, group=group)
    return head, {name: _compact((path / name).read_bytes()) for name in names}


def _sweep(path: Path) -> tuple[FiledHead, Files]:
    plan = read_sweep(path).plan
    group = f"{plan.kind} {json.dumps(plan.settings, sort_keys=True)}"
    head = FiledHead(commit=_bare(plan.commit), began=plan.began, group=group)
    return head, _with_lines(path, SWEEP, SEEDS)


def _mutation(path: Path) -> tuple[FiledHead, Files]:
    plan = read_plan(path)
    head = FiledHead(
        commit=_bare(plan.commit), began=plan.began, whole=bool(read_mutants(path / RESULTS))
    )
    return head, _with_lines(path, PLAN, RESULTS)


def _with_lines(path: Path, about: str, results: str) -> Files:
    """What was asked, and a line for each answer."""
    found = {about: _compact((path / about).read_bytes())}
    return found | ({results: _whole_lines(path / results)} if (path / results).is_file() else {})


def _scaling(path: Path) -> tuple[FiledHead, Files]:
    head, rows = read_scaling(path)
    commit = _bare(head.commit)
    place = f"scaling/{commit[:12] or 'unknown'}/{path.name}"  # where `scaling` does not go on
    kept = FiledHead(commit=commit, began=head.began, whole=bool(rows), place=place)
    return kept, {"": _whole_lines(path)}


def _comparison(path: Path) -> tuple[FiledHead, Files]:
    found = read_figures(path)
    head = FiledHead(commit=_bare(found.commit), began=found.began)
    return head, {"": _compact(path.read_bytes())}


def _gate(path: Path) -> tuple[FiledHead, Files]:
    found = _versioned(path / VERDICT)
    whole = found.get("about", {}).get("only", "*") == "*"
    head = FiledHead(commit=str(found["head"]["commit"]), began=path.name, whole=whole)
    return head, {VERDICT: _compact((path / VERDICT).read_bytes())}


def _calibration(path: Path) -> tuple[FiledHead, Files]:
    found = _versioned(path / CALIBRATION)
    head = FiledHead(commit=str(found["commit"]), began=path.name)
    return head, {CALIBRATION: _compact((path / CALIBRATION).read_bytes())}


def _culprits(path: Path) -> tuple[FiledHead, Files]:
    try:
        found = read_culprits(path)
    except CulpritsError as error:
        raise HistoryError(str(error)) from error
    return FiledHead(whole=bool(found)), {"": _compact(path.read_bytes())}


def _versioned(path: Path) -> Mapping[str, Any]:
    found = document(path, dict[str, Any], HistoryError)
    if found.get("version") != 1:
        raise HistoryError(f"{path.name}: version {found.get('version')!r}; only 1 is understood")
    return found


def _bare(commit: str) -> str:
    return commit.removesuffix("+")


VERDICT, CALIBRATION = "verdict.json", "calibration.json"
RUNS = (REPORT, MANIFEST, CHAOS, FIELD)
KB = 1000

KINDS: Mapping[str, FiledKind] = {
    each.name: each
    for each in (
        FiledKind(
            name="readiness", what="readiness runs", places=("readiness/*/*",), marks=(REPORT,),
            machine=True, pages=("index.html", "runs.html", "capacity.html"),
            newest=4, most_bytes=1000 * KB, all_bytes=2600 * KB, read=_readiness,
        ),
        FiledKind(
            name="load", what="load runs", places=("load/*", "load/*/*"), marks=RUNS,
            machine=True, pages=("load.html",),
            newest=3, most_bytes=250 * KB, all_bytes=1200 * KB, read=_run("load"),
        ),
        FiledKind(
            name="searches", what="searches for a capacity", places=("load/*", "load/*/*"),
            marks=(CAPACITY,), machine=True, pages=("capacity.html",),
            newest=2, most_bytes=20 * KB, all_bytes=100 * KB, read=_search,
        ),
        FiledKind(
            name="chaos", what="chaos runs", places=("chaos/*", "chaos/*/*"), marks=RUNS,
            machine=True, pages=("load.html",),
            newest=3, most_bytes=250 * KB, all_bytes=300 * KB, read=_run("chaos"),
        ),
        FiledKind(
            name="field", what="windows of production", places=("field/*/*",), marks=RUNS,
            machine=True, pages=("load.html",),
            newest=3, most_bytes=200 * KB, all_bytes=200 * KB, read=_run("field"),
        ),
        FiledKind(
            name="sweeps", what="sweeps", places=("sweep/*",), marks=(SWEEP,),
            pages=("sweeps.html",),
            newest=1, most_bytes=200 * KB, all_bytes=300 * KB, read=_sweep,
        ),
        FiledKind(
            name="scaling", what="records of growing networks",
            places=("scaling/scaling.jsonl", "scaling/*/scaling.jsonl"), pages=("growth.html",),
            newest=2, most_bytes=100 * KB, all_bytes=100 * KB, read=_scaling,
        ),
        FiledKind(
            name="mutation", what="mutation runs", places=("mutate/*",), marks=(PLAN,),
            pages=("mutation.html",),
            newest=1, most_bytes=500 * KB, all_bytes=500 * KB, read=_mutation,
        ),
        FiledKind(
            name="peers", what="comparisons with other stores", places=("peer-runs/*/*.json",),
            machine=True, pages=("peers.html",),
            newest=3, most_bytes=200 * KB, all_bytes=300 * KB, read=_comparison,
        ),
        FiledKind(
            name="gates", what="gates", places=("gate/runs/*",), marks=(VERDICT,),
            pages=("index.html",),
            newest=1, most_bytes=200 * KB, all_bytes=200 * KB, read=_gate,
        ),
        FiledKind(
            name="calibrations", what="calibrations of the gate",
            places=("gate/calibrations/*",), marks=(CALIBRATION,), pages=("calibration.html",),
            newest=1, most_bytes=100 * KB, all_bytes=100 * KB, read=_calibration,
        ),
        FiledKind(
            name="culprits", what="tables of causes", places=(f"alerts/{CULPRITS}",),
            pages=("index.html",),
            newest=1, most_bytes=100 * KB, all_bytes=100 * KB, read=_culprits,
        ),
    )
}  # fmt: skip
"""By name."""

UNSHIPPED: Iterable[Unshipped] = (
    Unshipped(
        what="alerts/alerts.json",
        why="the next alerts take from it what is known here; `python -m perflab alerts` makes it "
        "of the history",
        pages=("index.html",),
    ),
    Unshipped(
        what=".asv/alerts/explain/",
        why="pages about what alerts.json tells",
        pages=("index.html",),
    ),
    Unshipped(what="canary", why="no page shows canaries: each writes its own"),
    Unshipped(what="tune", why="no page shows tunings: each writes its own"),
    Unshipped(what="gate/builds", why="made of the commits"),
)
