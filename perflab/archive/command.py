"""`python -m perflab history`: measurements that last, from all machines, in one small form.

Rule: order of work and words; the form is `form.py`'s, merging `archive.py`'s, thinning
`thinning.py`'s.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from perflab.archive.archive import Archive, Key, is_archive, read_archive, write_archive
from perflab.archive.asv_files import file_name, is_results, read_results
from perflab.archive.form import HistoryError
from perflab.archive.kinds import KINDS, MOST_BYTES
from perflab.archive.reports import FiledItem, kept_of, of_machines
from perflab.archive.shipped import SHIPPED, lay, own_part
from perflab.archive.sources import fetched, read_source
from perflab.archive.status import size_of, sizes, status
from perflab.archive.thinning import superfluous
from perflab.results.asv_config import alone
from perflab.results.checkout import history, require, tagged
from perflab.results.project import Project

__all__ = ["EPILOG", "add_arguments", "main"]

DAYS, ONE_IN = 365.0, 10

EPILOG = f"""\
asv keeps measurements in .asv/results, a file per commit, which git does not see. The folder
{SHIPPED} keeps them in the repository: a file per machine, a line per commit, mergeable.
`make site` and `make bench` bring what is there into .asv/results by themselves.

examples:
  python -m perflab history status               # what there is, and where
  python -m perflab history fetch                # the nights' results, into this site
  python -m perflab history merge ../clone results.tar.gz
  python -m perflab history pack                 # .asv/results -> {SHIPPED}, to be committed
  python -m perflab history prune --dry-run      # what a long history can do without

Merging keeps of each benchmark, commit, environment and machine what was measured last; in which
order things are merged, and how often, makes no difference. Results of commits that this repository
does not know are set apart, which is said: another project's are never shown as ours.

exit codes: 0 done; 2 something cannot be read (said which file and line) or is all another
project's, and nothing was changed, or only a torn file of asv's in this checkout was left alone
docs/history.md describes every field, and how to measure a history anew.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `history`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, help: str, run: Callable[..., int]) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        added.set_defaults(act=run)
        return added

    action("status", "what was measured, where, and what is kept of it", _status)
    action("unpack", f"bring {SHIPPED} into asv's results; `make site` does it by itself", _unpack)
    merge = action("merge", "bring results of other machines into asv's results", _merge)
    merge.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="a folder in this form or asv's, a clone, or an archive (tar, zip) of one",
    )
    fetch = action("fetch", "bring the results on a branch elsewhere into asv's results", _fetch)
    fetch.add_argument("remote", nargs="?", default="origin", help="or an address (%(default)s)")
    fetch.add_argument("branch", nargs="?", default="benchmark-results", help="(%(default)s)")
    pack = action("pack", f"add results to {SHIPPED}, to be committed; nothing is removed", _pack)
    pack.add_argument(
        "sources",
        nargs="*",
        type=Path,
        metavar="SOURCE",
        help="as of merge (default: asv's results of this checkout)",
    )
    pack.add_argument("--into", type=Path, metavar="FOLDER", help=f"(default: {SHIPPED})")
    pack.add_argument(
        "--machine", action="append", metavar="NAME", help="these machines alone (default: all)"
    )
    pack.add_argument(
        "--as", dest="renamed", metavar="NAME", help="what to call the machine, if it is one"
    )
    pack.add_argument(
        "--runs",
        type=int,
        default=KINDS["readiness"].newest,
        metavar="N",
        help="so many of the newest whole readiness runs of each machine (%(default)s)",
    )
    pack.add_argument(
        "--all-commits", action="store_true", help="also those that are not on the branch"
    )
    _add_prune(action("prune", f"remove old commits from {SHIPPED} and asv's results", _prune))


