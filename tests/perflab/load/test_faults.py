"""A fault that was not made is no pass, and a run lasts as long as its phases."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.common import subject
from perflab.__main__ import main
from perflab.load.faults import FaultPlayer
from perflab.load.record import LoadRecord, read_load
from perflab.load.scenario import scenario_of
from perflab.load.target import StartedSwarm
from perflab.readiness.single_run_report import build_run

BURSTS = {"pattern": "burst", "size": 10, "every_s": 2, "seconds": 4}
CONSTANT = {"pattern": "constant", "rate": 20, "seconds": 4}


def run(tmp_path: Path, phase: dict[str, Any], fault: str) -> tuple[int, LoadRecord]:
    lines = [f"{name} = {value!r}" for name, value in phase.items()]
    text = "nodes = 3\n[load]\nrecords = 20\n[[phase]]\n" + "\n".join(lines)
    (tmp_path / "it.toml").write_text(f"{text}\n[[fault]]\n{fault}\n".replace("'", '"'))
    out = tmp_path / "run"
    code = main(["load", "--plain", "--out", str(out), str(tmp_path / "it.toml")])
    return code, read_load(out)


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_a_fault_after_the_last_operation_is_made_and_healed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The last burst is at 2 s.
    code, record = run(tmp_path, BURSTS, 'kind = "pause"\nat_s = 2.5\nfor_s = 1')
    assert [event.kind for event in record.events] == ["phase", "fault", "heal"]
    assert record.result is not None
    assert record.result.elapsed_s >= 4
    assert "asked 5.0/s" in capsys.readouterr().out  # 20 operations in 4 s
    # Nothing was due after it: it was made, and what it did nobody can tell.
    (fault,) = record.result.faults
    assert (fault.recovered, fault.judged) == (False, False)
    assert code == 2
    assert build_run(tmp_path / "run").state == "unmeasured"


def test_a_run_without_faults_lasts_as_long_as_its_phases_too(tmp_path: Path) -> None:
    options = ["--target", "null", "--pattern", "burst", "--size", "5", "--every-s", "1"]
    main(["load", "--plain", "--out", str(tmp_path / "run"), *options, "--seconds", "2"])
    result = read_load(tmp_path / "run").result
    assert result is not None
    assert result.elapsed_s >= 2


@pytest.mark.usefixtures("no_process_left")
def test_a_fault_that_cannot_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # No process may open so many: the kernel refuses the limit.
    fault = f'kind = "descriptors"\nat_s = 1\nfor_s = 1\nlimit = {1 << 40}'
    code, record = run(tmp_path, CONSTANT, fault)
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: fault[0], descriptors at 1 s, could not be made: ")
    assert error.count("\n") == 1
    assert record.result is not None
    assert record.result.end == "broken"


def test_what_was_not_done_is_named() -> None:
    faults = [
        {"kind": "pause", "at_s": 1, "for_s": 1},
        {"kind": "kill", "at_s": 3},
    ]
    scenario = scenario_of({"name": "it", "phase": [CONSTANT], "fault": faults})
    told = FaultPlayer(
        scenario,
        StartedSwarm(3, subject.default_loop()),
        sources=[],
        now_s=lambda: 0.0,
        note=lambda *_: None,
        watch=lambda _: None,
    )
    assert told.undone() == [
        "fault[0], pause at 1 s, was not made",
        "fault[1], kill at 3 s, was not made",
    ]
    with pytest.raises(RuntimeError, match=r"fault\[0\], pause at 1 s, could not be made"):
        told.deeds()[0][1]()  # of a swarm that has no node
