"""The closed-loop driver: keeps a number of operations in flight and checks every answer.

A closed loop waits for an answer before it sends the next, so it finds the rate a system
can hold, and its percentiles leave out what would have been sent during a stall. They are for
comparing like with like in one run, never for a promise about latency.

Rule: knows nothing of what an operation does; the same driver runs the subject and the yardstick.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

__all__ = ["Values", "WorkloadOutcome", "WrongValueError", "closed_loop"]

STAMP_BYTES = 8  # the record's number, in front: two records are never equal


class WrongValueError(AssertionError):
    """A value came back that is not the one that was written."""


class Values:
    """Records of a size, made again whenever they are needed instead of being kept.

    `value(n)` differs for every n and every `edition`; its body is random from a fixed seed, so
    that nothing on the way can shrink it.
    """

    def __init__(self, size_bytes: int, edition: int = 0) -> None:
        import random

        if size_bytes < STAMP_BYTES:
            raise ValueError(f"a record needs {STAMP_BYTES} bytes for its number, not {size_bytes}")
        self.size_bytes = size_bytes
        self._edition = edition << 32
        self._body = random.Random(size_bytes).randbytes(size_bytes - STAMP_BYTES)

    def value(self, number: int) -> bytes:
        return (self._edition + number).to_bytes(STAMP_BYTES, "big") + self._body

    def check(self, number: int, answer: object) -> None:
        """Raise WrongValueError unless the answer is byte for byte the record of that number."""
        if answer != self.value(number):
            raise WrongValueError(
                f"record {number} of {self.size_bytes} bytes came back as {str(answer)[:80]}"
            )


@dataclass(frozen=True, kw_only=True)
class WorkloadOutcome:
    """What a closed loop saw.

    `latencies_s` holds the operations that succeeded, in the order of their ends; `errors` counts
    the others by the name of their exception; `cpu_s` is the driver's process only.
    """

    operations: int
    in_flight: int
    elapsed_s: float
    cpu_s: float
    latencies_s: list[float] = field(repr=False)
    errors: dict[str, int]

    @property
    def seconds_per_operation(self) -> float:
        """Elapsed time over operations that succeeded: the reciprocal of the rate."""
        return self.elapsed_s / len(self.latencies_s)

    def require_clean(self) -> WorkloadOutcome:
        """This outcome, if nothing failed; a figure of a run with errors is no figure."""
        if self.errors:
            raise RuntimeError(f"{self.operations} operations gave errors: {self.errors}")
        return self


async def closed_loop(
    operation: Callable[[int], Awaitable[object]],
    *,
    operations: int,
    in_flight: int,
    check: Callable[[int, object], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> WorkloadOutcome:
    """Run operations 0 … operations-1, `in_flight` at a time, and check each answer as it comes.

    An operation that raises, or whose answer the check refuses, is counted and the loop goes on.
    """
    import asyncio  # here, for modules that only want Values are many short processes

    numbers = iter(range(operations))
    latencies: list[float] = []
    errors: Counter[str] = Counter()

    async def one_at_a_time() -> None:
        for number in numbers:
            begin = clock()
            try:
                answer = await operation(number)
                end = clock()
                if check is not None:
                    check(number, answer)
            except Exception as error:  # what failed is part of the result
                errors[type(error).__name__] += 1
            else:
                latencies.append(end - begin)

    cpu, begin = time.process_time(), clock()
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(one_at_a_time())
    return WorkloadOutcome(
        operations=operations,
        in_flight=in_flight,
        elapsed_s=clock() - begin,
        cpu_s=time.process_time() - cpu,
        latencies_s=latencies,
        errors=dict(errors),
    )