def _add_prune(prune: argparse.ArgumentParser) -> None:
    prune.description = (
        f"Remove old commits from {SHIPPED} and from asv's results. All of the last days stay, "
        "every tag, the first and the last measured on each machine, and of every stretch of "
        "--one-in commits the first that was measured: the same ones however often this runs. "
        "Commits that are not on the branch stay."
    )
    prune.add_argument(
        "--days", type=float, default=DAYS, metavar="N", help="keep all of these (%(default)g)"
    )
    prune.add_argument(
        "--one-in", type=int, default=ONE_IN, metavar="K", help="of older ones (%(default)s)"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")


def main(options: argparse.Namespace, project: Project) -> int:
    """Run one action. Raises HistoryError, CheckoutError or MeasureError, with nothing changed."""
    require(project.repository, whole=True)
    code: int = options.act(options, project)
    return code


def _status(_options: argparse.Namespace, project: Project) -> int:
    for text in status(project):
        print(text)
    return 0


def _unpack(_options: argparse.Namespace, project: Project) -> int:
    if not is_archive(project.folder / SHIPPED):
        raise HistoryError(
            f"{project.folder / SHIPPED}: there is no history; `history pack` makes one"
        )
    return _lay(_own([read_archive(project.folder / SHIPPED)], project, SHIPPED), project)


def _merge(options: argparse.Namespace, project: Project) -> int:
    return _lay(_read(options.sources, project), project)


def _fetch(options: argparse.Namespace, project: Project) -> int:
    with fetched(project.repository, options.remote, options.branch) as folder:
        name = f"{options.remote} {options.branch}"
        return _lay(_own(read_source(folder), project, name), project)


def _read(sources: Iterable[Path], project: Project) -> Archive:
    kept = Archive()
    for source in sources:
        kept.merge(_own(read_source(source), project, str(source)))
    return kept


def _own(histories: Iterable[Archive], project: Project, name: str) -> Archive:
    """What is ours of the histories in a source. Raises HistoryError if nothing is."""
    kept = Archive()
    for each in histories:
        own, apart = own_part(each, project.repository)
        for problem in own.left_alone:
            print(f"== {name}: left out: {problem}")
        if apart:
            print(f"== {name}: set apart: {apart}")
        if own.unread:
            raise HistoryError(next(iter(own.unread)))
        kept.merge(own)
    if not (kept.entries or kept.reports) and any(
        each.entries or each.unread for each in histories
    ):
        raise HistoryError(f"{name}: nothing in it is of this repository, and nothing was changed")
    return kept


def _lay(kept: Archive, project: Project) -> int:
    with alone(project.folder):
        laid = lay(kept, project.repository, project.results)
    for problem in laid.problems:
        print(f"== left alone: {problem}")
    print(
        f"== read: {_count(kept)}; new in {project.results}: {laid.new}, filled up: "
        f"{laid.filled}; reports: {laid.reports}"
    )
    print(f"== to look at it: {project.to_publish}")
    return 2 if laid.problems else 0


def _pack(options: argparse.Namespace, project: Project) -> int:
    folder = options.into or project.folder / SHIPPED
    kept = read_archive(folder)
    kept.suite = own_part(kept, project.repository)[
        0
    ].suite  # which may have been another project's
    for problem in kept.left_alone:
        print(f"== {folder}: left alone: {problem}")
    before, filed = dict(kept.entries), dict(kept.reports)
    new = _chosen(_to_pack(options, project), options, project)
    kept.merge(new)
    if new.suite and kept.suite and new.suite.measured_ms == kept.suite.measured_ms:
        kept.suite = new.suite  # nothing was measured since, so it was discovered after the other
    kept.reports.update(new.reports)  # what has no date is as it is here
    write_archive(folder, kept)
    added = kept.entries.keys() - before.keys()
    changed = sum(kept.entries[key] != entry for key, entry in before.items())
    print(
        f"== {folder}: {_count(kept)}; added: {len(added)}, changed: {changed}, "
        f"reports added: {len(kept.reports.keys() - filed.keys())}"
    )
    _tell_size(folder, kept)
    return 0


def _tell_size(folder: Path, kept: Archive) -> None:
    """How much there is of each kind, and whether it is too much for a repository."""
    for text in sizes(kept):
        print(f"   {text}")
    size = size_of(folder)
    if size > MOST_BYTES:
        print(
            f"== note: {size / 1e6:.1f} MB, and {MOST_BYTES / 1e6:g} MB are enough for a "
            "repository: `history prune` thins it, --machine packs one alone"
        )


def _to_pack(options: argparse.Namespace, project: Project) -> Archive:
    if options.sources:
        return _read(options.sources, project)
    results = project.results
    if not is_results(results):
        raise HistoryError(
            f"{results}: nothing was measured yet; `{project.to_measure}` does, or name a SOURCE"
        )
    return _own(read_source(results, own=True), project, str(results))


def _chosen(kept: Archive, options: argparse.Namespace, project: Project) -> Archive:
    """Those of the machines and commits that were asked for."""
    machines = {entry.machine for entry in kept.entries.values()}
    known = machines | {item.machine for item in kept.reports.values()} - {""}
    wanted = set(options.machine or machines)
    if wanted - known:
        raise HistoryError(
            f"no results of machine '{', '.join(sorted(wanted - known))}'; there are those of "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    measured = sorted(wanted & machines)  # reports go by the host's own name
    if options.renamed and len(measured) > 1:
        raise HistoryError(
            f"--as names one machine, and these are {len(measured)}: {', '.join(measured)}. "
            "Choose one with --machine"
        )
    published = None if options.all_commits else set(_branch(project)) | tagged(project.repository)
    reports = of_machines(kept.reports.values(), options.machine, options.renamed)
    chosen = Archive(suite=kept.suite, reports=kept_of(reports, options.runs))
    beyond = len(reports) - len(chosen.reports)
    if beyond:
        print(f"== left out: {beyond} reports: parts, or more than is kept of their kind")
    elsewhere = 0
    for entry in kept.entries.values():
        if entry.machine not in wanted:
            continue
        if published is not None and entry.commit_hash not in published:
            elsewhere += 1
            continue
        chosen.add(entry.renamed(options.renamed) if options.renamed else entry)
    if elsewhere:
        print(f"== left out: {elsewhere} that are not on the branch (--all-commits packs them)")
    return chosen


def _prune(options: argparse.Namespace, project: Project) -> int:
    if not options.days >= 0 or options.one_in < 1:
        raise HistoryError(
            f"--days {options.days:g} --one-in {options.one_in}: at least 0 and at least 1"
        )
    branch, tags, now_ms = _branch(project), tagged(project.repository), round(time.time() * 1000)
    shipped, results = project.folder / SHIPPED, project.results
    with alone(project.folder):
        places = {
            folder: read_archive(folder) if folder == shipped else read_results(folder)
            for folder in (shipped, results)
            if is_archive(folder) or is_results(folder)
        }
        if not places:
            raise HistoryError(f"neither {shipped} nor {results} holds any results")
        for folder, kept in places.items():
            gone = superfluous(
                kept.entries.values(),
                branch,
                tags,
                now_ms=now_ms,
                days=options.days,
                one_in=options.one_in,
            )
            did = "would go" if options.dry_run else "removed"
            more = sorted(kept.reports.keys() - kept_of(kept.reports.values()).keys())
            also = f"; of reports: {len(more)}" if more else ""
            print(f"== {folder}: {_count(kept)}; {did}: {len(gone)}{_by_machine(gone)}{also}")
            if not options.dry_run:
                for place in more:
                    _remove_report(folder, kept.reports.pop(place))
                _remove(folder, kept, gone)
    return 0


def _remove(folder: Path, kept: Archive, gone: Iterable[Key]) -> None:
    leaving = [kept.entries.pop(key) for key in gone]
    if is_archive(folder):
        write_archive(folder, kept)
        return
    for entry in leaving:
        (folder / entry.machine / file_name(entry)).unlink()


def _remove_report(folder: Path, item: FiledItem) -> None:
    for name in item.named_files():
        path = folder / name
        path.unlink()
        while path.parent != folder and not any(path.parent.iterdir()):
            path = path.parent
            path.rmdir()


def _branch(project: Project) -> list[str]:
    """Hashes of the published branch, oldest first."""
    return [commit.hash for commit in reversed(history(project.repository, project.branch))]


def _count(kept: Archive) -> str:
    commits = {entry.commit_hash for entry in kept.entries.values()}
    machines = {entry.machine for entry in kept.entries.values()}
    return f"commits: {len(commits)}, machines: {len(machines)}"


def _by_machine(gone: Iterable[Key]) -> str:
    by_machine: dict[str, int] = defaultdict(int)
    for machine, _, _ in gone:
        by_machine[machine] += 1
    listed = ", ".join(f"{machine} {count}" for machine, count in sorted(by_machine.items()))
    return f" ({listed})" if listed else ""
