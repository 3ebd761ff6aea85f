"""One real life of two networks, and what others take of a processor."""

from pathlib import Path
from random import Random

import pytest

from benchmarks.common import subject
from perflab.gate.waits import life
from perflab.gate.waits.life import WaitError, live, taken_by_others


def test_both_sides_do_the_same_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "NODES", 3)
    monkeypatch.setattr(life, "WARM_UP_PAIRS", 1)
    pairs = live((subject.core_dir(),) * 2, Random(1), 0.0)
    assert pairs
    for pair in pairs:
        for block in (pair.base, pair.head):
            assert len(block.stores_us) == len(block.retrieves_us) == 15
            assert min(block.stores_us + block.retrieves_us) > 0
        assert pair.taken >= 0


def test_a_core_that_does_not_start_is_said_of_its_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / "p2pcore" / "__init__.py").write_text("raise ImportError('half a core')")
    monkeypatch.setattr(life, "NODES", 1)
    with pytest.raises(WaitError, match="half a core") as caught:
        live((subject.core_dir(), str(tmp_path)), Random(1), 0.0)
    assert caught.value.side == 1


@pytest.mark.parametrize(
    ("spent", "share"),
    [
        ([(0.01, 0.005), (0.01, 0.01)], 0.0),  # they waited for each other
        ([(0.01, 0.03), (0.01, 0.02)], 0.2),
        ([(0.0, 0.0)], 0.0),
    ],
)
def test_what_others_take_is_beyond_what_ours_use(
    spent: list[tuple[float, float]], share: float
) -> None:
    assert taken_by_others(spent, 0.1) == pytest.approx(share)
