"""The closed loop keeps as many in flight as it says, and believes no answer unseen."""

import asyncio

import pytest

from benchmarks.common.workload import Values, WrongValueError, closed_loop


async def test_keeps_the_stated_number_in_flight() -> None:
    now, most = 0, 0

    async def operation(_: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    outcome = await closed_loop(operation, operations=50, in_flight=7)
    assert most == 7
    assert len(outcome.require_clean().latencies_s) == 50
    assert outcome.elapsed_s > 0
    assert outcome.seconds_per_operation == outcome.elapsed_s / 50


async def test_each_operation_runs_once() -> None:
    seen: list[int] = []

    async def operation(number: int) -> None:
        seen.append(number)
        await asyncio.sleep(0)

    await closed_loop(operation, operations=20, in_flight=3)
    assert sorted(seen) == list(range(20))


async def test_counts_errors_by_type_and_goes_on() -> None:
    async def operation(number: int) -> None:
        if number % 2:
            raise KeyError(number)
        if number == 4:
            raise TimeoutError

    outcome = await closed_loop(operation, operations=10, in_flight=2)
    assert outcome.errors == {"KeyError": 5, "TimeoutError": 1}
    assert len(outcome.latencies_s) == 4
    with pytest.raises(RuntimeError, match="'KeyError': 5"):
        outcome.require_clean()


async def test_a_wrong_answer_is_an_error() -> None:
    values = Values(64)

    async def operation(number: int) -> bytes:
        return values.value(number if number != 3 else 4)

    outcome = await closed_loop(operation, operations=6, in_flight=2, check=values.check)
    assert outcome.errors == {"WrongValueError": 1}


def test_values_are_distinct_and_of_their_size() -> None:
    values, later = Values(64), Values(64, edition=1)
    assert len({values.value(n) for n in range(100)} | {later.value(n) for n in range(100)}) == 200
    assert {len(values.value(n)) for n in range(100)} == {64}
    values.check(5, values.value(5))
    for wrong in (values.value(6), values.value(5)[:-1], None, later.value(5)):
        with pytest.raises(WrongValueError, match="record 5"):
            values.check(5, wrong)
    with pytest.raises(ValueError, match="7"):
        Values(7)
