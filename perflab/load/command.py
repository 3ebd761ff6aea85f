"""`python -m perflab load`: offer a network a load, at its own times, and write down what came.

Rule: reads options, prints, decides on exit codes; the run is `run.py`'s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from msgspec import structs, to_builtins

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.load.mix import DISTRIBUTIONS
from benchmarks.common.records import LoopKind, filed
from benchmarks.common.swarm import SwarmError
from perflab.cluster.options import add_scheduler_arguments, scheduler_of
from perflab.cluster.scheduler import Scheduler, SchedulerError
from perflab.load.critical_path import path_of, told
from perflab.load.faults import needs_relay
from perflab.load.figures import figures, judged
from perflab.load.find_capacity import Slo, find_capacity
from perflab.load.live import LiveView
from perflab.load.openmetrics import write_openmetrics
from perflab.load.patterns import OWN_FIELDS, PATTERNS
from perflab.load.plan import LoadPlan
from perflab.load.record import OUTCOMES, FaultResult, LoadRecord, LoadRecordError
from perflab.load.replay import ScenarioError
from perflab.load.run import LoadRun
from perflab.load.scenario import Load, LoadScenario, read_scenario, scenario_of, shipped
from perflab.load.shared_run import SharedRun
from perflab.load.target import (
    LoadTargetError,
    Nobody,
    RunningNetwork,
    StartedSwarm,
    Target,
    network_of_key_file,
)
from perflab.load.view import PlainView, View
from perflab.processes.fleet import SlowError
from perflab.results.checkout import Source, source_of

__all__ = ["INCOMPLETE", "add_arguments", "conclude", "main"]

INCOMPLETE = 4  # the exit code of a run that lost a share
SEARCHED = "sustained-100"  # whose operations --find-capacity takes where nothing is said


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `load`."""
    parser.usage = "python -m perflab load [SCENARIO | --pattern NAME ...] [options]"
    parser.add_argument(
        "scenario",
        nargs="?",
        metavar="SCENARIO",
        help=f"a TOML file, or one that is shipped: {', '.join(shipped())}",
    )
    parser.add_argument("--list", action="store_true", help="say what the shipped scenarios are")
    _add_pattern(parser.add_argument_group("a scenario by options, instead of a file"))
    load = parser.add_argument_group("what is asked (goes before the scenario's own)")
    load.add_argument("--mix", help="YCSB's A to F, or weights: store=1,retrieve=3,delete=0.5")
    load.add_argument("--distribution", choices=DISTRIBUTIONS, help="how records are chosen")
    load.add_argument("--records", type=int, metavar="N", help="stored before the clock starts")
    load.add_argument(
        "--value-bytes", metavar="N,…", help="sizes of values; of several, each record has one"
    )
    load.add_argument("--clients", type=int, metavar="N", help="processes that generate the load")
    load.add_argument("--max-in-flight", type=int, metavar="N", help="per process; more is dropped")
    load.add_argument("--timeout-s", type=float, metavar="S", help="deadline of an operation")
    load.add_argument(
        "--trace-every", type=int, metavar="N", help="follow one operation in N through its "
        "stages (default: 25; 0: none)"
    )  # fmt: skip
    load.add_argument("--seed", type=int, help="decides all that is by chance")
    _add_target(parser.add_argument_group("of whom"))
    add_scheduler_arguments(parser, "where the load is generated, a share of it on each")
    capacity = parser.add_argument_group("the capacity")
    capacity.add_argument(
        "--find-capacity", action="store_true", help="search the highest rate that keeps the SLO, "
        f"with this scenario's operations (default: {SEARCHED}); its phases and faults do not count"
    )  # fmt: skip
    capacity.add_argument(
        "--slo-p99-ms", type=float, default=200.0, metavar="MS", help="(default: 200)"
    )
    capacity.add_argument(
        "--slo-success", type=float, default=0.99, metavar="SHARE", help="(default: 0.99)"
    )
    capacity.add_argument(
        "--from-rate", type=float, default=200.0, metavar="X", help="the first (default: 200)"
    )
    parser.add_argument(
        "--loop", choices=get_args(LoopKind), help="event loop (default: uvloop where it exists)"
    )
    parser.add_argument("--plain", action="store_true", help="lines, in a terminal too")
    parser.add_argument(
        "--openmetrics", type=Path, metavar="FILE", help="write the run for Prometheus, too: "
        "promtool tsdb create-blocks-from openmetrics FILE makes blocks of it"
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the record goes (default: "
        ".asv/load/MACHINE/COMMIT-SCENARIO-TIME); it must not exist"
    )  # fmt: skip


def _add_target(target: Any) -> None:
    target.add_argument("--nodes", type=int, metavar="N", help="size of the swarm that is started")
    target.add_argument(
        "--durability", choices=["memory", "buffered", "synced"], help="of that swarm: where "
        "records are, and when a replica says so (default: memory)"
    )  # fmt: skip
    target.add_argument(
        "--target", action="append", metavar="HOST:PORT", help="a running network instead; again "
        "for more of its members; records called load-0, load-1, … are written there. null: "
        "nobody, to measure the generator"
    )  # fmt: skip
    target.add_argument(
        "--network-key-file", type=Path, metavar="FILE", help="the key of that network"
    )


def _add_pattern(group: Any) -> None:
    """The options that patterns have, as their classes say them."""
    group.add_argument("--pattern", metavar="NAME", help=", ".join(PATTERNS))
    for name, annotated in OWN_FIELDS.items():
        kind, *notes = get_args(annotated)
        words = next(note.description for note in notes if note.description)
        flag = f"--{name.replace('_', '-')}"
        if kind is bool:
            group.add_argument(flag, action="store_true", default=None, help=words)
        else:
            metavar = {float: "X", int: "N", str: "FILE"}.get(kind, "X,…")
            typed = kind if kind in (float, int) else str
            group.add_argument(flag, type=typed, metavar=metavar, help=words)


def main(options: argparse.Namespace, root: Path) -> int:
    """Run it; 0 done, 1 the run failed, 2 bad input or nothing measured, 4 a share is missing, 130
    interrupted."""
    if options.list:
        for name in shipped():
            print(f"{name:16} {read_scenario(name).about}")
        return 0
    try:
        scheduler = scheduler_of(options)
        scenario = _scenario(options)
        if scheduler is not None and (options.clients or options.find_capacity):
            raise SchedulerError("--scheduler says how many clients there are, and makes one run: "
                                 "neither --clients nor --find-capacity")  # fmt: skip
        source = source_of(Path(subject.core_dir()))
        plan = LoadPlan(
            scenario=scenario,
            directory=_directory(options.out, scenario, source, root),
            loop=options.loop or subject.default_loop(),
            command=" ".join(["python -m perflab", *sys.argv[1:]]),
            source=source,
        )
        target = _target(options, plan)
        if options.find_capacity:
            if options.openmetrics:
                raise ScenarioError("--openmetrics is of one run, not of a search for the capacity")
            return _capacity(options, plan, target)
        live = sys.stdout.isatty() and not options.plain
        view = LiveView() if live else PlainView()
        record = _run(plan, target, view) if scheduler is None else (
            _run_shares(plan, target, view, scheduler))  # fmt: skip
        if options.openmetrics:
            write_openmetrics(record, options.openmetrics)
    except (
        ScenarioError, LoadTargetError, LoadRecordError, ChildError, SchedulerError, SwarmError,
        SlowError, OSError,
    ) as error:  # fmt: skip
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    return conclude(record)


def _run(plan: LoadPlan, target: Target, view: View) -> LoadRecord:
    view.say(f"{plan.scenario.name}: {plan.scenario.about or 'by options'}")
    with target:
        view.say(f"target: {target.name} {', '.join(target.addresses[:3])}")
        plan.directory.mkdir(parents=True)
        return LoadRun(plan, target, view).run()


def _run_shares(plan: LoadPlan, target: Target, view: View, scheduler: Scheduler) -> LoadRecord:
    view.say(f"{plan.scenario.name}: {plan.scenario.about or 'by options'}")
    with scheduler, target:
        seats = len(scheduler.seats)
        view.say(f"target: {target.name} {', '.join(target.addresses[:3])}; {seats} shares on "
                 f"{scheduler.name}")  # fmt: skip
        load = structs.replace(plan.scenario.load, clients=seats)
        plan = replace(plan, scenario=structs.replace(plan.scenario, load=load))
        plan.directory.mkdir(parents=True)
        return SharedRun(plan, target, view, scheduler).run()


def _capacity(options: argparse.Namespace, plan: LoadPlan, target: Target) -> int:
    slo = Slo(p99_ms=options.slo_p99_ms, success=options.slo_success)
    if not (slo.p99_ms > 0 and 0 < slo.success <= 1 and options.from_rate >= 1):
        raise ScenarioError(
            f"--slo-p99-ms is above 0, --slo-success above 0 up to 1 and --from-rate 1 or more, "
            f"not {slo.p99_ms:g}, {slo.success:g} and {options.from_rate:g}"
        )
    with target:
        plan.directory.mkdir(parents=True)
        found = find_capacity(plan, target, slo, options.from_rate, print)
    words = "no rate keeps" if found.rate is None else f"{found.rate:,.0f} operations/s keep"
    print(f"{words} P99 <= {slo.p99_ms:g} ms and success >= {slo.success:.2%}: {found.stopped}")
    if found.generator_bound:
        print("the generator was the limit, and the target may do more: --clients")
    print(f"record: {plan.directory}")
    if found.rate is None:
        return 2 if found.generator_bound else 1
    return 0


def conclude(record: LoadRecord) -> int:
    """Say what came of a run; the exit code (see `main`)."""
    for line in _summary(record):
        print(line)
    result = record.result
    assert result is not None
    print(f"record: {record.directory}")
    if result.end == "broken":
        print(f"error: {_one_line(result.message)}", file=sys.stderr)
        return 2
    if result.end == "interrupted":
        return 130
    if result.end == "incomplete":
        return INCOMPLETE
    if result.records_lost:
        return 1  # what was lost is lost, whatever else the run is worth
    if result.generator_bound:
        return 2
    if result.not_recovered:
        return 1
    return 0 if all(fault.judged for fault in result.faults) else 2


def _summary(record: LoadRecord) -> list[str]:
    result = record.result
    rows = judged(record)
    if not len(rows) or result is None:
        return ["nothing was measured"]
    warm_s = sum(
        end_s - begin_s
        for phase, (_, begin_s, end_s) in zip(
            record.manifest.scenario["phase"], record.manifest.phases, strict=True
        )
        if phase["warm_up"]
    )
    seconds = min(record.manifest.phases[-1][2], result.elapsed_s) - warm_s
    found = figures(rows, record.errors, seconds)
    bad = {name: getattr(found, name) for name in OUTCOMES if name != "ok"}
    errors = ", ".join(f"{name} {count}" for name, count in found.errors.items())
    times = "  ".join(
        f"{name} {'-' if value is None else f'{value * 1e3:.2f}'}"
        for name, value in found.latency_s.items()
    )
    lines = [
        f"asked {found.rate_asked:,.1f}/s, reached {found.rate_reached:,.1f}/s; "
        f"{found.ok:,} of {found.scheduled:,} succeeded ({found.success:.3%})",
        f"latency from the due time, ms: {times}"
        + (" (INCOMPLETE: of what is here)" if result.missing else ""),
        ", ".join(f"{name} {count}" for name, count in bad.items())
        + (f" ({errors})" if errors else ""),
        f"the generator: {found.late} starts late by more than 2 ms, P99 of the lag "
        f"{found.lag_p99_s * 1e3:.2f} ms, at most {found.lag_max_s * 1e3:.1f} ms",
    ]  # fmt: skip
    path = path_of(record)
    lines += told(path) if path is not None else []
    lines += [] if result.generator_bound else [_told(fault) for fault in result.faults]
    if result.records_lost is not None:
        lines.append(
            f"{result.records_lost} of {result.records_acknowledged} acknowledged records lost"
        )
    lines += [f"MISSING: {each}" for each in result.missing]
    if result.generator_bound:
        lines.append("GENERATOR-BOUND, no verdict may use this: " + "; ".join(
            result.generator_reasons))  # fmt: skip
    return lines


def _told(fault: FaultResult) -> str:
    def seconds(value: float | None) -> str:
        return "never" if value is None else f"after {value:.1f} s"

    if not fault.judged:
        return f"NOT JUDGED {fault.kind} at {fault.at_s:.1f} s: {fault.reason}"
    healed = "" if fault.healed_s is None else f", healed {seconds(fault.healed_s)}"
    return (
        f"{'' if fault.recovered else 'NOT RECOVERED '}{fault.kind} at {fault.at_s:.1f} s{healed}: "
        f"noticed by the nodes: {seconds(fault.seen_by_nodes_s)}, by clients: "
        f"{seconds(fault.seen_by_clients_s)}; served as before: {seconds(fault.recovered_s)}"
        + ("" if fault.healed_s is None
           else f", from the heal on {seconds(fault.recovered_after_heal_s)}")
        + f"; {fault.operations_lost} operations lost ({fault.reason})"
    )  # fmt: skip


def _scenario(options: argparse.Namespace) -> LoadScenario:
    """The one that was asked for, with the options in place of its own words."""
    phase = _given(options, OWN_FIELDS)
    own = bool(options.pattern or phase)
    if options.scenario and own:
        raise ScenarioError("a scenario by name, or one by options such as --pattern, not both")
    name = options.scenario or (SEARCHED if options.find_capacity and not own else None)
    if not name and not options.pattern:
        raise ScenarioError(f"which scenario? one of {', '.join(shipped())}, a file, or --pattern")
    if name:
        table = to_builtins(read_scenario(name))
    else:
        if "rates" in phase:
            phase["rates"] = _numbers("--rates", options.rates)
        table = {"name": options.pattern, "phase": [{"pattern": options.pattern, **phase}]}
    load = dict(table.get("load", {})) | _given(options, Load.__struct_fields__)
    if options.mix and "=" in options.mix:
        load["mix"] = _weights(options.mix)
    if options.value_bytes is not None:
        load["value_bytes"] = [int(size) for size in _numbers("--value-bytes", options.value_bytes)]
    return scenario_of(table | _given(options, ("seed", "nodes")) | {"load": load})


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the options that were given; 0 is."""
    found = {name: getattr(options, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _numbers(name: str, text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError:
        raise ScenarioError(f"{name} is numbers with commas between, not {text!r}") from None


def _weights(text: str) -> Mapping[str, float]:
    pairs = [each.partition("=") for each in text.split(",")]
    return {name.strip(): _numbers("--mix", weight)[0] for name, _, weight in pairs}


def _directory(out: Path | None, scenario: LoadScenario, source: Source, root: Path) -> Path:
    directory = out or filed(root, "load", source.commit, scenario.name)
    if directory.exists():
        raise ScenarioError(f"{directory} is there already; --out names another directory")
    return directory


def _target(options: argparse.Namespace, plan: LoadPlan) -> Target:
    if options.network_key_file and not options.target:
        raise LoadTargetError("--network-key-file is for a running network: --target HOST:PORT")
    if not options.target:
        scenario = plan.scenario
        return StartedSwarm(
            scenario.nodes,
            plan.loop,
            relayed=needs_relay(scenario),
            seed=scenario.seed,
            keeping=options.durability or "memory",
        )
    if options.nodes or options.durability or plan.scenario.fault:
        text = "a running network has its own nodes: neither --nodes, --durability nor faults"
        raise LoadTargetError(text)
    if options.target == ["null"]:
        return Nobody()
    if not options.network_key_file:
        raise LoadTargetError("--target needs --network-key-file")
    return RunningNetwork(options.target, network_of_key_file(options.network_key_file))


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
