"""Build the whole site anew, as `asv publish` does and several times as fast.

Theory of operation. asv spends its time on reading each result three times and on detecting steps.
Here results are read once (`history`), asv's files are derived from them (`stock`), and steps are
detected in all series together on all processors (`step_search`). Nothing is carried over from an
earlier site but the steps of series that are the same to the last bit (`step_cache`), so that
nothing can be stale: a new commit, another machine or a rewritten branch are all the same to it.
The site grows in a folder beside the old one and takes its place when it is
whole; a run that is stopped leaves the old one.

The result is that of `asv publish`. Where that is not certain, an `Oddity` says why, and asv has to
do it: another version of asv, other plugins, results of a form that is not expected here. A series
chosen by the number of commits is given to asv's own detection too, each time.

Rule: the order of work; each part is done elsewhere.
"""

from __future__ import annotations

import datetime
import gc
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from perflab.results.commits import read_commits
from perflab.results.history import History, PublishedCommit, read_history
from perflab.results.suite import MAX_CASES, Benchmark, read_suite
from perflab.site import stock
from perflab.site.build import publish_history
from perflab.site.export import write_export
from perflab.site.offline import make_offline
from perflab.site.step_cache import StepCache
from perflab.site.step_search import TOGETHER, Item, agrees, find_steps
from perflab.site.stock import Oddity, Witness

__all__ = ["Oddity", "rebuild"]

ASV = "0.6.6"  # whose files `stock` writes
PLUGINS = [".perflab.site.offline"]
PAGES = (("front", None, None), ("offline", None, None))  # as asv lists our publishers
NEW, OLD = ".new", ".old"
STEPS = "steps.msgpack"  # beside asv's results
Task = Callable[[], Any]


def rebuild(config: str) -> Path:
    """Build the site of an asv configuration, in whose folder we are; where it lies.

    Raises Oddity if asv itself has to publish it.
    """
    from asv import config as asv_config
    from asv import plugin_manager, repo

    assert plugin_manager  # importing it is what makes kinds of repositories known
    if version("asv") != ASV:
        raise Oddity(f"this is asv {version('asv')}, not {ASV}")
    conf = asv_config.Config.load(config)
    if conf.plugins != PLUGINS or len(conf.branches) != 1:
        raise Oddity(f"{len(conf.branches)} branches or other plugins: {conf.plugins}")
    repository = repo.get_repo(conf)
    if repository.dvcs != "git" or not repository._pulled:
        raise Oddity("the repository is not a local one of git")
    site = Path(conf.html_dir)
    new, old = (site.with_name(site.name + suffix) for suffix in (NEW, OLD))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    conf.html_dir = str(new)
    collecting = gc.isenabled()
    gc.disable()  # hardly anything is garbage before the end, and looking for it takes a tenth
    try:
        _build(conf, repository, new)
        if site.exists():
            site.rename(old)
        new.rename(site)
    finally:
        if collecting:
            gc.enable()
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
    return site


def _build(conf: Any, repository: Any, site: Path) -> None:
    import asv
    from asv.benchmarks import Benchmarks
    from asv.plugins.regressions import Regressions
    from asv.plugins.summarylist import SummaryList

    benchmarks = Benchmarks.load(conf)
    suite = _suite(conf, benchmarks)
    branch = repository.get_branch_name(conf.branches[0])
    tags = _tags(repository)
    commits = _commits(conf, repository, branch, tags)
    witness = Witness()
    history = read_history(Path(conf.results_dir), suite, commits, witness)
    _check(conf, history, witness, tags)
    revisions = repository.get_revisions(set(witness.dates) | set(tags.values()))
    graphs = stock.graph_set(history, benchmarks, witness, revisions, branch)
    shutil.copytree(Path(asv.__file__).parent / "www", site)
    kept = StepCache(Path(conf.results_dir).parent / STEPS)
    with _Workers(graphs, lambda: write_export(history, suite, site / "data"), kept) as workers:
        stock.save_graphs(graphs, site)
        stock.save_summaries(graphs, site)
        workers.finish()
    _Known(repository, commits)
    SummaryList.publish(conf, repository, benchmarks, graphs, revisions)
    with stock.narrow_feed(graphs, revisions):
        Regressions.publish(conf, repository, benchmarks, graphs, revisions)
    publish_history(conf, suite, history, graphs, revisions)
    make_offline(site)
    _write_index(conf, repository, benchmarks, graphs, revisions, witness, tags)


