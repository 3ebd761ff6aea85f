"""Measure the newest commits that lack results, and publish the site: what `make bench` does.

Rule: drives asv by its own commands and files, so that everything here can be done by hand too.

Order of work: tell asv about the machine, let it make its environment and read the suite, compare
the suite with the stored results, measure what lacks (one `asv run` for all commits, so that
environment and discovery are paid once), publish, and say what could not be measured. A commit
that was tried has a result, even if that is a failure; it is not tried again unless asked to.
"""

import argparse
import contextlib
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.common.processors import Crowd, look, warning
from perflab.archive.shipped import unpack, warn_of_namesake
from perflab.bench.budget import SHORT_S, SUITES, WHOLE_S
from perflab.bench.dense import BenchStage, dense_stages, measure_beside_others, suites
from perflab.results.asv_config import (
    CONFIG,
    HEAD_CONFIG,
    MACHINES,
    MeasureError,
    alone,
    configuration,
    configured_branch,
    known_machines,
    prefer_this_python,
    results_dir,
)
from perflab.results.asv_process import Plain, Progress, minutes, run_asv
from perflab.results.asv_results import StoredResults, current_versions, stored
from perflab.results.busy_marks import mark, marked
from perflab.results.checkout import Commit, branch_to_publish, history, require, uncommitted
from perflab.site.publish import PublishError, publish_copy

__all__ = [
    "SHORT",
    "BenchRequest",
    "add_arguments",
    "main",
    "measure",
    "publish",
]

