"""Leaks are found, plateaus are passed, and what cannot be told is undecided with its reason."""

import random
from collections.abc import Callable
from itertools import accumulate

import pytest

from perflab.monitor.columns import MetricColumn
from perflab.monitor.leaks import TRACED, WARM, Floors, Growth, find_leaks
from perflab.monitor.record import (
    MetricSeries,
    MonitorRecording,
    ProcessSeries,
    Site,
    Sites,
    TimeMark,
)

RATE = 200.0  # operations per second and process
END_S = 40.0
WARM_S = 4.0
BASE = 50e6


def process(
    memory: Callable[[float], float],
    *,
    name: str = "node",
    number: int = 0,
    signal: str = "rss",
    counted: str = "messages_in",
    rate: float = RATE,
    skip: Callable[[float], bool] = lambda at: False,
) -> ProcessSeries:
    """A process sampled ten times a second, its memory a function of seconds."""
    found = ProcessSeries(number, 100 + number, name, 0.0, {})
    at = [each / 10 for each in range(1, round(END_S * 10)) if not skip(each / 10)]
    found.series[signal] = MetricSeries(
        MetricColumn(signal, "B", "gauge"), at, [memory(t) for t in at]
    )
    if counted:
        column = MetricColumn(counted, "1", "counter")
        found.series[counted] = MetricSeries(column, at, [1000 + rate * t for t in at])
    return found


def recording(*processes: ProcessSeries, end_s: float = END_S) -> MonitorRecording:
    return MonitorRecording(
        name="run.jsonl", wall_ns=0, interval_s=0.1, machine={}, processes=list(processes),
        marks=[TimeMark(WARM_S, WARM)], end_s=end_s, complete=True,
    )  # fmt: skip


def judged(each: ProcessSeries, end_s: float = END_S) -> Growth:
    (growth,) = find_leaks(recording(each, end_s=end_s))
    return growth


def wandering(seed: int, step: float, stay: float) -> Callable[[float], float]:
    """Noise in bytes around the base; `stay` is how much of it the next sample keeps."""
    rng = random.Random(seed)
    steps = [rng.gauss(0, step) for _ in range(round(END_S * 10))]
    values = list(accumulate(steps, lambda value, new: stay * value + new))
    return lambda at: BASE + values[round(at * 10)]


def pages(seed: int) -> Callable[[float], float]:
    """Resident memory of a clean process: more pages now and then, ever more seldom, never less."""
    rng = random.Random(seed)
    grown = [4096 * (rng.random() < 4 / (each + 10)) for each in range(round(END_S * 10))]
    total = list(accumulate(grown))
    return lambda at: BASE + total[round(at * 10)]


def test_a_leak_of_100_bytes_per_operation_is_found() -> None:
    for seed in range(100):
        noise = wandering(seed, 4096, 0.9)
        growth = judged(process(lambda at, noise=noise: noise(at) + 100 * RATE * at))
        assert growth.state == "leak", growth
        slope = growth.bytes_per_operation
        assert slope is not None
        assert 70 < slope.estimate < 130
        assert growth.counted == "messages_in"
        assert growth.bytes_per_second is not None
        assert growth.bytes_per_second.estimate == pytest.approx(slope.estimate * RATE, rel=0.02)


@pytest.mark.parametrize(
    "clean",
    [
        lambda seed: wandering(seed, 20_000, 0.0),
        lambda seed: wandering(seed, 2_000, 0.9),
        lambda seed: wandering(seed, 2_000, 1.0),
        pages,
    ],
    ids=["independent", "AR(1)", "random walk", "pages"],
)
def test_no_false_alarm_in_200_clean_series(clean: Callable[[int], object]) -> None:
    states = [judged(process(clean(seed))).state for seed in range(200)]  # type: ignore[arg-type]
    assert "leak" not in states
    assert states.count("plateau") >= 100  # and it is not silent either


def test_growth_that_ended_in_the_first_half_is_a_plateau() -> None:
    growth = judged(process(lambda at: BASE + 1e6 * min(at, 15)))
    assert growth.state == "plateau"
    assert growth.window_s == (22, 40)


def test_readings_that_stopped_are_not_judged() -> None:
    """A loop that hangs writes no self metrics: its last readings do not stand for the window."""
    growth = judged(process(lambda at: BASE, signal="heap", skip=lambda at: at > 30))
    assert growth.state == "undecided"
    assert "missing" in growth.reason


def test_a_counter_that_was_read_once_counts_nothing() -> None:
    each = process(lambda at: BASE)
    counter = each.series["messages_in"]
    counter.at_s, counter.values = counter.at_s[:1], counter.values[:1]
    assert (judged(each).state, judged(each).counted) == ("plateau", "")


