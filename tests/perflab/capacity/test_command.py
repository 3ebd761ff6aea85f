"""The command on small networks, and the forecast on the history that is shipped."""

import json
from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.capacity.command import SIZES
from perflab.capacity.law import CapacityLaw
from perflab.capacity.record import CapacityFileError, CapacityPoint, CapacityQuestion, opened

ASKED = CapacityQuestion(
    commit="c" * 40, package="p", p99_ms=20, success=0.99, operations=1000, message_us=100,
    message_low_us=90, message_high_us=110, source="a test",
)  # fmt: skip


def test_a_record_goes_on_with_the_same_question_only(tmp_path: Path) -> None:
    from perflab.capacity.record import append

    file = tmp_path / "capacity.jsonl"
    assert opened(file, ASKED) == []
    point = CapacityPoint(nodes=4, seed=1, load=0.7, rate=6000)
    append(file, point)
    with file.open("a") as torn:
        torn.write('{"nodes": 6')
    assert opened(file, ASKED) == [point]
    append(file, point)
    assert opened(file, ASKED) == [point, point]
    other = CapacityQuestion(**{**vars(ASKED), "p99_ms": 5})
    with pytest.raises(CapacityFileError, match="another question"):
        opened(file, other)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "4"], "there is none"),
        (["--rate", "0"], "--rate takes 1 to"),
        (["--largest", "8"], "--largest takes 16 to 64"),
        (["--p99-ms", "nan"], "--p99-ms takes"),
    ],
)
def test_what_cannot_be_meant(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["capacity", "--out", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err


def test_the_forecast_reads_the_shipped_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["capacity", "--forecast", "--out", str(tmp_path)])
    told = capsys.readouterr().out
    found = json.loads((tmp_path / "forecast.json").read_text())
    assert found
    assert code == int(any(each["outlook"]["state"] == "crosses" and
                           each["outlook"]["days"][0] <= 90 for each in found))  # fmt: skip
    assert "production: throughput" in told
    assert "The history has no figures of" in told


def test_there_are_enough_sizes_for_a_law() -> None:
    for largest in SIZES[4:]:
        rates = {n: [100.0 * n, 101.0 * n] for n in SIZES if n <= largest}
        found = CapacityLaw(rates, (1, 1)).rate(largest).value
        assert found == pytest.approx(100.5 * largest, rel=0.01)