def _suite(conf: Any, benchmarks: Mapping[str, Any]) -> list[Benchmark]:
    suite = read_suite(benchmarks, Path(conf.benchmark_dir))
    for each in suite:
        params = benchmarks[each.name].get("params")
        names = benchmarks[each.name].get("param_names")
        if not isinstance(params, list) or len(params) != len(names or ()):
            raise Oddity(f"benchmarks.json has no list of parameters of {each.name}")
        cases = list(itertools.islice(itertools.product(*params), MAX_CASES + 1))
        if cases != each.cases or len(set(cases)) < len(cases):
            raise Oddity(f"the combinations of parameters of {each.name} are too many or not texts")
    return suite


def _tags(repository: Any) -> dict[str, str]:
    """Names and commits, as asv's `get_tags`, which asks git once for each."""
    names = repository._run_git(["tag", "-l", "--sort=taggerdate"]).splitlines()
    if not names:
        return {}
    wanted = [f"refs/tags/{name}^{{commit}}" for name in names]
    try:
        found = repository._run_git(["rev-parse", *wanted], display_error=False).split()
    except Exception as error:
        raise Oddity("a tag is of no commit") from error
    return dict(zip(names, found, strict=True))


def _commits(
    conf: Any, repository: Any, branch: str, tags: Mapping[str, str]
) -> list[PublishedCommit]:
    """The branch from its first measured or tagged commit on, as `published_commits` has it."""
    from asv.results import iter_results_paths

    measured = {name[:8] for _, name, _ in iter_results_paths(conf.results_dir)}
    try:
        commits = read_commits(Path(repository._path), branch, tags)
    except subprocess.CalledProcessError as error:
        raise Oddity(f"git knows no branch '{branch}'") from error
    tagged = set(tags.values())
    for number, each in enumerate(commits):
        if each.hash[:8] in measured or each.hash in tagged:
            return commits[number:]
    return commits


def _check(conf: Any, history: History, witness: Witness, tags: Mapping[str, str]) -> None:
    """That we have read what asv would."""
    from asv.results import iter_results_paths

    problems = history.problems[: -1 if history.elsewhere else None]
    if problems:
        raise Oddity(f"{len(problems)} results cannot be used, among them {problems[0]}")
    listed = sum(1 for _ in iter_results_paths(conf.results_dir))
    if listed != witness.files:
        raise Oddity(f"asv would read {listed} files, not {witness.files}")
    if history.elsewhere & set(tags.values()):
        raise Oddity("a commit that is tagged, measured, and on no branch")
    known = {*witness.dates, *tags.values()}
    if known and history.commits and history.commits[0].hash not in known:
        raise Oddity("a result that is named after a commit of the branch is of another one")


class _Workers:
    """Detects the steps of all series and writes the export, in processes of its own as far as
    there are processors."""

    def __init__(self, graphs: Any, export: Callable[[], None], kept: StepCache) -> None:
        self._graphs = [graph for _, graph in graphs]
        self._items = [stock.items(graph) for graph in self._graphs]
        self._series: list[Item] = [item for items in self._items for item in items]
        self._kept = kept
        self._known = kept.known(self._series)
        unknown = [number for number, steps in enumerate(self._known) if steps is None]
        self._shares = [unknown[n : n + TOGETHER] for n in range(0, len(unknown), TOGETHER)]
        tasks: list[Task] = [export]
        for share in self._shares:
            tasks.append(partial(find_steps, [self._series[number] for number in share]))
        self._tasks = tasks

    def __enter__(self) -> _Workers:
        count = len(os.sched_getaffinity(0))
        import multiprocessing

        context = multiprocessing.get_context("fork")  # what there is to do is inherited
        self._processes = []
        self._pipes = []
        if count > 1:
            for number in range(count):
                receiver, sender = context.Pipe(duplex=False)
                work = self._tasks[number::count], sender
                self._pipes.append(receiver)
                self._processes.append(context.Process(target=_work, args=work, daemon=True))
                self._processes[-1].start()
                sender.close()
        return self

    def finish(self) -> None:
        """Wait for all, and give each graph its steps."""
        done: list[Any] = [None] * len(self._tasks)
        try:
            for number, pipe in enumerate(self._pipes):
                done[number :: len(self._pipes)] = pipe.recv()
        except EOFError as error:
            raise Oddity("a process that detects steps has failed") from error
        if not self._pipes:
            done = [task() for task in self._tasks]
        found = done[1:]
        for share, steps in zip(self._shares, found, strict=True):
            for number, each in zip(share, steps, strict=True):
                self._known[number] = each
        steps = [each for each in self._known if each is not None]
        if steps:
            asked = len(self._series[0]) % len(steps)
            if not agrees(self._series[asked], steps[asked]):
                self._kept.forget()
                raise Oddity("on this machine asv's detection of steps is another one")
        self._kept.keep(steps)
        following = iter(steps)
        for graph, items in zip(self._graphs, self._items, strict=True):
            stock.set_steps(graph, [next(following) for _ in items])

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.join()


