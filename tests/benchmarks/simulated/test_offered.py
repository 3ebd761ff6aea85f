"""What settings are worth at an offered rate, and that wrong answers would be seen."""

from typing import Any

import pytest

from benchmarks.common.simulated.offered import CASES, _Answers, offered

SHORT: dict[str, Any] = {"load": 0.45, "seconds": 0.3}
UNWARY = {"hedge_budget": 0.0, "avoid_outliers": False}


def test_a_calm_network_answers_all_and_rightly() -> None:
    found = offered(1, **SHORT)
    assert found["failed_ppm"] == found["stale"] == found["lost"] == 0
    assert 4 <= found["messages_per_operation"] < 5  # two requests and two answers, a store three
    assert found["work_per_good"] == pytest.approx(1, abs=0.05)
    assert found == offered(1, **SHORT)


def test_settings_reach_nodes_and_clients() -> None:
    assert "slow" in CASES
    wary, unwary = (offered(1, case="slow", **SHORT, of_clients=each) for each in ({}, UNWARY))
    assert unwary["read_s_p99"] > 10 * wary["read_s_p99"]
    few = offered(1, **SHORT, of_clients={"pool_size": 2})
    assert few["messages_per_operation"] > offered(1, **SHORT)["messages_per_operation"] + 0.3
    with pytest.raises(NotImplementedError):
        offered(1, **SHORT, of_clients={"patience": 1})
    with pytest.raises(NotImplementedError):
        offered(1, **SHORT, of_nodes={"patience": 1})


def test_an_overload_without_control_wastes_work() -> None:
    wary, unwary = (
        offered(1, load=2, seconds=0.5, of_clients={"overload_control": each})
        for each in (True, False)
    )
    assert wary["work_per_good"] < 1.1 < 1.3 < unwary["work_per_good"]
    assert 0 < wary["failed_ppm"] < unwary["failed_ppm"]


class _Known:
    """An operation that is over."""

    key, failed, over = "key", False, True

    def __init__(self, kind: str, start_ns: int, end_ns: int, value: bytes) -> None:
        self.kind, self.start_ns, self.end_ns = kind, start_ns, end_ns
        self.value = self.result = value


@pytest.mark.parametrize(
    ("start_ns", "value", "stale"),
    [
        (30, b"1", 1),  # the second was acknowledged before the read began
        (30, b"2", 0),
        (15, b"1", 0),  # the second was on its way
        (15, b"2", 0),
    ],
)
def test_a_read_of_what_was_overwritten_is_stale(start_ns: int, value: bytes, stale: int) -> None:
    answers = _Answers()
    answers.stores["key"] = [_Known("store", 0, 5, b"1"), _Known("store", 10, 20, b"2")]
    assert answers.wrong([_Known("retrieve", start_ns, 40, value)]) == (stale, 0)