SHORT = suites([suite for suite, budget in SUITES.items() if budget.short])
"""The short selection: asv matches it against `SUITE.CLASS.FUNCTION`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRequest:
    """What to measure."""

    commits: str = "5"
    """How many of the newest commits that lack results, or a range such as `a..b`."""
    full: bool = False
    """Every benchmark instead of the short selection."""
    retry_failed: bool = False
    """Measure again what failed before."""
    machine: str | None = None
    """Name to store results under; None lets asv's own rule decide."""
    dense: bool = False
    """What is cheap of each commit that changes the core (`dense.py`); nothing is published."""
    quiet_machine: bool = False
    """With `dense`: the whole suite of the newest and of each tag, too."""

    @property
    def limit(self) -> int | None:
        """The number of commits, or None if a range was given."""
        return int(self.commits) if self.commits.isdigit() else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where asv keeps this machine's results for the present environment."""

    results: Path
    machine: str
    environment: str

    def stored(self, commit: Commit) -> StoredResults:
        name = f"{commit.hash[:8]}-{self.environment}.json"
        return stored(self.results / self.machine / name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument(
        "--commits",
        default="5",
        metavar="N|A..B",
        help="how many of the newest commits of HEAD's first-parent history that lack results, "
        "or a range of commits (default: 5)",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"every benchmark; else the short selection {SHORT}",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="measure again what failed before"
    )
    parser.add_argument(
        "--machine",
        help="name to store the results under (default: the one asv knows, else the host's name)",
    )
    parser.add_argument(
        "--dense",
        action="store_true",
        help="a history without gaps: counts and memory of each commit that changes the core, "
        "simulated networks of every fifth, of the whole history or of --commits A..B; the machine "
        "may be used by others. Ctrl-C at any time: the same command goes on",
    )
    parser.add_argument(
        "--quiet-machine",
        action="store_true",
        help="with --dense: this machine does nothing else, so measure the whole suite, too, of "
        "the newest commit and of each tag",
    )


def main(options: argparse.Namespace, root: Path, write: Callable[[str], None]) -> int:
    """`bench`: the exit code."""
    request = BenchRequest(
        commits=options.commits,
        full=options.full,
        retry_failed=options.retry_failed,
        machine=options.machine,
        dense=options.dense,
        quiet_machine=options.quiet_machine,
    )
    measure(root, request, write)
    return 0


def measure(root: Path, request: BenchRequest, write: Callable[[str], None]) -> None:
    """Do all of it. Raises MeasureError if anything could not be measured or published."""
    require(root, whole=True)
    stages = _stages(root, request)
    _warn(root, write)
    prefer_this_python()
    problems, told = [], []
    with alone(root), _configuration(root) as config:
        unpack(root, results_dir(root), write)
        place = _Place(
            results_dir(root), _machine(root, request.machine, write), _environment(root)
        )
        warn_of_namesake(root, place.machine, write)
        limit = max(1, len(stages[0].commits) if request.limit is None else request.limit)
        base = ["run", "--config", config, "--machine", place.machine, "--show-stderr"]
        write(f"== machine {place.machine}: making asv's environment, reading the suite")
        _discover(root, base, stages[0].commits[:limit], write)
        for stage in stages:
            chosen, versions, code = _measure(root, base, place, stage, request, write)
            problems += _problems(place, chosen, versions)
            if code not in (0, 2):
                problems.append(f"asv ended with exit code {code}: see its words above")
            told.append(
                f"commits measured: {len(chosen)}; benchmarks in the selection: {len(versions)}"
            )
        if not request.dense:
            _publish(root, config, write)
    if problems:
        raise MeasureError("not everything could be measured:\n  " + "\n  ".join(problems))
    for each in told:
        write(f"== {each}")
    if request.dense:
        write("== to look at it: make site; to ship it: python -m perflab history pack")


def _stages(root: Path, request: BenchRequest) -> list[BenchStage]:
    """What to measure, of which commits. Raises MeasureError if there are none."""
    revisions = "HEAD" if request.limit is not None else request.commits
    if request.dense:
        stages = dense_stages(root, revisions, quiet_machine=request.quiet_machine)
    else:
        pattern, seconds = (None, WHOLE_S) if request.full else (SHORT, SHORT_S)
        commits = history(root, revisions)
        stages = [BenchStage(title="", commits=commits, pattern=pattern, expected_s=seconds)]
    stages = [stage for stage in stages if stage.commits]
    if not stages:
        what = "that changes the core " if request.dense else ""
        raise MeasureError(f"there is no commit {what}in '{request.commits}'")
    return stages


def publish(root: Path, write: Callable[[str], None]) -> None:
    """Build the site from the stored results and those that the repository keeps.

    Raises MeasureError if there is none to build, HistoryError if what is kept cannot be read.
    """
    if not (root / ".git").exists():
        raise MeasureError(f"{root} is no clone of git, whose commits the site is about: clone it")
    unpack(root, results_dir(root), write)
    if not (results_dir(root) / "benchmarks.json").is_file():
        raise MeasureError("nothing has been measured yet: run `make bench` first")
    with _configuration(root) as config:
        _publish(root, config, write)


def _measure(
    root: Path,
    base: Sequence[str],
    place: _Place,
    stage: BenchStage,
    request: BenchRequest,
    write: Callable[[str], None],
) -> tuple[list[Commit], dict[str, str], int]:
    """Measure what a stage lacks: of which commits, the benchmarks' versions, asv's exit code."""
    if stage.title:
        write(f"== {stage.title}")
    current = current_versions(place.results)
    versions = {name: version for name, version in current.items() if stage.names(name)}
    if not versions:
        raise MeasureError("the suite has no benchmark in this selection")
    limit = None if request.dense else request.limit
    chosen = _lacking(place, stage.commits, versions, request.retry_failed)[:limit]
    if not chosen:
        write(f"== none of {len(stage.commits)} commits lacks results")
        return chosen, versions, 0
    crowd = look()
    if stage.timed and (told := warning(crowd)):
        write(f"== note: {told}")
    expected_s = _expected_s(place, versions, stage.expected_s)
    write(
        f"== commits to measure: {len(chosen)}, newest first, "
        f"expected {minutes(expected_s * len(chosen))} (Ctrl-C keeps the finished ones)"
    )
    command = [*base, "--skip-existing-successful" if request.retry_failed else "--skip-existing"]
    if stage.pattern is not None:
        command += ["--bench", stage.pattern]
    progress = Progress([str(commit) for commit in chosen], expected_s, write)
    if stage.timed:
        code = _run(root, command, chosen, progress)
        _mark(place, chosen, crowd)
        return chosen, versions, code
    again = [each for each in command if not each.startswith("--skip-existing")]
    ends = []
    for commit in chosen:
        first = partial(_run, root, command, [commit], progress)
        second = partial(_run, root, [*again, "--skip-existing-successful"], [commit], progress)
        failed = partial(_failed, place, commit, versions)
        ends.append(measure_beside_others(str(commit), first, second, failed, write))
    return chosen, versions, max(ends)


def _run(root: Path, command: Sequence[str], commits: Sequence[Commit], watcher: Progress) -> int:
    with _hash_file(root, commits) as hashes:
        return run_asv(root, [*command, f"HASHFILE:{hashes}"], watcher)


def _failed(place: _Place, commit: Commit, versions: Mapping[str, str]) -> list[str]:
    return place.stored(commit).failed(versions)


def _mark(place: _Place, chosen: Sequence[Commit], crowd: Crowd) -> None:
    """Note of these commits that others kept the machine busy, or no longer that they did."""
    folder, hashes = place.results / place.machine, [each.hash for each in chosen]
    if crowd.too_busy:
        mark(folder, hashes, str(crowd))
    elif again := marked(folder).keys() & hashes:
        mark(folder, sorted(again), "")


def _discover(
    root: Path, base: Sequence[str], commits: Sequence[Commit], write: Callable[[str], None]
) -> None:
    """Let asv list the suite's benchmarks and versions: only then is known what lacks.

    asv takes the newest of the commits that builds.
    """
    with _hash_file(root, commits) as hashes:
        command = [*base, "--bench", "just-discover", f"HASHFILE:{hashes}"]
        if run_asv(root, command, Plain(write)) != 0:
            raise MeasureError(
                "asv could not make its environment, or none of the "
                f"{len(commits)} newest commits builds and imports the suite: see above"
            )


def _publish(root: Path, config: str, write: Callable[[str], None]) -> None:
    with alone(root, "publishing"):
        try:
            site = publish_copy(root, Path(config), root / ".asv" / "publishing", write)
        except PublishError as error:
            raise MeasureError(str(error)) from error
    write(f"== site: {site / 'index.html'}")
    write("== to look at it: make preview, then http://127.0.0.1:8080/")


def _lacking(
    place: _Place, commits: Sequence[Commit], versions: Mapping[str, str], retry_failed: bool
) -> list[Commit]:
    chosen = []
    for commit in commits:
        file = place.stored(commit)
        if file.lacking(versions) or (retry_failed and file.failed(versions)):
            chosen.append(commit)
    return chosen


def _problems(place: _Place, chosen: Sequence[Commit], versions: Mapping[str, str]) -> list[str]:
    problems = []
    for commit in chosen:
        file = place.stored(commit)
        lacking, failed = file.lacking(versions), file.failed(versions)
        if len(lacking) == len(versions):
            problems.append(f"{commit}: no results")
        elif len(failed) == len(versions):
            problems.append(f"{commit}: every benchmark failed; does it build and install?")
        else:
            problems += [f"{commit}: {name} failed" for name in failed]
            problems += [f"{commit}: {name} has no result" for name in lacking]
    return problems


def _expected_s(place: _Place, versions: Mapping[str, str], budget_s: float) -> float:
    """What the last commit took that was measured with the same suites, else the budget."""
    files = (place.results / place.machine).glob(f"*-{place.environment}.json")
    for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True):
        file = stored(path)
        if _suites(file.records) == _suites(versions) and not file.failed(versions):
            return file.seconds
    return budget_s


