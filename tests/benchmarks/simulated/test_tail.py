"""The scenario of the suite `tail`: slow where it is off, quick where it is on, equal by seed."""

import pytest

from benchmarks.common.simulated import tail
from benchmarks.common.simulated.tail import FAULTS


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "RATE_PER_S", 600)
    monkeypatch.setattr(tail, "CLIENTS", 2)


def test_hedges_and_order_show_in_the_tail_of_reads() -> None:
    on, off = (tail.tail(0, "far", switch) for switch in ("on", "off"))
    assert off["retrieve_s_p99"] > 0.02
    assert on["retrieve_s_p99"] < 0.5 * off["retrieve_s_p99"]
    assert 2 <= on["fetches_per_read"] < 2.12
    assert on == tail.tail(0, "far", "on")


@pytest.mark.parametrize("fault", ["slow", "hung"])
def test_one_bad_node_holds_up_no_store(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """In a network in half use, where a queue of a few requests is nothing out of the way."""
    monkeypatch.setattr(tail, "RATE_PER_S", 3000)
    monkeypatch.setattr(tail, "CLIENTS", 6)
    assert tail.tail(3, fault, "on")["store_s_worst"] < 0.02


def test_what_an_old_commit_lacks_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, "far", {"fault": "earthquake"})
    with pytest.raises(NotImplementedError, match="earthquake"):
        tail.tail(0, "far", "on")
    monkeypatch.setitem(tail.SWITCHES, "on", {"no_such_switch": True})
    with pytest.raises(NotImplementedError, match="no_such_switch"):
        tail.tail(0, "none", "on")
