"""Which addresses are those of schedulers."""

import pytest

from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import SchedulerError


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("local:0", "takes 1 to 64 processes, not 0"),
        ("local:65", "takes 1 to 64 processes, not 65"),
        ("local:", "a scheduler is local:N, not 'local:'"),
        ("10.0.0.1:8786", "not '10.0.0.1:8786'"),
    ],
)
def test_others_are_refused(address: str, words: str) -> None:
    with pytest.raises(SchedulerError, match=words):
        open_scheduler(address)


def test_local_seats_are_as_many_as_asked_for() -> None:
    with open_scheduler("local:3") as scheduler:
        assert [seat.name for seat in scheduler.seats] == ["local 0", "local 1", "local 2"]
        assert all(seat.here for seat in scheduler.seats)
        assert len({seat.about()["package"] for seat in scheduler.seats}) == 1
