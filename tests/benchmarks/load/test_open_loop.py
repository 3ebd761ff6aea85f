"""The open loop starts on schedule, counts from there, and hides nothing; in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

import pytest

from benchmarks.common.load.alarm import LoopAlarm
from benchmarks.common.load.open_loop import BATCH, Arrivals, Fate, Log, OpenLoop, open_loop
from benchmarks.common.load.schedule import constant
from benchmarks.common.records import summarize
from benchmarks.common.workload import Values, closed_loop
from tests.benchmarks.virtual_time import VirtualLoop, run_virtually

MS = 1_000_000


def run_open(
    operation: Callable[[int], Awaitable[object]],
    due_ns: Iterable[int],
    *,
    loop: VirtualLoop | None = None,
    max_in_flight: int = 1000,
    check: Callable[[int, object], None] | None = None,
) -> Arrivals:
    virtual = loop or VirtualLoop()
    return run_virtually(
        virtual,
        open_loop(
            operation,
            due_ns=due_ns,
            max_in_flight=max_in_flight,
            check=check,
            alarm=lambda ring: LoopAlarm(ring, virtual.now_ns),
        ),
    )


async def takes_a_millisecond(_: int) -> None:
    await asyncio.sleep(0.001)


def test_operations_start_when_they_are_due() -> None:
    due_ns = [0, 0, 5 * MS, 6 * MS, 6 * MS, 1000 * MS]
    done = run_open(takes_a_millisecond, due_ns).require_clean()
    assert list(done.due_ns) == due_ns
    assert done.lags_s == pytest.approx([0.0] * 6, abs=1e-6)
    assert done.latencies_s == pytest.approx([0.001] * 6, abs=1e-6)
    assert done.scheduled == 6
    assert done.missed_ppm == 0
    assert done.elapsed_s == pytest.approx(1.001)


def test_a_stall_shows_in_the_open_loop_and_hides_in_a_closed_one() -> None:
    """100 operations per second for 20 s; the target stands still for one of them."""

    def target(loop: VirtualLoop) -> Callable[[int], Awaitable[None]]:
        async def operation(_: int) -> None:
            if 4.995 <= loop.now_s < 5.995:
                await asyncio.sleep(5.995 - loop.now_s)
            await asyncio.sleep(0.001)

        return operation

    loop = VirtualLoop()
    opened = run_open(target(loop), islice(constant(100), 2000), loop=loop).require_clean()
    loop = VirtualLoop()
    closed = run_virtually(
        loop,
        closed_loop(target(loop), operations=19_000, in_flight=1, clock=loop.time),
    ).require_clean()
    seen, hidden = summarize(opened.latencies_s), summarize(closed.latencies_s)
    # The 100 operations due in that second waited for 995, 985, … 5 ms, and took one more.
    assert seen.p50_s == pytest.approx(0.001, abs=1e-6)
    assert seen.p99_s == pytest.approx(0.796, abs=1e-6)
    assert seen.p999_s == pytest.approx(0.976, abs=1e-6)
    assert sum(latency > 0.002 for latency in opened.latencies_s) == 100
    assert opened.missed_ppm == 0  # they were sent on time: the target was late, not we
    assert hidden.p999_s == pytest.approx(0.001, abs=1e-6)
    assert 0.9 < hidden.max_s < 1.002  # the one operation that it had in flight


def test_what_the_generator_delays_is_counted_as_late_and_as_latency() -> None:
    loop = VirtualLoop()

    async def blocks_the_loop_once(number: int) -> None:
        if number == 3:
            loop.now_s += 0.0055
        await asyncio.sleep(0.001)

    done = run_open(blocks_the_loop_once, islice(constant(1000), 10), loop=loop)
    # 4 … 8 were due while it was blocked, and began when it was over.
    expected_ms = [0, 0, 0, 0, 4.5, 3.5, 2.5, 1.5, 0.5, 0]
    assert [lag * 1000 for lag in done.lags_s] == pytest.approx(expected_ms, abs=0.11)
    assert done.late == 3
    assert done.missed_ppm == 300_000
    assert done.latencies_s[4] == pytest.approx(0.0055, abs=0.00011)
    assert done.dropped == 0


def test_what_exceeds_the_bound_is_dropped_and_counted() -> None:
    most = now = 0

    async def slow(_: int) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.0095)
        now -= 1

    done = run_open(slow, islice(constant(1000), 30), max_in_flight=4)
    assert most == 4
    assert done.dropped == 18  # of each ten, four fly and six find no place
    assert len(done.latencies_s) == len(done.lags_s) == 12
    assert done.missed_ppm == 600_000
    with pytest.raises(RuntimeError, match="18 were dropped with 4 in flight"):
        done.require_clean()


def test_more_than_a_batch_at_once_is_started_all_the_same() -> None:
    done = run_open(takes_a_millisecond, [0] * (3 * BATCH + 1)).require_clean()
    assert len(done.latencies_s) == 3 * BATCH + 1
    assert max(done.lags_s) < 0.001


def test_errors_and_wrong_answers_are_counted_apart() -> None:
    values = Values(64)

    async def operation(number: int) -> bytes:
        await asyncio.sleep(0.001)
        if number == 2:
            raise TimeoutError
        return values.value(number if number != 5 else 6)

    done = run_open(operation, islice(constant(1000), 10), check=values.check)
    assert done.errors == {"TimeoutError": 1, "WrongValueError": 1}
    assert len(done.latencies_s) == 8
    assert len(done.lags_s) == 10
    assert done.missed_ppm == 0
    with pytest.raises(RuntimeError, match="'WrongValueError': 1"):
        done.require_clean()


@pytest.mark.parametrize(
    ("due_ns", "words"),
    [([], "empty schedule"), ([-1], "-1 ns after 0"), ([0, 5, 4], "4 ns after 5")],
)
def test_a_schedule_that_is_none_is_refused(due_ns: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run_open(takes_a_millisecond, due_ns)


def test_a_bound_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        run_open(takes_a_millisecond, [0], max_in_flight=0)


async def test_cancelling_it_cancels_what_is_in_flight() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(_: int) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    run = asyncio.create_task(open_loop(forever, due_ns=[0, 3_600_000_000_000], max_in_flight=1))
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("what", ["due", "ended"])
def test_a_log_that_fails_ends_the_run(what: str) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    log = Noted()
    setattr(log, what, fail)
    loop = VirtualLoop()

    async def run() -> None:
        await OpenLoop(
            takes_a_millisecond,
            due_ns=islice(constant(1000), 50),
            max_in_flight=10,
            log=log,
            alarm=lambda ring: LoopAlarm(ring, loop.now_ns),
        ).run()

    with pytest.raises(OSError, match="no space left"):
        run_virtually(loop, run())
    assert len(log.told) < 5


async def test_it_runs_on_the_real_clock() -> None:
    done = await open_loop(takes_a_millisecond, due_ns=islice(constant(1000), 20), max_in_flight=20)
    done.require_clean()
    assert len(done.latencies_s) == 20
    assert min(done.lags_s) >= 0
    assert min(done.latencies_s) >= 0.0009  # the loop's clock rounds
    assert done.elapsed_s >= 0.019


class Noted(Log):
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def due(self, number: int, due_ns: int, fate: Fate) -> None:
        self.told.append((fate, number, due_ns))

    def ended(
        self, number: int, due_ns: int, begun_ns: int, ended_ns: int, error: Exception | None
    ) -> None:
        self.told.append(("ended", number, due_ns, begun_ns, ended_ns, error))


def test_a_log_is_told_at_once_and_a_schedule_may_begin_later_and_end_early() -> None:
    loop, noted = VirtualLoop(), Noted()

    async def operation(number: int) -> None:
        await takes_a_millisecond(number)
        if number == 2:
            driver.stop()

    async def run() -> float:
        nonlocal driver
        driver = OpenLoop(
            operation,
            due_ns=constant(100),
            max_in_flight=1,
            log=noted,
            alarm=lambda ring: LoopAlarm(ring, loop.now_ns),
            zero_ns=1000 * MS,
        )
        return await driver.run()

    driver: OpenLoop
    assert run_virtually(loop, run()) == pytest.approx(0.021)
    assert loop.now_s == pytest.approx(1.021)
    assert [told[:3] for told in noted.told] == [
        (what, number, number * 10 * MS) for number in range(3) for what in ("begun", "ended")
    ]
    assert driver.scheduled == 3
    assert driver.in_flight == 0


def test_a_loop_that_is_too_slow_misses_what_nobody_waits_for() -> None:
    """Each operation blocks the loop for 10 ms, and one is due every 5 ms."""
    loop, noted = VirtualLoop(), Noted()

    async def operation(_: int) -> None:
        loop.now_s += 0.010

    async def run() -> None:
        await OpenLoop(
            operation,
            due_ns=islice(constant(200), 100),
            max_in_flight=1000,
            log=noted,
            alarm=lambda ring: LoopAlarm(ring, loop.now_ns),
            begin_within_ns=20 * MS,
        ).run()

    run_virtually(loop, run())
    fates = [told[0] for told in noted.told if told[0] != "ended"]
    assert len(fates) == 100
    assert fates.count("missed") > 30
    assert fates.count("begun") > 30
    assert loop.now_s < 0.7  # and not the 1 s that all of them would have taken
