"""`python -m tests.removals` counts what drops out of contact tables."""

from typing import Any

import pytest

from benchmarks.common.simulated.detection import detection
from tests import removals


def test_hours_are_counted_and_a_removal_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert removals.main(["0.3", "--minutes", "1", "--seed", "7"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "seed 8: 0 false removals; 0 in 0.533333 node-hours"
    )

    def hasty(*args: Any, **options: Any) -> dict[str, float]:
        return detection(*args, give_up_after_s=1.0, **options)

    monkeypatch.setattr("tests.removals.detection", hasty)
    assert removals.main(["0.3", "--minutes", "1", "--seed", "7"]) == 1
