"""The scenario of the suite `overload`: a collapse where control is off, none where it is on."""

import pytest

from benchmarks.common.simulated import overload
from benchmarks.common.simulated.overload import SWITCHES


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "CLIENTS", 4)
    monkeypatch.setattr(overload, "MESSAGE_US", 2000)
    monkeypatch.setattr(overload, "NODE_PER_S", 1e6 / 4000)


def test_goodput_is_lost_without_control_and_never_comes_back() -> None:
    on, off = (overload.overload(1, 3, switch) for switch in ("on", "off"))
    assert on["lost_ppm"] < 100_000 < 300_000 < off["lost_ppm"]
    assert on["good_s_p99"] < 0.1 < off["good_s_p99"]
    assert on["refused_s_p99"] < 0.06 < off["refused_s_p99"]
    assert on["sent_per_needed"] < 1.3 < off["sent_per_needed"]
    assert on["back_s"] <= 0.5 < off["back_s"]


def test_a_pause_is_over_when_it_is_over() -> None:
    on, off = (overload.after_trigger(1, "pause", switch) for switch in ("on", "off"))
    assert on["back_s"] <= 0.5 < off["back_s"]


def test_nodes_that_start_again_get_what_they_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """They answer that they do not count yet, and how busy they are."""
    monkeypatch.undo()  # as in the suite
    assert overload.after_trigger(2, "restarts", "on")["back_s"] <= 0.5


def test_clients_that_start_anew_are_no_trouble() -> None:
    assert overload.after_trigger(1, "cold", "on")["back_s"] <= 0.5


def test_what_an_old_commit_lacks_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SWITCHES, "on", {"no_such_switch": True})
    with pytest.raises(NotImplementedError, match="no_such_switch"):
        overload.overload(1, 2, "on")
