"""What can be swept: a question, and its answer for one seed.

To add one, write its function and its row in KINDS; `python -m perflab sweep NAME` has it then.

Rule: a seed in, what came of it out; equal seeds and settings give equal answers, but for `chaos`,
which plays on real processes. Knows nothing of schedulers.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.simulated.detection import detection
from benchmarks.common.simulated.overload import BACK, PATIENCE_S, TRIGGERS, until_as_usual
from perflab.chaos import command as chaos
from perflab.gate.policy import load_policy
from perflab.gate.recording import RecordingError, read
from perflab.gate.replay import calibrate
from perflab.stats.rates import Rate

__all__ = ["KINDS", "SeedOutcome", "SweepKind"]

Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SeedOutcome:
    """What came of one seed."""

    broken: str = ""
    """What is not as it must be; "" if all is."""
    figures: dict[str, float] = field(default_factory=dict)
    """Figures that are summed over seeds, by name."""


def _sums(figures: Mapping[str, float]) -> list[str]:
    return [f"{name}: {value:,.10g}" for name, value in figures.items()]


@dataclass(frozen=True, kw_only=True)
class SweepKind:
    """A question. `at_once` seeds are one task: half a minute of work or so."""

    about: str
    at_once: int
    play: Callable[[int, Settings], SeedOutcome]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    settings: tuple[str, ...]
    """Names of the options that belong to the question."""
    check: Callable[[Settings], object] = dict
    """Raises ValueError, OSError or RuntimeError for settings that no seed can be played with."""
    told: Callable[[Mapping[str, float]], list[str]] = _sums
    """Sums of figures, for people."""


# A simulated network with faults


def _check_sim(settings: Settings) -> None:
    if settings["scenario"]:
        subject.part("sim.explore.scenarios", "draw")(settings["scenario"], 1)


def _play_sim(seed: int, settings: Settings) -> SeedOutcome:
    name_for = subject.part("sim.explore.scenarios", "name_for")
    scenario = subject.part("sim.explore.scenarios", "draw")(
        settings["scenario"] or name_for(seed), seed
    )
    outcome = subject.part("sim.explore.play", "play")(scenario)
    known = subject.part("sim.checkers.known_failures", "known_failure")
    bad = not outcome.ok and known(scenario.name, outcome.broken) is None
    return SeedOutcome(
        broken=f"{scenario.name}: {outcome.broken}: {outcome.text}" if bad else "",
        figures={
            "writes acknowledged": outcome.acknowledged,
            "reads": outcome.read,
            "operations failed": outcome.failed,
            "events": outcome.events,
            "known failures": float(not outcome.ok and not bad),
        },
    )


def _add_sim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scenario", metavar="NAME", help="play this one with every seed (default: as drawn; "
        "python -m p2pcore.sim list names them)"
    )  # fmt: skip


# False removals


def _play_removals(seed: int, settings: Settings) -> SeedOutcome:
    found = detection("pauses", seed, settings["nodes"], minutes=settings["minutes"])
    removals = found["false_removals"]
    return SeedOutcome(
        broken=f"{removals:.0f} false removals" if removals else "",
        figures={"node-hours": found["node_hours"], "false removals": removals},
    )


def _add_removals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=16, help="of each network (%(default)s)")
    parser.add_argument("--minutes", type=int, default=30, help="of each seed (%(default)s)")


def _check_removals(settings: Settings) -> None:
    for name, most in (("nodes", 512), ("minutes", 24 * 60)):
        if not 1 <= settings[name] <= most:
            raise ValueError(f"--{name} takes 1 to {most}, not {settings[name]}")


# Failures that stay


def _play_triggers(seed: int, settings: Settings) -> SeedOutcome:
    trigger = [*TRIGGERS][seed % len(TRIGGERS)]
    found = until_as_usual(seed, trigger)
    back_s, lacking = found["back_s"], found["usual_ppm"] < BACK * 1e6
    stays = back_s >= PATIENCE_S
    return SeedOutcome(
        broken=f"{trigger}: not as before after {PATIENCE_S:g} s" if stays else "",
        figures={
            trigger: 1,
            f"{trigger}: as before within 0.5 s": float(back_s <= 0.5),
            "beyond the capacity before anything went wrong": float(lacking),
            "seconds until as before, in all": back_s,
        },
    )


# Real processes


def _chaos_options(settings: Settings, *more: str) -> argparse.Namespace:
    """What `perflab chaos` makes of the words; it ends the program with 2 for wrong ones."""
    parser = argparse.ArgumentParser(prog="python -m perflab sweep chaos")
    chaos.add_arguments(parser)
    return parser.parse_args([*settings["words"], *more])


def _play_chaos(seed: int, settings: Settings) -> SeedOutcome:
    with tempfile.TemporaryDirectory() as folder:
        options = _chaos_options(settings, "--seed", str(seed), "--out", f"{folder}/run")
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            code = chaos.main(options)
    if code not in (0, 1):
        raise RuntimeError(f"chaos {' '.join(settings['words'])} ended with {code}")
    print(told.getvalue(), file=sys.stderr)
    last = " ".join(told.getvalue().split("\n")[-5:])
    return SeedOutcome(broken=last if code else "", figures={"runs": 1})


def _add_chaos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="SCENARIO …", help="as of `perflab chaos`, with "
        "its options, after all others: --seeds 20 churn --minutes 0.5"
    )  # fmt: skip


# The gate


def _play_gate(seed: int, settings: Settings) -> SeedOutcome:
    policy = load_policy()
    gates, rounds_s = settings["gates"], settings["rounds_s"]
    recording = read(Path(settings["recording"]))
    found = calibrate(recording, policy, "", rounds_s, gates, Random(seed), lambda _: None)
    figures: dict[str, float] = {
        "gates": gates,
        "false alarms": found.alarms["whole"].found,
        "undecided": found.undecided["whole"].found,
    }
    for row in found.power:
        figures[f"{row.kind}, {row.slowdown:.0%} slower: found"] = row.found.found
    return SeedOutcome(figures=figures)


def _check_gate(settings: Settings) -> None:
    try:
        read(Path(settings["recording"]))
    except RecordingError as error:
        raise ValueError(str(error)) from error
    if settings["gates"] < 1 or settings["rounds_s"] <= 0:
        raise ValueError("--gates is 1 or more and --rounds-s above 0")


def _rates(figures: Mapping[str, float]) -> list[str]:
    gates = round(figures.get("gates", 0))
    return [
        f"{name}: {Rate(round(value), gates)} of {gates:,} gates"
        for name, value in figures.items()
        if name != "gates"
    ]


def _add_gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recording", required=True, metavar="FILE", help="of `gate --calibrate`; it has to lie "
        "at this path on every machine"
    )  # fmt: skip
    parser.add_argument(
        "--gates", type=int, default=20, help="replayed with each seed (%(default)s)"
    )
    parser.add_argument(
        "--rounds-s", type=float, default=60, metavar="S", help="what a gate has for its rounds "
        "(%(default)s)"
    )  # fmt: skip


KINDS: dict[str, SweepKind] = {
    "sim": SweepKind(
        about="simulated networks with faults: is every promise kept?",
        at_once=20, play=_play_sim, add_arguments=_add_sim,
        settings=("scenario",), check=_check_sim,
    ),
    "removals": SweepKind(
        about="simulated nodes that stand still for a moment: is any of them given up?",
        at_once=1, play=_play_removals, add_arguments=_add_removals,
        settings=("nodes", "minutes"), check=_check_removals,
    ),
    "triggers": SweepKind(
        about="simulated networks at 70 % of what they can do in which all nodes pause, half of "
        "them start again, or all clients do: is any of them not as before afterwards?",
        at_once=8, play=_play_triggers, add_arguments=lambda parser: None, settings=(),
    ),
    "chaos": SweepKind(
        about="real processes with faults: is every promise kept?",
        at_once=1, play=_play_chaos, add_arguments=_add_chaos,
        settings=("words",), check=_chaos_options,
    ),
    "gate": SweepKind(
        about="gates replayed from a recording: how often are they wrong?",
        at_once=1, play=_play_gate, add_arguments=_add_gate,
        settings=("recording", "gates", "rounds_s"), check=_check_gate, told=_rates,
    ),
}  # fmt: skip
"""By the names that commands call them."""
