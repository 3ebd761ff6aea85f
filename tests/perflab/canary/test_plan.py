"""Both sides get equal slots, and every write is read in the next one."""

import pytest

from perflab.canary.plan import CanaryPlan, CanaryPlanError, operations

PLAN = CanaryPlan(rate=400, records=100, seed=3)


def test_equal_numbers_make_equal_slots_and_others_do_not() -> None:
    assert operations(PLAN, 5) == operations(PLAN, 5)
    assert operations(PLAN, 5) != operations(PLAN, 7)
    assert operations(PLAN, 5) != operations(CanaryPlan(rate=400, records=100, seed=4), 5)


@pytest.mark.parametrize("reads", [0.5, 0.8, 0.98])
def test_each_write_has_its_record_and_is_read_in_the_next_slot(reads: float) -> None:
    plan = CanaryPlan(rate=400, records=100, reads=reads)
    for number in range(20):
        now, after = operations(plan, number), operations(plan, number + 1)
        assert len(now) == 40
        assert [each.due_ns for each in now] == sorted(each.due_ns for each in now)
        assert all(0 <= each.due_ns < 100_000_000 for each in now)
        written = [each.record for each in now if each.write]
        read = {each.record for each in now if not each.write}
        assert len(set(written)) == len(written) == plan.writes
        assert not read & set(written)
        assert set(written) <= {each.record for each in after if not each.write}


def test_times_are_of_chance() -> None:
    first, second = ([each.due_ns for each in operations(PLAN, number)] for number in (1, 2))
    assert first != second
    assert len(set(first)) > 30


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rate": 5}, "rate is 10 to 20000, not 5"),
        ({"rate": float("nan")}, "not nan"),
        ({"slot_s": 1.0}, "slot_s is 0.02 to 0.5, not 1"),
        ({"reads": 0.4}, "reads is 0.5 to 0.98, not 0.4"),
        ({"warm_up_s": 60}, "less than seconds, which is 60, not 60"),
        ({"rate": 50}, r"10 operations or more, not 50 \* 0.1"),
        ({"records": 50}, "records is 100 or more at this rate, not 50"),
        ({"value_bytes": 8}, "value_bytes is 16 to"),
        ({"timeout_s": 0}, "timeout_s is 0.05 to 30, not 0"),
    ],
)
def test_what_cannot_be_is_refused_with_its_range(changed: dict[str, float], words: str) -> None:
    with pytest.raises(CanaryPlanError, match=words):
        CanaryPlan(**changed)