def _suites(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def _warn(root: Path, write: Callable[[str], None]) -> None:
    changed = uncommitted(root, "p2pcore", "pyproject.toml")
    if changed:
        write(f"== note: commits are measured; uncommitted changes are not: {', '.join(changed)}")


def _machine(root: Path, name: str | None, write: Callable[[str], None]) -> str:
    """The machine's name, made known to asv if it is new; asv's questions get its own answers."""
    path, names = Path.home() / MACHINES, list(known_machines())
    if name is None:
        # asv's rule: a single known machine is this one, whatever the host is called today.
        name = names[0] if len(names) == 1 else platform.node()
    if name not in names:
        if run_asv(root, ["machine", "--yes", "--machine", name], Plain(lambda _: None)) != 0:
            raise MeasureError(f"asv could not note this machine as '{name}' in {path}")
        write(f"== noted this machine as '{name}' in {path}")
    return name


def _environment(root: Path) -> str:
    """The name under which asv stores results of the environment that it will use."""
    from asv import config, environment, plugin_manager

    assert plugin_manager  # importing it is what makes the kinds of environment known
    with contextlib.chdir(root):
        found = list(environment.get_environments(config.Config.load(CONFIG), None, verbose=True))
    if len(found) != 1:
        raise MeasureError(f"{CONFIG} gives {len(found)} environments here; one is needed")
    return str(found[0].name)


@contextlib.contextmanager
def _hash_file(root: Path, commits: Sequence[Commit]) -> Iterator[str]:
    path = root / ".asv" / "commits.txt"
    path.write_text("".join(commit.hash + "\n" for commit in commits), encoding="utf-8")
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _configuration(root: Path) -> Iterator[str]:
    """asv's configuration, with a branch that exists and holds HEAD."""
    content, configured = configuration(root), configured_branch(root)
    branch = branch_to_publish(root, configured)
    if branch == configured:
        yield str(root / CONFIG)
        return
    path = root / HEAD_CONFIG
    path.write_text(json.dumps({**content, "branches": [branch]}), encoding="utf-8")
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)
