"""Alarms ring once the time has come, at once when it has passed, and never when closed."""

import asyncio
import sys
from collections.abc import Callable

import pytest

from benchmarks.common import subject
from benchmarks.common.load import alarm as alarm_module
from benchmarks.common.load.alarm import Alarm, KernelAlarm, LoopAlarm, sharpest_alarm
from benchmarks.common.loops import running_loop

linux = pytest.mark.skipif(sys.platform != "linux", reason="a timer of the Linux kernel")
KINDS = [LoopAlarm, pytest.param(KernelAlarm, marks=linux)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", sorted({"asyncio", subject.default_loop()}))
def test_it_rings(kind: Callable[[Callable[[], None]], Alarm], loop: str) -> None:
    async def main() -> None:
        rung = asyncio.Event()
        alarm = kind(rung.set)
        for wait_ns in (2_000_000, 0, -5_000_000_000):
            due_ns = alarm.now_ns() + wait_ns
            while alarm.now_ns() < due_ns or not rung.is_set():  # early is allowed
                rung.clear()
                alarm.set(due_ns)
                await rung.wait()
            rung.clear()
        alarm.set(alarm.now_ns())
        alarm.close()
        alarm.close()
        for _ in range(10):  # turns of the loop; it would have rung in the first
            await asyncio.sleep(0)
        assert not rung.is_set()

    with running_loop(loop) as runner:
        runner.run(asyncio.wait_for(main(), 30))


@linux
async def test_setting_it_anew_forgets_the_old_time() -> None:
    rings: list[int] = []
    rung = asyncio.Event()

    def ring() -> None:
        rings.append(alarm.now_ns())
        rung.set()

    alarm = KernelAlarm(ring)
    begin_ns = alarm.now_ns()
    alarm.set(begin_ns + 1)
    alarm.set(begin_ns + 3_000_000)
    await rung.wait()
    alarm.close()
    assert len(rings) == 1
    assert rings[0] >= begin_ns + 3_000_000


async def test_a_system_without_kernel_timers_has_the_loops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without(ring: Callable[[], None]) -> Alarm:
        raise AttributeError("timerfd_create")

    monkeypatch.setattr(alarm_module, "KernelAlarm", without)
    assert isinstance(sharpest_alarm(lambda: None), LoopAlarm)