def _work(tasks: Sequence[Task], sender: Any) -> None:
    """What a process does; it ends with its work, whatever becomes of the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that waits
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sender.send([task() for task in tasks])


class _Known:
    """Answers asv's questions about ranges of the branch, each of which would start git."""

    def __init__(self, repository: Any, commits: Sequence[PublishedCommit]) -> None:
        self._numbers = {each.hash: number for number, each in enumerate(commits)}
        self._hashes = [each.hash for each in commits]
        self._asked = repository.get_hashes_from_range
        repository.get_hashes_from_range = self

    def __call__(self, spec: str) -> list[str]:
        first, _, last = spec.partition("..")
        begin, end = self._numbers.get(first), self._numbers.get(last)
        if begin is None or end is None or begin > end:
            found: list[str] = self._asked(spec)
            return found
        return self._hashes[begin + 1 : end + 1][::-1]


def _write_index(
    conf: Any,
    repository: Any,
    benchmarks: Mapping[str, Any],
    graphs: Any,
    revisions: Mapping[str, int],
    witness: Witness,
    tags: Mapping[str, str],
) -> None:
    """asv's index.json and info.json."""
    from asv import util
    from asv.machine import iter_machine_files
    from asv.plugins.regressions import Regressions
    from asv.plugins.summarygrid import SummaryGrid
    from asv.plugins.summarylist import SummaryList

    dates = {**witness.dates, **_dates(repository, set(tags.values()))}
    params: dict[str, list[str | None]] = {
        name: sorted(values | _absent(name, graphs), key=_order)
        for name, values in witness.params.items()
    }
    listed: list[Any] = []
    for _, graph in graphs:
        if graph.params not in listed:
            listed.append(graph.params)
    machines = [util.load_json(path) for path in iter_machine_files(conf.results_dir)]
    stock_pages = [
        (each.name, each.button_label, each.description)
        for each in (SummaryGrid, SummaryList, Regressions)
    ]
    site = Path(conf.html_dir)
    index = {
        "project": conf.project,
        "project_url": conf.project_url,
        "show_commit_url": conf.show_commit_url,
        "hash_length": conf.hash_length,
        "revision_to_hash": {number: commit for commit, number in revisions.items()},
        "revision_to_date": {number: dates[commit] for commit, number in revisions.items()},
        "params": {**params, "branch": [repository.get_branch_name(conf.branches[0])]},
        "graph_param_list": listed,
        "benchmarks": dict(benchmarks),
        "machines": {each["machine"]: each for each in machines},
        "tags": {name: revisions[commit] for name, commit in tags.items()},
        "pages": [*stock_pages, *PAGES],
    }
    (site / "index.json").write_text(json.dumps(index), encoding="utf-8")
    now = util.datetime_to_js_timestamp(datetime.datetime.now(datetime.UTC))
    util.write_json(site / "info.json", {"asv-version": version("asv"), "timestamp": now})


def _dates(repository: Any, commits: set[str]) -> dict[str, int]:
    """When each was written, in milliseconds since 1970, as asv's `get_date_from_name`."""
    if not commits:
        return {}
    told = repository._run_git(["log", "--no-walk", "--format=%H %at", *sorted(commits)])
    return {line.split()[0]: int(line.split()[1]) * 1000 for line in told.splitlines()}


def _absent(name: str, graphs: Any) -> set[str | None]:
    """None, if there is a graph without this parameter."""
    return {None} if any(graph.params[name] is None for _, graph in graphs) else set()


def _order(value: str | None) -> str:
    return "[none]" if value is None else value
