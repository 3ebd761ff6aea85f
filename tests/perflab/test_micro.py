"""Each micro benchmark is right and can be timed; the command says what it can't do."""

import argparse
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import hotpath
from benchmarks.common import entry, subject
from benchmarks.common.entry import SUITE_PARENT
from benchmarks.micro.catalogue import GROUPS, MICROS
from benchmarks.micro.prepared import require_equal
from perflab import __main__ as command
from perflab import micro

QUICK = ("-q", "-p", "2", "-n", "1", "-w", "0", "-l", "1")


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    micro.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", MICROS)
def test_each_is_right_and_can_be_repeated(name: str) -> None:
    prepared = MICROS[name].prepare()  # compares its result
    for _ in range(3):
        prepared.run(prepared.fresh())


def test_every_group_is_a_class_of_the_suite() -> None:
    suites = [each for each in vars(hotpath).values() if hasattr(each, "track_seconds")]
    assert [suite.params[0] for suite in suites] == [list(group) for group in GROUPS.values()]
    assert len(MICROS) == sum(len(group) for group in GROUPS.values())
    assert not set(MICROS) & set(GROUPS)  # NAME is either


def test_the_suite_gives_seconds_per_operation_and_how_slow_the_machine_was() -> None:
    suite = hotpath.Replica()
    suite.setup("clock")
    found = suite.track_seconds("clock")
    [seconds] = found["samples"]
    assert 1e-9 < seconds < 1e-3
    assert found["number"] >= 1


# What this commit can't do, and what it does wrong


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A p2pcore without contact tables, whose clock is of no use."""
    part = subject.part

    def other(module: str, name: str) -> Any:
        if module == "overlay.table":
            raise NotImplementedError("this commit's p2pcore has no overlay.table")
        return part(module, name)

    def wrong() -> Any:
        require_equal(1, 2, "the clock")

    monkeypatch.setattr(subject, "part", other)
    monkeypatch.setitem(MICROS, "clock", replace(MICROS["clock"], prepare=wrong))


@pytest.mark.usefixtures("lacking")
def test_it_is_decided_function_by_function() -> None:
    examined = micro.examine(["insert", "prefix_bits", "clock"])
    assert examined.possible == ["prefix_bits"]
    assert "no overlay.table" in examined.missing["insert"]
    assert examined.wrong == {"clock": "the clock gave 1, not 2"}


@pytest.mark.usefixtures("lacking")
def test_the_suite_skips_what_is_missing_and_fails_what_is_wrong() -> None:
    overlay, replica = hotpath.Overlay(), hotpath.Replica()
    with pytest.raises(NotImplementedError, match="no overlay"):
        overlay.setup("insert")
    overlay.setup("prefix_bits")
    with pytest.raises(AssertionError, match="gave 1, not 2"):
        replica.setup("clock")


# The command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyperf, as quick as it gets."""
    run_script = micro._run_script

    def run(names: list[str], file: Path, options: Any) -> None:
        run_script(names, file, QUICK)

    monkeypatch.setattr(micro, "_run_script", run)


@pytest.mark.usefixtures("quick")
def test_measure_keep_and_compare(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert micro.main(arguments("prefix_bits", "clock", "-o", str(before))) == 0
    assert "prefix_bits: " in capfd.readouterr().out
    compared = ["--compare-to", str(before), "-o", str(after)]
    assert micro.main(arguments("prefix_bits", *compared)) == 0
    assert f"Ignored benchmarks (1) of {before}: clock" in capfd.readouterr().out
    assert micro.main(arguments("--compare-to", str(before), str(after))) == 0
    assert "prefix_bits" in capfd.readouterr().out


@pytest.mark.usefixtures("lacking", "quick")
def test_what_is_not_measured_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert micro.main(arguments("insert")) == 2
    assert micro.main(arguments("insert", "prefix_bits")) == 2
    printed = capfd.readouterr()
    assert "insert is not measured: this commit's p2pcore has no overlay.table" in printed.err
    assert "prefix_bits: " in printed.out


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert micro.main(arguments("--list")) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in MICROS)


def test_an_unknown_name_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main(["micro", "codecs"])
    assert end.value.code == 2
    assert "'codecs'; there are encode, decode" in capsys.readouterr().err


def test_files_are_looked_at_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    for words, said in (
        (["-o", str(there)], "not overwritten"),
        (["-o", str(tmp_path / "no" / "x.json")], "no directory"),
        (["--compare-to", str(tmp_path / "x.json")], "no such file"),
        (["--compare-to", *[str(there)] * 3], "not 3"),
        (["--fast", "--compare-to", str(there), str(there)], "nothing is measured"),
    ):
        assert micro.main(arguments(*words)) == 2
        assert said in capsys.readouterr().err


def test_a_file_that_is_not_pyperfs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    assert micro.main(arguments("--compare-to", str(there), str(there))) == 2
    assert capfd.readouterr().err


def test_a_script_that_fails_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(micro.MicroError, match="ended with 1"):
        micro._run_script(["nothing"], tmp_path / "x", QUICK)
    assert "KeyError: 'nothing'" in capfd.readouterr().err


def test_the_script_ends_with_its_input() -> None:
    """Whoever started it may be killed: no process stays to measure for nobody."""
    place = str(Path(entry.__file__ or ""))
    script = [sys.executable, "-P", place, "benchmarks.micro.script", subject.core_dir()]
    process = subprocess.Popen(
        [*script, "lookup", "-q", "-p", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.close()
    # The worker inherits standard output: its end says that the worker is gone as well.
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
    assert process.wait(20) == 3


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C goes to all of a terminal's processes: ours says so, and none stays."""
    file = tmp_path / "values.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "perflab", "micro", "lookup", "-o", str(file)],
        cwd=SUITE_PARENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.read(1) == b"."  # pyperf has its first value
    os.killpg(process.pid, signal.SIGINT)
    _, words = process.communicate(timeout=20)  # until the last of them has closed it
    assert process.returncode == 130
    assert words == b"interrupted\n"
    assert not file.exists()
