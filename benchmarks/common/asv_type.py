"""An asv benchmark type of our own: a `track_*` with `rounds` is run in so many processes.

Theory of operation. asv's own TrackBenchmark is run once per commit. Whatever one process returns,
hangs together, and asv's test takes it for independent: identical code then differs "significantly"
in a quarter of all cases. asv's timing benchmarks are run in rounds, a fresh process in each, and
`asv continuous` interleaves the rounds of its two commits; but they return the samples of all
processes in one heap. This type has the rounds and hands asv one value of each process, so its
samples are independent. What a process says as `number` (how slow the machine was, see
`benchmarks/common/ruler/pairs.py`) asv passes on to the next round; the largest one is kept.

asv looks through a list for the type of a benchmark. It has an entry point for types in packages of
their own, which would have to be installed for every commit that is measured; so `benchmarks/`
puts ours at the head of the list as soon as asv imports it. asv documents neither: a test holds it.

Rule: standard library only, for asv_runner comes in through `register`; no benchmark is defined
here.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["ROUNDS", "register"]

ROUNDS = 8
"""Of base and of head. asv's test needs p < 0.002, which 6 and 6 values can't reach (2 in 924)."""


def register() -> str:
    """Put the type where asv looks first, once; returns why that can't be done, "" if it was.

    Without it, asv takes one value from one process, and cannot say whether a change is chance.
    """
    try:
        from asv_runner.benchmarks import benchmark_types
        from asv_runner.benchmarks.track import TrackBenchmark
    except ImportError as error:
        return _said(f"asv_runner has changed ({error})")
    if not isinstance(benchmark_types, list) or TrackBenchmark not in benchmark_types:
        return _said("asv_runner has no list of types that TrackBenchmark is in")
    if not any(each.__name__ == "RoundsBenchmark" for each in benchmark_types):
        benchmark_types.insert(0, _type_above(TrackBenchmark))
    return ""


def _said(reason: str) -> str:
    text = f"benchmarks: no rounds for asv, one value from one process instead: {reason}"
    print(text, file=sys.stderr)
    return text


def _one_sample(name: str, value: Any) -> dict[str, Any]:
    """What a process of a benchmark with rounds returned, in asv's form: a number, or one sample
    that already has it."""
    if isinstance(value, dict) and len(value.get("samples", ())) == 1 and "number" in value:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        kind = type(value).__name__
        raise TypeError(f"{name} has rounds: it returns one number, not a {kind}")
    return {"samples": [float(value)], "number": 1}


def _type_above(track_benchmark: Any) -> type:
    class RoundsBenchmark(track_benchmark):  # type: ignore[misc]
        """Asked for its rounds by asv, which reads this attribute from the suite's list."""

        def __init__(self, name: str, func: Any, attr_sources: list[Any]) -> None:
            super().__init__(name, func, attr_sources)
            self._attr_sources = attr_sources
            found = (getattr(source, "rounds", None) for source in attr_sources)
            self.rounds = int(next((each for each in found if each is not None), 1))

        def run(self, *param: Any) -> Any:
            value = super().run(*param)
            if self.rounds == 1:
                return value
            found = _one_sample(self.name, value)
            earlier = (getattr(source, "number", None) for source in self._attr_sources)
            found["number"] = max(found["number"], next(filter(None, earlier), 0))
            return found

    return RoundsBenchmark
