"""What `python -m perflab history status` says, and whether there is anything to publish."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from perflab.archive.archive import Archive, read_archive
from perflab.archive.asv_files import read_results
from perflab.archive.form import ArchivedCommit
from perflab.archive.kinds import KINDS
from perflab.archive.shipped import SHIPPED, unpack
from perflab.results.asv_config import MeasureError
from perflab.results.asv_results import ResultsError, moment, stored, suite
from perflab.results.checkout import history, known_commits, require
from perflab.results.project import Project

__all__ = ["require_results", "size_of", "sizes", "status"]


def status(project: Project) -> Iterator[str]:
    """Lines of text. Raises HistoryError or CheckoutError."""
    problems: list[str] = []
    kept, here = read_archive(project.folder / SHIPPED), read_results(project.results, problems)
    branch = project.branch
    commits = history(project.repository, branch)
    subjects = {commit.hash: str(commit) for commit in commits}
    measured = {entry.commit_hash for each in (kept, here) for entry in each.entries.values()}
    yield f"{branch}: {len(commits)} commits, {len(subjects.keys() & measured)} of them measured"
    yield f"{SHIPPED}: {size_of(project.folder / SHIPPED) / 1e6:.1f} MB"
    yield from (f"  {text}" for text in sizes(kept))
    yield from _places(kept, here, [commit.hash for commit in commits], subjects)
    yield from _suite(kept, here)
    unknown = measured - known_commits(project.repository, measured)
    if unknown:
        yield ""
        yield f"set apart: results of {len(unknown)} commits that this repository does not know"
    yield from (f"cannot be read: {problem}" for problem in [*problems, *kept.left_alone])


def size_of(folder: Path) -> int:
    """Bytes of a kept history."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def sizes(kept: Archive) -> Iterator[str]:
    """What of each kind there is beside the results."""
    for kind in KINDS.values():
        found = [each for each in kept.reports.values() if each.kind == kind.name]
        if found:
            yield f"{kind.what}: {len(found)}, {sum(each.size for each in found) / 1e3:,.0f} kB"


def require_results(project: Project, write: Callable[[str], None]) -> None:
    """Bring the kept history into asv's results, and say in one line, before anything is built,
    that no commit of the branch was measured.

    Raises MeasureError for that, CheckoutError where git lacks the history, HistoryError.
    """
    require(project.repository, whole=True)
    results = project.results
    unpack(project.folder, results, write, project.repository)
    branch = project.branch
    commits = {commit.hash[:8] for commit in history(project.repository, branch)}
    measured = [path for path in results.glob("*/*-*.json") if path.name[:8] in commits]
    if not measured:
        raise MeasureError(
            f"no commit of branch '{branch}' has results: `{project.to_measure}` measures some, "
            "`history fetch` brings those on a branch elsewhere" + _others(project, results)
        )
    listed = suite(results)
    if listed and not any(_names(path) & listed.keys() for path in measured):
        raise MeasureError(
            f"the list of benchmarks in {results} names none that was measured here, as if it were "
            f"of another project: `{project.to_measure}` lists ours"
        )


def _others(project: Project, results: Path) -> str:
    """What is there instead: results of commits that the repository does not know."""
    there = {path.name[:8] for path in results.glob("*/*-*.json") if len(path.name) > 8}
    return f"; {len(there)} commits were measured that are not on it" if there else ""


def _names(path: Path) -> set[str]:
    """The benchmarks in a file of results; none if it is torn, which the site tells."""
    try:
        return set(stored(path).records)
    except ResultsError:
        return set()


def _places(
    kept: Archive, here: Archive, newest_first: Sequence[str], subjects: dict[str, str]
) -> Iterator[str]:
    places: dict[tuple[str, str], dict[str, ArchivedCommit]] = defaultdict(dict)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for number, each in enumerate((kept, here)):
        for (machine, commit, environment), entry in each.entries.items():
            places[machine, environment][commit] = entry
            counts[machine, environment][number] += 1
    for (machine, environment), entries in sorted(places.items()):
        newest = next((commit for commit in newest_first if commit in entries), None)
        shipped, working = counts[machine, environment]
        yield ""
        yield f"machine {machine}, {environment}"
        yield f"  commits kept in {SHIPPED}: {shipped}; in asv's results: {working}"
        last = max(entry.measured_ms for entry in entries.values())
        yield f"  last measured {moment(last):%Y-%m-%d %H:%MZ}; newest commit of the branch: " + (
            subjects[newest] if newest else "none"
        )
        suite = here.suite or kept.suite
        if suite and newest:
            current = _current(entries[newest], suite.benchmarks)
            yield f"  which has {current} benchmarks of the suite as it is now"


def _current(entry: ArchivedCommit, benchmarks: dict[str, object]) -> str:
    versions = {
        name: str(each["version"]) for name, each in benchmarks.items() if isinstance(each, dict)
    }
    current = sum(
        name in entry.results and entry.results[name].version == version
        for name, version in versions.items()
    )
    return f"{current} of {len(versions)}"


def _suite(kept: Archive, here: Archive) -> Iterator[str]:
    if kept.suite and here.suite and kept.suite.benchmarks != here.suite.benchmarks:
        yield ""
        yield (
            f"the suite in {SHIPPED} is another than asv discovered here; `history pack` takes "
            "the one that was measured with last"
        )
