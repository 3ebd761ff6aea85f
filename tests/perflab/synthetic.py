"""A project with a made-up but whole history: repository, suite, results, as asv leaves them.

For trying and timing the site at any size:

    python -m tests.perflab.synthetic FOLDER --commits 1000 --benchmarks 150
    cd FOLDER && PYTHONPATH=<this repository> python -m asv publish

Everything follows from the seed. Kinds take turns: exact figures are whole numbers without noise,
the others scatter by NOISE. INJECTED of the commits makes the first benchmark of its suite worse.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("exact", "paired", "seeded", "observed")
UNITS = {"exact": "messages", "paired": "seconds", "seeded": "hops", "observed": "seconds"}
NOISE = {"exact": 0.0, "paired": 0.01, "seeded": 0.01, "observed": 0.04}
PER_SUITE = 15
FIRST_DATE_S = 1_700_000_000
SPACING_S = 6 * 3600
PARAMS = (["'store'", "'retrieve'"], ["64", "1024"])
COLUMNS = (
    "result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b",
    "stats_number",
)  # fmt: skip
CLASS = '''
class {name}:
    """Catches: {kind} figures that grow.

    Cannot see: anything else.
    """

    kind = "{kind}"
    layout = "C"
    unit = "{unit}"
'''


@dataclass(frozen=True, kw_only=True)
class Step:
    """An injected change: from this commit on, a benchmark's figures are so many times as large."""

    benchmark: int
    commit: int
    factor: float


def make_project(
    folder: Path,
    *,
    commits: int,
    benchmarks: int = 6,
    steps: tuple[Step, ...] = (),
    machines: tuple[str, ...] = ("lab",),
    seed: int = 1,
) -> list[str]:
    """Write all of it; the commits' hashes, oldest first."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = make_repository(folder, commits)
    entries = make_suite(folder, benchmarks)
    (folder / "asv.conf.json").write_text(
        json.dumps(
            {
                "version": 1,
                "project": "tiny",
                "repo": ".",
                "branches": ["main"],
                "benchmark_dir": "suites",
                "results_dir": ".asv/results",
                "html_dir": ".asv/html",
                "environment_type": "virtualenv",
                "plugins": [".perflab.site.offline"],
            }
        )
    )
    results = folder / ".asv" / "results"
    results.mkdir(parents=True)
    (results / "benchmarks.json").write_text(json.dumps({"version": 2, **entries}))
    rng = random.Random(seed)
    for machine in machines:
        (results / machine).mkdir()
        about = {"version": 1, "machine": machine, "cpu": "a made-up one", "num_cpu": "2"}
        (results / machine / "machine.json").write_text(json.dumps(about))
        for number, commit in enumerate(hashes):
            content = result_file(list(entries.values()), machine, commit, number, steps, rng)
            write_result(results, content)
    return hashes


def make_repository(folder: Path, commits: int) -> list[str]:
    """A repository of empty commits on main; every 50th is tagged."""
    stream = []
    for number in range(commits):
        date_s = FIRST_DATE_S + number * SPACING_S
        subject = f"Change <{number}> & more".encode()
        stream.append(
            b"commit refs/heads/main\nmark :%d\ncommitter Ann <ann@localhost> %d +0000\n"
            b"data %d\n%b\n" % (number + 1, date_s, len(subject), subject)
        )
        if number % 50 == 25:
            stream.append(b"reset refs/tags/v0.%d\nfrom :%d\n\n" % (number // 50, number + 1))
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=folder, check=True, input=b"".join(stream)
    )
    if not commits:
        return []
    listed = ["git", "rev-list", "--first-parent", "--reverse", "main"]
    return subprocess.run(
        listed, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()


def make_suite(folder: Path, benchmarks: int) -> dict[str, dict[str, Any]]:
    """The suites' source, and what asv would list of it."""
    (folder / "suites").mkdir()
    sources: dict[str, str] = {}
    entries = {}
    for number in range(benchmarks):
        kind = KINDS[number % len(KINDS)]
        suite, name = f"suite{number // PER_SUITE}", f"Question{number}"
        sources[suite] = sources.get(suite, "") + CLASS.format(
            name=name, kind=kind, unit=UNITS[kind]
        )
        parametrized = number % 2 == 1
        full = f"{suite}.{name}.track_it"
        entries[full] = {
            "name": full,
            "code": f"def track_it(self): return {number}",
            "version": "1, ruler 1" if kind == "paired" else "1",
            "type": "track",
            "unit": UNITS[kind],
            "timeout": 60,
            "param_names": ["operation", "size_bytes"] if parametrized else [],
            "params": list(PARAMS) if parametrized else [],
            "kind": kind,  # alerts know only our own suite's source
        }
    for suite, source in sources.items():
        (folder / "suites" / f"{suite}.py").write_text(f'"""{suite}."""\n{source}')
    return entries


def result_file(
    entries: list[dict[str, Any]],
    machine: str,
    commit: str,
    number: int,
    steps: tuple[Step, ...],
    rng: random.Random,
) -> dict[str, Any]:
    """What asv would have stored of one commit."""
    rows = {}
    date_ms = (FIRST_DATE_S + number * SPACING_S) * 1000
    for index, entry in enumerate(entries):
        kind = KINDS[index % len(KINDS)]
        factor = 1.0
        for step in steps:
            if step.benchmark == index and number >= step.commit:
                factor *= step.factor
        base = (1e-3 if entry["unit"] == "seconds" else 100.0) * factor
        values = []
        for case in range(len(list(itertools.product(*entry["params"])))):
            value = base * (1 + case)
            values.append(round(value) if kind == "exact" else value * rng.gauss(1, NOISE[kind]))
        spread = NOISE[kind]
        rows[entry["name"]] = [
            values,
            entry["params"],
            entry["version"],
            date_ms + index,
            0.5,
            [value * (1 - spread) for value in values],
            [value * (1 + spread) for value in values],
            [1800 if number % 7 == 6 else 1100] * len(values),  # a slow spell, now and then
        ]
    return {
        "version": 2,
        "commit_hash": commit,
        "env_name": "virtualenv-py3.11",
        "date": date_ms,
        "params": {"machine": machine, "cpu": "a made-up one", "num_cpu": "2", "python": "3.11"},
        "python": "3.11",
        "requirements": {},
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": rows,
        "durations": {"<build>": 1.0},
    }


def write_result(results: Path, content: dict[str, Any]) -> Path:
    """File it as asv names it."""
    machine = content["params"]["machine"]
    path = results / machine / f"{content['commit_hash'][:8]}-{content['env_name']}.json"
    path.write_text(json.dumps(content))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--benchmarks", type=int, default=30)
    options = parser.parse_args()
    half, late = options.commits // 2, options.commits - 3
    steps = (
        Step(benchmark=1, commit=half, factor=1.2),
        Step(benchmark=3, commit=half + 7, factor=0.8),
        Step(benchmark=4, commit=late, factor=1.08),
        Step(benchmark=5, commit=late, factor=1.25),
        Step(benchmark=0, commit=late + 1, factor=0.9),
    )
    make_project(
        options.folder, commits=options.commits, benchmarks=options.benchmarks, steps=steps
    )


if __name__ == "__main__":
    main()
