"""Build the site's own pages into the folder that `asv publish` has filled.

Order of work: asv's index.html steps aside as grid.html, everything measured is read once, judged
once, and written as data and as pages. Then `verdict.site` looks that nothing asks the network.

Rule: the way from asv's objects to ours; pages and judgements are made elsewhere.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from perflab.gate.policy import Policy, load_policy
from perflab.report.charts import draw
from perflab.report.form import VERDICTS
from perflab.report.render import figure
from perflab.results.asv_results import result_files
from perflab.results.busy_marks import BusyMarkError, marked
from perflab.results.commits import read_commits
from perflab.results.explained import read_told
from perflab.results.history import PublishedCommit, read_history
from perflab.results.suite import read_entries, read_suite
from perflab.results.touched import read_touched
from perflab.site.badges import Badge, write_badge
from perflab.site.checks import Checks, read_checks
from perflab.site.culprits import filed_culprits
from perflab.site.data import iso, write_data
from perflab.site.explained import copy_explained
from perflab.site.export import write_export
from perflab.site.feeds import write_feeds
from perflab.site.filed_pages import calibration_chart, capacity_page, peers_page, sweeps_page
from perflab.site.frame import framed
from perflab.site.growth_page import growth_page
from perflab.site.listing import listing
from perflab.site.load_page import load_page, write_load_runs
from perflab.site.load_runs import LoadRuns, copy_load_reports, read_load_runs
from perflab.site.model import SiteModel, build_model
from perflab.site.mutation_page import mutation_page
from perflab.site.overview import overview
from perflab.site.readiness_runs import Runs, copy_reports, read_runs
from perflab.site.readings import Readings, load_readings
from perflab.site.runs_page import runs_page, write_runs

__all__ = ["COPIED", "SiteRules", "publish_front", "published_commits"]

COPIED = "copied"
"""In asv's configuration of a copy: where the `results` lie that it is of, and what it lacks."""
TEMPLATES = Path(__file__).with_name("templates")
STATIC = Path(__file__).with_name("static")
STOCK = "grid.html"
PAGES = (
    ("index.html", "Overview"),
    ("benchmarks.html", "Benchmarks"),
    ("compare.html", "Compare"),
    ("runs.html", "Readiness"),
    ("load.html", "Load, chaos"),
    ("sweeps.html", "Sweeps"),
    ("capacity.html", "Capacity"),
    ("growth.html", "Growth"),
    ("peers.html", "Peers"),
    ("mutation.html", "Mutation"),
    ("calibration.html", "The gate"),
    (STOCK, "asv"),
)
OURS = tuple(href for href, _ in PAGES[3:-1])
"""Pages of what is measured in this repository alone."""


@dataclass(frozen=True, kw_only=True)
class SiteRules:
    """By what pages are made; without any, by those of this repository."""

    readings: Readings
    policy: Policy
    about: Callable[[dict[str, dict[str, Any]]], dict[str, dict[str, Any]]]
    """What asv's list of benchmarks becomes: with kinds and directions."""
    filed: Path
    """Where alerts are filed."""
    ours: bool
    """Whether there are pages of readiness and loads, which are measured here alone."""


def publish_front(conf: Any, repo: Any, rules: SiteRules | None = None) -> None:
    """What the publisher plugin calls, with asv's own objects.

    Of a copy that was made for asv (`COPIED` in its configuration) our pages show what it is of.
    """
    copied = getattr(conf, COPIED, {})
    site, results = Path(conf.html_dir), Path(copied.get("results", conf.results_dir))
    lacking: list[str] = [*copied.get("left_out", ()), *_beside_others(results)]
    if rules is None:
        rules = SiteRules(
            readings=load_readings(),
            policy=load_policy(),
            about=lambda entries: entries,
            filed=results.parent,
            ours=True,
        )
    entries = rules.about(read_entries(results, lacking))
    suite = read_suite(entries, Path(conf.benchmark_dir))
    commits = published_commits(conf, repo, results)
    history = read_history(results, suite, commits)
    repository = Path(repo._path)
    culprits = filed_culprits(rules.filed, lacking) if rules.ours else []
    model = build_model(
        project=str(conf.project),
        generated_ms=round(time.time() * 1000),
        history=history,
        suite=suite,
        readings=rules.readings,
        policy=rules.policy,
        ours=rules.ours,
        culprits=culprits,
        told=read_told(rules.filed / "alerts") if rules.ours else (),
        lacking=[each for each in dict.fromkeys(lacking) if each not in history.problems],
        touched=read_touched(repository, commits[0].hash, commits[-1].hash) if commits else {},
    )
    runs = read_runs(rules.filed) if rules.ours else Runs()
    loads = read_load_runs(rules.filed) if rules.ours else LoadRuns()
    write_site(model, rules, runs, loads, read_checks(rules.filed), site)
    write_export(history, suite, site / "data")


