"""`python -m perflab rules` and `dashboard`: the targets of readiness, for Prometheus and Grafana.

Rule: reads options and writes files; what stands in them is `rules.py`'s and `dashboard.py`'s.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from perflab.production.dashboard import dashboard
from perflab.production.objectives import ProductionPlan, plan_of
from perflab.production.preview import preview
from perflab.production.prometheus import Prometheus, PrometheusError
from perflab.production.rules import MOST_SCALE, RuleSet
from perflab.production.window import WindowError, window_of
from perflab.readiness.targets import SHIPPED, read_targets
from perflab.stats.thresholds import TargetError

__all__ = [
    "JOB",
    "add_dashboard_arguments",
    "add_rules_arguments",
    "asked_prometheus",
    "dashboard_main",
    "held_plan",
    "rules_main",
]

JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
MOST_TOKEN_BYTES = 64 << 10
DASHBOARD, PREVIEW = Path("build/grafana/p2pcore.json"), Path("build/grafana/preview.html")
RULES, TESTS = "p2pcore.rules.yaml", "p2pcore.rules.test.yaml"


def add_rules_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `rules`."""
    _add_common(parser)
    parser.add_argument(
        "--least-rate",
        type=float,
        default=1.0,
        metavar="X",
        help="operations per second, below which no burn is believed (default: %(default)g)",
    )
    parser.add_argument(
        "--runbooks",
        default=RuleSet.runbooks,
        metavar="URL",
        help="the page that alerts lead to, as it is published for you (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/prometheus"),
        metavar="DIR",
        help=f"where {RULES} and {TESTS} go (default: %(default)s)",
    )


def add_dashboard_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `dashboard`."""
    _add_common(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"where it goes (default: {DASHBOARD}, of a preview {PREVIEW})",
    )
    parser.add_argument(
        "--preview",
        metavar="URL",
        help="instead, draw it with what this Prometheus answers: one HTML page, for who has no "
        "Grafana",
    )
    parser.add_argument(
        "--window",
        metavar="A..B|1h",
        default="1h",
        help="of a preview, as of `field` (%(default)s)",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="what it wants to see as a bearer token"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--targets",
        type=Path,
        default=SHIPPED,
        metavar="FILE",
        help="whose objectives (default: the shipped targets)",
    )
    parser.add_argument(
        "--hold",
        action="append",
        metavar="SET",
        help="sets of targets that are held; again for more (default: production, of a file of "
        "your own all)",
    )
    parser.add_argument(
        "--job",
        default="p2pcore",
        help="Prometheus' name of the job that scrapes nodes and clients (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="X",
        help="for drills: windows and waiting times so many times shorter, 1 to "
        f"{MOST_SCALE:g}; scrape each second then (default: %(default)g)",
    )


def rules_main(options: argparse.Namespace) -> int:
    """Write rules and their tests; 0 done, 2 the arguments or targets are wrong."""

    def write() -> None:
        rules = replace(_rule_set(options, options.least_rate), runbooks=options.runbooks)
        options.output.mkdir(parents=True, exist_ok=True)
        for name, what in ((RULES, rules.rules()), (TESTS, rules.tests(RULES))):
            text = yaml.safe_dump(what, sort_keys=False, width=100, allow_unicode=True)
            (options.output / name).write_text(text, encoding="utf-8")
        for each in rules.plan.objectives:
            factors = ", ".join(f"{w.factor:g}x" for w in each.windows())
            print(f"held: {each.target}: {each.budget:.4g} may be bad; alerts at {factors}")
        for name, reason in rules.plan.left_out:
            print(f"not held by rules: {name}: {reason}")
        print(f"files: {options.output / RULES}, {TESTS} (promtool test rules)")

    return _told("rules", write)


def dashboard_main(options: argparse.Namespace) -> int:
    """Write the dashboard; exit codes as of `rules`."""

    def write() -> None:
        found = dashboard(_rule_set(options, 1.0))
        output, text = options.output or DASHBOARD, json.dumps(found, indent=1) + "\n"
        if options.preview is not None:
            window = window_of(options.window, float(int(time.time())))
            prometheus = asked_prometheus(options, options.preview)
            output = options.output or PREVIEW
            text = preview(found, options.job, prometheus, window)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        print(f"{len(found['panels'])} panels: {output}")

    return _told("dashboard", write)


def _told(name: str, write: Callable[[], None]) -> int:
    try:
        write()
    except (
        NotImplementedError, OSError, PrometheusError, TargetError, WindowError
    ) as error:  # fmt: skip
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0


def _rule_set(options: argparse.Namespace, least_rate: float) -> RuleSet:
    if not 1 <= options.scale <= MOST_SCALE:
        raise TargetError(f"--scale is 1 to {MOST_SCALE:g}, not {options.scale:g}")
    if not (math.isfinite(least_rate) and least_rate > 0):
        raise TargetError(f"--least-rate is above 0, not {least_rate:g}")
    if not JOB.fullmatch(options.job):
        raise TargetError(f"--job is letters, digits, '_', '.' and '-', not {options.job!r}")
    plan = held_plan(options)
    return RuleSet(plan=plan, job=options.job, least_rate=least_rate, scale=options.scale)


def asked_prometheus(options: argparse.Namespace, url: str) -> Prometheus:
    """The one at an address, with the job and the token of the options. Raises PrometheusError,
    WindowError or OSError."""
    if not JOB.fullmatch(options.job):
        raise WindowError(f"--job is letters, digits, '_', '.' and '-', not {options.job!r}")
    token = ""
    if options.token_file:
        with options.token_file.open("rb") as file:
            data = file.read(MOST_TOKEN_BYTES)
        token = data.decode("ascii", "replace").strip()
        if not token or not token.isprintable():
            raise PrometheusError(f"{options.token_file} holds no token: one line of ASCII")
    return Prometheus(url, token)


def held_plan(options: argparse.Namespace) -> ProductionPlan:
    """What `--targets` and `--hold` name; TargetError if there is no such set."""
    targets = read_targets(options.targets)
    sets = sorted({each.set for each in targets})
    held = options.hold or (["production"] if options.targets == SHIPPED else sets)
    for name in held:
        if name not in sets:
            raise TargetError(f"--hold {name}: there are the sets {', '.join(sets)}")
    return plan_of(each for each in targets if each.set in held)
