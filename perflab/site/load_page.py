"""The page of load and chaos runs and of windows of production: each with its figures, and the
capacities that were searched.

Rule: chooses and words; figures are those of the reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perflab.results.history import PublishedCommit
from perflab.site.load_runs import FiledLoadRun, LoadRuns, Search

__all__ = ["load_page", "search_row", "write_load_runs"]


def load_page(runs: LoadRuns, commits: Mapping[str, PublishedCommit]) -> dict[str, Any]:
    """The template's context; `commits` are those of the published branch by hash."""
    rows = [_row(each, commits) for each in runs.runs]
    return {
        "loads": [each for each in rows if each["kind"] in ("load", "field")],
        "chaos": [each for each in rows if each["kind"] == "chaos"],
        "problems": runs.problems,
    }


def write_load_runs(runs: LoadRuns, commits: Mapping[str, PublishedCommit], folder: Path) -> None:
    """data/load.json: each run's figures, and where its report lies."""
    import msgspec

    rows = [_row(each, commits) for each in runs.runs]
    (folder / "load.json").write_bytes(msgspec.json.encode(rows))


def _row(run: FiledLoadRun, commits: Mapping[str, PublishedCommit]) -> dict[str, Any]:
    report = run.report
    known = commits.get(report.commit)
    evidence = report.steps[0].evidence
    return {
        "kind": report.kind,
        "machine": run.machine,
        "run": report.run,
        "scenario": report.scenario,
        "commit": report.commit,
        "published": known is not None,
        "subject": known.subject if known else "",
        "uncommitted": bool(report.uncommitted),
        "began": report.began,
        "state": report.state.replace(" ", "-"),
        "said": report.said,
        "circumstances": report.steps[0].circumstances,
        "asked_per_s": evidence.get("asked_per_s"),
        "reached_per_s": evidence.get("reached_per_s"),
        "success": evidence.get("success_share"),
        "p50_ms": evidence.get("latency_p50_ms"),
        "p95_ms": evidence.get("latency_p95_ms"),
        "p99_ms": evidence.get("latency_p99_ms"),
        "incomplete": report.steps[0].incomplete,
        "generator_bound": bool(evidence.get("generator_bound")),
        "page": run.page,
        "data": run.data,
    }


def search_row(search: Search) -> dict[str, Any]:
    """A search for a capacity, in words and figures."""
    found, manifest = search.found, search.manifest
    return {
        "began": manifest.began,
        "scenario": str(manifest.scenario["name"]),
        "commit": manifest.commit,
        "machine": str(manifest.machine.get("name", "")),
        "slo": f"P99 <= {found.p99_ms:g} ms, success >= {found.success:.2%}",
        "rate": found.rate,
        "missed_rate": found.missed_rate,
        "generator_bound": found.generator_bound,
        "trials": len(found.trials),
        "stopped": found.stopped,
    }