def test_a_step_alone_is_no_leak() -> None:
    assert judged(process(lambda at: BASE + (5e6 if at > 31 else 0))).state == "undecided"
    assert judged(process(lambda at: BASE + (2e4 if at > 31 else 0))).state == "plateau"


def test_spikes_and_a_saw_are_no_leak() -> None:
    assert judged(process(lambda at: BASE + (8e6 if round(at * 10) % 37 == 0 else 0))).state == (
        "plateau"
    )
    saw = process(lambda at: BASE + 3e4 * (at % 0.4))
    assert judged(saw).state == "plateau"


def test_a_stair_is_a_leak() -> None:
    """As an allocator grows: 64 KiB at a time, 100 bytes per operation on the whole."""
    assert judged(process(lambda at: BASE + at * 100 * RATE // 65536 * 65536)).state == "leak"


def test_the_heap_is_judged_where_it_was_counted() -> None:
    each = process(lambda at: BASE, signal="heap")
    each.series["rss"] = process(lambda at: BASE + 1e6 * at).series["rss"]
    growth = judged(each)
    assert (growth.signal, growth.state) == ("heap", "plateau")


def test_without_operations_the_second_counts() -> None:
    growth = judged(process(lambda at: BASE + 20_000 * at, counted=""))
    assert growth.state == "leak"
    assert growth.bytes_per_operation is None
    assert "B/s" in growth.reason
    idle = judged(process(lambda at: BASE + 500 * at, rate=0.0))
    assert (idle.state, idle.counted) == ("plateau", "")


def test_a_stall_does_not_hide_the_operations() -> None:
    each = process(lambda at: BASE + 100 * RATE * min(at, 30) + 100 * RATE * max(0, at - 32))
    counter = each.series["messages_in"]
    counter.values = [1000 + RATE * (min(at, 30) + max(0, at - 32)) for at in counter.at_s]
    growth = judged(each)
    assert growth.bytes_per_operation is not None
    assert growth.bytes_per_operation.estimate == pytest.approx(100, rel=0.05)


def test_the_floor_is_the_callers() -> None:
    each = process(lambda at: BASE + 10 * RATE * at)
    assert judged(each).state == "plateau"
    (growth,) = find_leaks(recording(each), Floors(bytes_per_operation=5))
    assert growth.state == "leak"


def test_missing_samples_are_bridged_while_they_are_few() -> None:
    def leaky(at: float) -> float:
        return BASE + 100 * RATE * at

    assert judged(process(leaky, skip=lambda at: 30 < at < 32)).state == "leak"
    growth = judged(process(leaky, skip=lambda at: 25 < at < 36))
    assert growth.state == "undecided"
    assert "missing" in growth.reason


def test_too_short_a_run_is_undecided() -> None:
    growth = judged(process(lambda at: BASE + 1e6 * at), end_s=30)
    assert growth.state == "undecided"
    assert "13.0 s" in growth.reason


def test_a_restart_is_undecided() -> None:
    first, second = process(lambda at: BASE), process(lambda at: BASE, number=1)
    first.gone_s = 20.0
    for growth in find_leaks(recording(first, second)):
        assert growth.state == "undecided"
        assert "restarted: it was 2 processes" in growth.reason


def test_who_came_late_or_left_early_is_undecided() -> None:
    late, gone = process(lambda at: BASE), process(lambda at: BASE, name="other", number=1)
    late.began_s, gone.gone_s = 25.0, 39.0
    reasons = [growth.reason for growth in find_leaks(recording(late, gone))]
    assert "from 25.0 s on" in reasons[0]
    assert "ended after 39.0 s" in reasons[1]


def test_no_memory_or_a_counter_that_falls_is_undecided() -> None:
    blind = process(lambda at: BASE, signal="threads")
    assert "not read" in judged(blind).reason
    backwards = process(lambda at: BASE)
    backwards.series["messages_in"].values.reverse()
    assert "went down" in judged(backwards).reason


def test_what_was_traced_is_not_judged_but_told() -> None:
    """Tracing itself takes memory: what follows its mark is no figure."""
    leaky = process(lambda at: BASE + 100 * RATE * min(at, 36) + 1e7 * max(0, at - 36))
    run = recording(leaky)
    run.marks.append(TimeMark(36.0, TRACED))
    run.sites.append(Sites(0, 500, (Site("kept.py:3", 50_000, 500),)))
    (growth,) = find_leaks(run)
    assert growth.state == "leak"
    assert growth.window_s == (20, 36)
    assert growth.bytes_per_operation is not None
    assert growth.bytes_per_operation.estimate == pytest.approx(100, rel=0.05)
    assert growth.sites == ((Site("kept.py:3", 50_000, 500), 100.0),)


def test_an_empty_recording_has_nothing_to_judge() -> None:
    assert find_leaks(recording()) == []
