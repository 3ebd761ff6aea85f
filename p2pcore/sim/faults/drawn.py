"""Faults drawn by chance: what a sweep over seeds does to its worlds.

Rule: a plan is a list of faults, plain data. Leave some out, and the others stay as they were: so a
plan that breaks something can be made smaller.
"""

from collections.abc import Callable, Sequence

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.byzantine import BEHAVIOURS
from p2pcore.sim.faults.kinds import (
    DISK_TROUBLES,
    FAULTS,
    Blackout,
    Byzantine,
    Churn,
    ClockJump,
    Crash,
    DiskTrouble,
    Distance,
    Drift,
    Exhaustion,
    Fault,
    FlashCrowd,
    Loss,
    Mobile,
    Partition,
    Pause,
    Slowness,
    Stutter,
)
from p2pcore.sim.streams import Stream

__all__ = ["draw_faults"]


def draw_faults(
    rng: Stream, *, count: int, within_s: float, kinds: Sequence[str] = tuple(FAULTS)
) -> list[Fault]:
    """So many faults of these kinds, each of which begins and ends `within_s`, earliest first. Only
    a crash may last.

    Args:
        rng: `world.stream("plan")`, say.
        count: how many.
        within_s: from when they are applied; at least 1.
        kinds: names from FAULTS.

    Raises:
        ConfigError: there is no such kind, or too little time.
    """
    for kind in kinds:
        if kind not in _DRAWS:
            raise ConfigError(f"a kind is one of {', '.join(FAULTS)}, not {kind!r}")
    if within_s < 1:
        raise ConfigError(f"within_s must be at least 1, not {within_s!r}")
    faults = []
    for _ in range(count):
        kind = rng.choice(kinds)
        at_s = _ms(rng, 0, 0.8 * within_s)
        for_s = _ms(rng, 0.1, within_s - at_s)
        faults.append(_DRAWS[kind](rng, at_s, for_s))
    return sorted(faults, key=lambda fault: fault.at_s)


def _ms(rng: Stream, low_s: float, high_s: float) -> float:
    """A time in whole milliseconds: it is to be read, and written down again."""
    return round(rng.uniform(low_s, high_s), 3)


def _scale(rng: Stream, low: int, high: int) -> int:
    """A number whose order of magnitude is even between these."""
    number: float = low * (high / low) ** rng.random()
    return round(number)


def _signed(rng: Stream, number: int) -> int:
    return number if rng.below(2) else -number


def _partition(rng: Stream, at_s: float, for_s: float) -> Fault:
    share = round(rng.uniform(0.1, 0.5), 2)
    return Partition(at_s=at_s, for_s=for_s, share=share, one_way=rng.below(4) == 0)


def _crash(rng: Stream, at_s: float, for_s: float) -> Fault:
    stays = rng.below(3) == 0
    power, disk = bool(rng.below(2)), bool(rng.below(2))
    return Crash(at_s=at_s, for_s=0 if stays else for_s, power=power, disk=disk)


def _churn(rng: Stream, at_s: float, for_s: float) -> Fault:
    return Churn(at_s=at_s, for_s=for_s, session_s=float(_scale(rng, 20, 2000)))


_DRAWS: dict[str, Callable[[Stream, float, float], Fault]] = {
    "partition": _partition,
    "crash": _crash,
    "pause": lambda rng, at_s, for_s: Pause(at_s=at_s, for_s=min(for_s, _ms(rng, 0.1, 20))),
    "slowness": lambda rng, at_s, for_s: Slowness(
        at_s=at_s, for_s=for_s, times=_scale(rng, 2, 1000)
    ),
    "exhaustion": lambda rng, at_s, for_s: Exhaustion(at_s=at_s, for_s=for_s),
    "clock-jump": lambda rng, at_s, for_s: ClockJump(
        at_s=at_s, for_s=for_s, jump_ms=_signed(rng, _scale(rng, 10, 3_600_000))
    ),
    "drift": lambda rng, at_s, for_s: Drift(
        at_s=at_s, for_s=for_s, drift_ppm=_signed(rng, _scale(rng, 1, 1000))
    ),
    "churn": _churn,
    "flash-crowd": lambda rng, at_s, for_s: FlashCrowd(
        at_s=at_s, for_s=for_s, count=_scale(rng, 2, 16), clients=bool(rng.below(2))
    ),
    "stutter": lambda rng, at_s, for_s: Stutter(
        at_s=at_s, for_s=for_s, pause_ms=_scale(rng, 10, 900)
    ),
    "distance": lambda rng, at_s, for_s: Distance(
        at_s=at_s, for_s=for_s, extra_ms=_scale(rng, 1, 100)
    ),
    "loss": lambda rng, at_s, for_s: Loss(
        at_s=at_s, for_s=for_s, loss_ppm=_scale(rng, 1000, 900_000), one_way=bool(rng.below(2))
    ),
    "mobile": lambda rng, at_s, for_s: Mobile(
        at_s=at_s, for_s=for_s, sleep_ms=_scale(rng, 100, 9000), moves=rng.below(3)
    ),
    "byzantine": lambda rng, at_s, for_s: Byzantine(
        at_s=at_s, for_s=for_s, behaviour=rng.choice(BEHAVIOURS)
    ),
    "blackout": lambda rng, at_s, for_s: Blackout(at_s=at_s, for_s=for_s),
    "disk": lambda rng, at_s, for_s: DiskTrouble(
        at_s=at_s, for_s=for_s, trouble=rng.choice(DISK_TROUBLES), times=_scale(rng, 2, 1000)
    ),
}
