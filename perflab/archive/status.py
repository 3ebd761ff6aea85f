"""What `python -m perflab history status` says, and whether there is anything to publish."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from perflab.archive.archive import Archive, read_archive
from perflab.archive.asv_files import read_results
from perflab.archive.form import ArchivedCommit
from perflab.archive.shipped import SHIPPED, unpack
from perflab.results.asv_config import MeasureError, configured_branch, results_dir
from perflab.results.asv_results import ResultsError, moment, stored, suite
from perflab.results.checkout import branch_to_publish, history, known_commits, require

__all__ = ["require_results", "status"]


def status(root: Path) -> Iterator[str]:
    """Lines of text. Raises HistoryError or CheckoutError."""
    problems: list[str] = []
    kept, here = read_archive(root / SHIPPED), read_results(results_dir(root), problems)
    branch = branch_to_publish(root, configured_branch(root))
    commits = history(root, branch)
    subjects = {commit.hash: str(commit) for commit in commits}
    measured = {entry.commit_hash for each in (kept, here) for entry in each.entries.values()}
    yield f"{branch}: {len(commits)} commits, {len(subjects.keys() & measured)} of them measured"
    size = sum(path.stat().st_size for path in (root / SHIPPED).rglob("*.jsonl"))
    yield f"{SHIPPED}: {size / 1e6:.1f} MB"
    yield from _places(kept, here, [commit.hash for commit in commits], subjects)
    yield from _suite(kept, here)
    unknown = measured - known_commits(root, measured)
    if unknown:
        yield ""
        yield f"set apart: results of {len(unknown)} commits that this repository does not know"
    yield from (f"cannot be read: {problem}" for problem in problems)


def require_results(root: Path, write: Callable[[str], None]) -> None:
    """Bring the kept history into asv's results, and say in one line, before anything is built,
    that no commit of the branch was measured.

    Raises MeasureError for that, CheckoutError where git lacks the history, HistoryError.
    """
    require(root, whole=True)
    results = results_dir(root)
    unpack(root, results, write)
    branch = branch_to_publish(root, configured_branch(root))
    commits = {commit.hash[:8] for commit in history(root, branch)}
    measured = [path for path in results.glob("*/*-*.json") if path.name[:8] in commits]
    if not measured:
        raise MeasureError(
            f"no commit of branch '{branch}' has results: `make bench` measures some, `python -m "
            "perflab history fetch` brings those of the nights"
        )
    listed = suite(results)
    if listed and not any(_names(path) & listed.keys() for path in measured):
        raise MeasureError(
            f"the list of benchmarks in {results} names none that was measured here, as if it were "
            "of another project: `make bench` lists ours"
        )


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
