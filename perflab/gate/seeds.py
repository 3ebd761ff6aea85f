"""What a gate plays under seeds: situations of a static swarm, and simulated networks.

The swarm counts messages, bytes and calls of events that chance has a part in, what is sent in
situations in which time passes, and how long changes take in virtual time. The networks (of the
commit's own simulator) say what is asked where nobody knows everybody, and how long operations take
in virtual time (the median): a longer wait shows there, and in no count and no processor time.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from benchmarks.common.counting.count_lab import CountLab
from benchmarks.common.counting.situation_lab import SituationLab
from benchmarks.common.simulated.lab import Question, play_one
from perflab.gate.counts import Job, Sheets, complete, note, side_by_side
from perflab.gate.judge import suspects
from perflab.gate.policy import Policy
from perflab.gate.record import Kind
from perflab.gate.recorder import HasMeasured

__all__ = [
    "PLAYS",
    "SEEDED_METRICS",
    "Play",
    "decide_seeds",
    "most_seeds",
    "play_seed",
    "take_seeds",
]

COUNTED = ("messages", "bytes", "python_calls", "c_calls")
SWARM = 8  # nodes
QUESTIONS = {
    "upkeep": ("upkeep",),
    "visit": ("join", "upkeep_after_join"),
    "visit_with_records": ("take_over", "leave"),
}
EVENT_METRICS = tuple(
    f"events.{what}.{event}.{SWARM}"
    for what in COUNTED
    for events in QUESTIONS.values()
    for event in events
)
NETWORK = 64  # nodes
FIGURES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    # The network, what is asked of it, and which of its figures the gate takes.
    "operations": (
        {"lookups": 192, "per_client": 8},
        {
            f"simulated.messages.lookup.{NETWORK}": "lookup_messages",
            f"simulated.messages.store.{NETWORK}": "store_messages",
            f"simulated.messages.retrieve.{NETWORK}": "retrieve_messages",
            f"simulated.bytes.store.{NETWORK}": "store_bytes",
            f"simulated.bytes.retrieve.{NETWORK}": "retrieve_bytes",
            f"simulated.seconds.lookup.{NETWORK}": "lookup_s_p50",
        },
    ),
    # Between regions, where a round trip more, or an answer waited for, is most of the time.
    "distant": (
        {"per_client": 16},
        {
            f"simulated.seconds.store.{NETWORK}": "store_s_p50",
            f"simulated.seconds.retrieve.{NETWORK}": "retrieve_s_p50",
        },
    ),
    "joins": ({}, {f"simulated.seconds.join.{NETWORK}": "join_s_p50"}),
    # One of eight nodes is not well: a standing trouble that ordering sees to, and one of moments
    # that only hedges do. The P99 of reads around a fault is in none of the above.
    "far replica": (
        {"play": "tail", "fault": "far", "nodes": SWARM},
        {f"simulated.seconds.read_far.{SWARM}": "retrieve_s_p99"},
    ),
    "stuttering replica": (
        {"play": "tail", "fault": "stutter", "nodes": SWARM},
        {f"simulated.seconds.read_stutter.{SWARM}": "retrieve_s_p99"},
    ),
    # Twice what the nodes can do: messages for each request of what was served in time, and the P99
    # of that.
    "overload": (
        {"times": 2, "nodes": SWARM},
        {
            f"simulated.messages.overload.{SWARM}": "sent_per_needed",
            f"simulated.seconds.overload.{SWARM}": "good_s_p99",
        },
    ),
}
SITUATIONS = {
    # What is asked about each: what is sent, and how long a change takes.
    "upkeep": ("traffic.messages.upkeep_with_records", "traffic.bytes.upkeep_with_records"),
    "mixed": ("traffic.messages.mixed", "traffic.bytes.mixed"),
    "stale": (
        "traffic.messages.stale",
        "traffic.bytes.stale",
        "changes.seconds.ready",
        "changes.seconds.handed_over",
    ),
    "away": (
        "traffic.messages.away",
        "traffic.bytes.away",
        "traffic.asked.away",
        "changes.dials.away",
        "changes.seconds.back",
    ),
    "lost": ("changes.seconds.copies",),
}
FIRST_SEEDS = range(4)  # a change that shows under none of them is none
NEXT_SEED = 100  # of those that what has moved is played again under


@cache  # whoever tries many heads has one base
def _events(core: str, seed: int) -> dict[str, float]:
    with CountLab(SWARM, "calls", seed, core) as lab:
        found = lab.count(QUESTIONS)
    return {
        f"events.{what}.{event}.{SWARM}": counts[what]
        for event, counts in found.items()
        for what in COUNTED
    }


@cache
def _simulated(scenario: str, core: str, seed: int) -> dict[str, float]:
    arguments, names = FIGURES[scenario]
    question: Question = {"play": scenario, "nodes": NETWORK, "seed": seed, **arguments}
    figures = play_one(question, core)
    return {name: figures[figure] for name, figure in names.items() if figure in figures}


@cache
def _situation(name: str, core: str, seed: int) -> dict[str, float]:
    with SituationLab(core) as lab:
        figures = lab.play(name, seed)
    kept = {metric: metric.partition(".")[2] for metric in SITUATIONS[name]}
    return {
        f"{metric}.{SWARM}": figures[figure] for metric, figure in kept.items() if figure in figures
    }


@dataclass(frozen=True, slots=True)
class Play:
    """What is found together, in a process of its own for each seed and side."""

    title: str
    metrics: tuple[str, ...]
    find: Callable[[str, int], dict[str, float]]
    """Those that the p2pcore in this directory can do, under this seed. Raises ChildError."""


PLAYS = (
    Play("who comes and goes", EVENT_METRICS, _events),
    *(
        Play(
            f"the situation {name}",
            tuple(f"{metric}.{SWARM}" for metric in metrics),
            partial(_situation, name),
        )
        for name, metrics in SITUATIONS.items()
    ),
    *(
        Play(f"simulated {scenario}", tuple(names), partial(_simulated, scenario))
        for scenario, (_, names) in FIGURES.items()
    ),
)
SEEDED_METRICS = tuple(name for play in PLAYS for name in play.metrics)


def take_seeds(
    sheets: Sheets,
    cores: Sequence[str],
    policy: Policy,
    time_left: Callable[[], bool],
    progress: Callable[[str], None],
) -> None:
    """Every one of SEEDED_METRICS that is wanted."""

    def measure(plays: Sequence[Play], seeds: Sequence[int], stage: int) -> None:
        for play in plays:
            if any(map(sheets[0].wanted, play.metrics)):
                many = f"{play.title} under {len(seeds)}{' fresh' * stage} seeds"
                progress(f"playing {many}{' again' * stage}")
                _take(sheets, cores, play, seeds, stage, time_left)

    decide_seeds(sheets, policy, measure)


def decide_seeds(
    sides: tuple[HasMeasured, HasMeasured],
    policy: Policy,
    measure: Callable[[Sequence[Play], Sequence[int], int], None],
) -> None:
    """All under a few seeds first; where something has moved, under fresh ones until it is clear.

    `measure` adds the figures of both sides of these plays under these seeds to this stage.
    """
    measure(PLAYS, FIRST_SEEDS, 0)
    base, head = sides
    begin = NEXT_SEED
    for count in policy.rounds_again():
        moved = set(suspects(base.measured(), head.measured(), policy))
        plays = [play for play in PLAYS if moved.intersection(play.metrics)]
        if not plays:
            return
        measure(plays, range(begin, begin + count), 1)
        begin += count


def most_seeds(policy: Policy) -> int:
    """How many seeds `decide_seeds` takes at most, of each side."""
    return len(FIRST_SEEDS) + sum(policy.rounds_again())


def play_seed(core: str, seed: int) -> dict[str, float]:
    """Every one of SEEDED_METRICS that this p2pcore can do, under one seed. Raises ChildError."""
    return {name: value for play in PLAYS for name, value in play.find(core, seed).items()}


def _take(
    sheets: Sheets,
    cores: Sequence[str],
    play: Play,
    seeds: Sequence[int],
    stage: int,
    time_left: Callable[[], bool],
) -> None:
    jobs: list[Job] = [
        ((side, seed), partial(play.find, core, seed))
        for seed in seeds
        for side, core in enumerate(cores)
    ]
    found = side_by_side(jobs, time_left)
    whole = complete(found, seeds)
    if stage and not whole:
        return  # no time: what was said before stands
    for side, sheet in enumerate(sheets):
        results: list[Any] = [found[side, seed] for seed in whole or seeds]
        # One seed that failed fails all: the rounds of base and head must stay pairs.
        results = next(([each] for each in results if isinstance(each, Exception)), results)
        for name in play.metrics:
            for result in results:
                note(sheet, name, Kind.SEEDED, name.split(".")[1], result, stage)