def _beside_others(results: Path) -> Iterator[str]:
    """A line for each point that was measured on a busy machine, and who kept it busy."""
    for folder in sorted(path for path in results.glob("*") if path.is_dir()):
        try:
            for commit, crowd in marked(folder).items():
                yield f"{commit[:8]} on {folder.name} was measured on a busy machine: {crowd}"
        except BusyMarkError as error:
            yield str(error)


def write_site(
    model: SiteModel, rules: SiteRules, runs: Runs, loads: LoadRuns, checks: Checks, site: Path
) -> None:
    """Write pages and data into a site that asv has published."""
    pages = [page for page in PAGES if rules.ours or page[0] not in OURS]
    templates = _templates()
    navigation = templates.get_template("navigation.html.jinja")
    stock = (site / "index.html").read_text(encoding="utf-8")
    bar = navigation.render(model=model, here=STOCK, pages=pages)
    (site / STOCK).write_text(framed(stock, bar), encoding="utf-8")
    shutil.copytree(STATIC, site / "static", dirs_exist_ok=True)
    # Reports name no icon, for they are single files, and browsers ask for this one then.
    shutil.copyfile(site / "swallow.ico", site / "favicon.ico")
    copy_reports(runs, site)
    copy_load_reports(loads, site)
    copy_explained(model.told, site)
    published = {commit.hash: commit for commit in model.history.commits}
    write_data(model, rules.policy, checks.alerts, site / "data")
    write_runs(runs, site / "data")
    write_load_runs(loads, published, site / "data")
    write_feeds(model, runs, site)
    for name, badge in _badges(model, runs, checks).items() if model.ours else ():
        write_badge(site / f"badge-{name}.svg", badge)
    contexts: dict[str, dict[str, Any]] = {
        "index.html": overview(model, runs, checks),
        "benchmarks.html": listing(model),
        "benchmark.html": {},
        "commit.html": {},
        "compare.html": {},
        "runs.html": runs_page(runs) | {"known": published},
        "load.html": load_page(loads, published),
    }
    calibration = checks.calibration
    kept = calibration is not None and calibration.alarms["whole"].low <= calibration.promised
    contexts["calibration.html"] = {
        "calibration": calibration,
        "kept": kept,
        "power": draw(calibration_chart(calibration), 1) if calibration else "",
    }
    for name, context in contexts.items():
        if name in OURS and not model.ours:
            continue
        page = templates.get_template(f"{name}.jinja")
        text = page.render(model=model, here=name, pages=pages, **context)
        (site / name).write_text(text, encoding="utf-8")
    if rules.ours:
        _write_rooms(model, rules.filed, runs, loads, pages, site)


def _write_rooms(
    model: SiteModel,
    filed: Path,
    runs: Runs,
    loads: LoadRuns,
    pages: Sequence[tuple[str, str]],
    site: Path,
) -> None:
    """Pages of what other commands filed below `filed`."""
    rooms = {
        "sweeps.html": sweeps_page(filed),
        "capacity.html": capacity_page(runs, loads),
        "growth.html": growth_page(model, filed),
        "peers.html": peers_page(filed),
        "mutation.html": mutation_page(filed),
    }
    page = _templates().get_template("room.html.jinja")
    for name, room in rooms.items():
        numbers = count()
        drawn = [[draw(chart, next(numbers)) for chart in each.charts] for each in room.sections]
        text = page.render(model=model, here=name, pages=pages, room=room, drawn=drawn)
        (site / name).write_text(text, encoding="utf-8")


def _badges(model: SiteModel, runs: Runs, checks: Checks) -> dict[str, Badge]:
    ready = Badge(about="readiness", text="not measured", colour="unknown")
    if runs.newest:
        report = runs.newest.report
        colour = {"met": "good", "not met": "bad", "unmeasured": "unknown"}[report.verdict]
        text = f"{VERDICTS[report.verdict].lower()}, {report.commit[:8]}"
        ready = Badge(about="readiness", text=text, colour=colour)
    gate = Badge(about="gate", text="never run", colour="unknown")
    if checks.gate:
        colour = {0: "good", 1: "bad"}.get(checks.gate.exit_code, "unknown")
        short = checks.gate.verdict if checks.gate.exit_code < 2 else "undecided"
        gate = Badge(about="gate", text=f"{short}, {checks.gate.head[:8]}", colour=colour)
    return {"readiness": ready, "gate": gate}


def published_commits(conf: Any, repo: Any, results: Path) -> list[PublishedCommit]:
    """The published branch from its first measured or tagged commit on."""
    branch = repo.get_branch_name(conf.branches[0])
    commits = read_commits(Path(repo._path), branch)
    measured = {path.name[:8] for path in result_files(results)}
    for number, each in enumerate(commits):
        if each.hash[:8] in measured or each.tags:
            return commits[number:]
    return commits


def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"iso": iso, "figure": figure}
    return environment
