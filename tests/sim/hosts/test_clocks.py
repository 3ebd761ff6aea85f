from hypothesis import given
from hypothesis import strategies as st

from p2pcore.sim import World
from p2pcore.sim.hosts.clocks import EPOCH_MS, Clock
from tests.sim.tiny import ring

SECOND = 10**9


def test_agrees_with_the_world_by_default() -> None:
    instant = Clock().instant(5 * SECOND)
    assert (instant.mono_ns, instant.wall_ms) == (5 * SECOND, EPOCH_MS + 5000)


@given(
    st.integers(-500_000, 500_000), st.integers(1, 10**15), st.integers(0, 10**15)
)  # fmt: skip
def test_deadlines_are_over_when_they_are_due(drift_ppm: int, start_ns: int, ahead_ns: int) -> None:
    clock = Clock()
    clock.set_drift(drift_ppm, start_ns)
    deadline_ns = clock.mono_ns(start_ns) + ahead_ns
    due_ns = clock.world_ns(deadline_ns)
    assert clock.mono_ns(due_ns) >= deadline_ns
    assert clock.mono_ns(due_ns - 2) <= deadline_ns


def test_drift_begins_where_the_clock_stands() -> None:
    clock = Clock()
    clock.set_drift(100_000, 10 * SECOND)
    assert clock.mono_ns(10 * SECOND) == 10 * SECOND
    assert clock.mono_ns(20 * SECOND) == 21 * SECOND
    clock.set_drift(0, 20 * SECOND)
    assert clock.mono_ns(25 * SECOND) == 26 * SECOND


def test_a_jump_moves_the_time_of_day_alone() -> None:
    clock = Clock()
    clock.wall_offset_ms = -7000
    instant = clock.instant(9 * SECOND)
    assert (instant.mono_ns, instant.wall_ms) == (9 * SECOND, EPOCH_MS + 2000)


def test_a_fast_clock_wakes_its_process_more_often() -> None:
    said = []
    for drift_ppm in (0, 500_000):
        world = World()
        processes = ring(world, 2)
        if drift_ppm:
            processes[0].drift(drift_ppm)
        world.run(60)
        said.append(processes[0].machine._said)
    assert said[1] > 1.2 * said[0]
