"""Load runs on real processes: what they record, and what is left when they are cut off."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.common import subject
from benchmarks.common.entry import SUITE_PARENT
from perflab.__main__ import main
from perflab.load.command import conclude
from perflab.load.figures import figures
from perflab.load.record import HEAD, ROW, FaultResult, LoadRecord, operations_file, read_load
from perflab.load.starvation import starved
from perflab.load.target import StartedSwarm
from perflab.load.traces import FOLLOWED, read_traces
from perflab.monitor.record import read_recording
from perflab.results.checkout import source_of

WAIT_S = 60.0


def command(out: Path, *options: str) -> list[str]:
    return ["load", "--plain", "--out", str(out), *options]


def measured(code: int, record: LoadRecord) -> bool:
    """Whether a run ended as one does that found nothing wrong: with 0, or with 2 where others
    kept the generator from the processor."""
    assert record.result is not None
    return code == (2 if record.result.generator_bound else 0)


def balanced(record: LoadRecord) -> bool:
    """Whether every operation whose time had come is a row."""
    return sum(each.scheduled for each in record.intervals) == len(record.rows)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rows_written(out: Path) -> int:
    path = out / operations_file(0)
    return (path.stat().st_size - len(HEAD)) // ROW.size if path.exists() else 0


@pytest.mark.usefixtures("no_process_left")
def test_a_run_records_every_operation_of_all_clients(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    options = ["--pattern", "steps", "--rates", "50,150", "--seconds", "1", "--nodes", "3"]
    options += ["--clients", "2", "--mix", "store=1,retrieve=2,scan=1,insert=1,modify=1,delete=1"]
    code = main(command(out, *options, "--value-bytes", "64,4096", "--records", "200",
                        "--trace-every", "4"))  # fmt: skip
    record = read_load(out)
    assert measured(code, record)
    assert balanced(record)
    source = source_of(SUITE_PARENT)
    assert (record.manifest.commit, record.manifest.uncommitted) == (
        source.commit,
        list(source.uncommitted),
    )
    assert len(record.rows) == 200
    assert sorted(record.rows["due_ns"].tolist()) == record.rows["due_ns"].tolist()
    assert {each.process for each in record.intervals} == {0, 1}
    assert (record.rows["process"] == 1).sum() == 100
    assert len(set(record.rows["kind"].tolist())) == 6
    found = figures(record.rows, record.errors, 2.0)
    assert found.ok == found.scheduled == 200
    assert found.rate_asked == 100
    assert record.result is not None
    assert record.result.end == "complete"
    assert record.torn == ()
    assert [event.text for event in record.events] == ["steps"]
    assert {each.name for each in read_recording(out / "monitor.jsonl").processes} == {
        "n1", "n2", "n3", "client 0", "client 1",
    }  # fmt: skip
    assert "200 of 200 succeeded" in capsys.readouterr().out
    followed = read_traces(out, 2)
    assert {each.kind for each in followed} <= set(FOLLOWED)
    ends = record.rows["ended_ns"].tolist()
    whole = [each for each in followed if each.replies]
    assert len(whole) >= len(followed) - 2  # the first of each process looks its replicas up
    for each in whole:  # of one in four of each process: not the scans and modifies
        assert each.ended_ns in ends
        times = [each.due_ns, each.begun_ns, each.replies[-1].replied_ns, each.ended_ns]
        assert sorted(times) == times
        # The last one's marks may come in a later piece of the stream, after the operation's end.
        assert [reply.final for reply in each.replies] in ([False, True], [False])
        assert all(reply.read_ns < reply.replied_ns for reply in each.replies)
    assert sum(each.replies[-1].final for each in whole) > len(whole) / 2
    assert 5 <= len(whole) <= 50


def test_a_running_network_is_a_target_too(tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("ab" * 32)
    with StartedSwarm(3, subject.default_loop()) as swarm:
        (tmp_path / "key").write_text(swarm.network.key)
        options = ["--pattern", "burst", "--size", "20", "--every-s", "0.5", "--seconds", "1"]
        options += ["--target", swarm.addresses[0], "--target", swarm.addresses[1]]
        key = ["--network-key-file", str(tmp_path / "wrong")]
        assert main(command(tmp_path / "refused", *options, *key)) == 2
        key = ["--network-key-file", str(tmp_path / "key")]
        code = main(command(tmp_path / "run", *options, *key))
    record = read_load(tmp_path / "run")
    assert measured(code, record)
    assert record.manifest.target == ", ".join(options[-3::2])
    assert record.manifest.nodes == 0
    assert len(record.rows) == 40
    assert (record.rows["outcome"] == 0).all()
    assert swarm.network.key not in (tmp_path / "run" / "manifest.json").read_text()


def test_the_generator_measures_itself(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--target", "null", "--pattern", "poisson", "--rate", "5000", "--seconds", "1"]
    code = main(command(out, *options))
    record = read_load(out)
    assert measured(code, record)
    assert balanced(record)
    assert len(record.rows) == pytest.approx(5000, rel=0.1)
    assert record.result is not None
    found = figures(record.rows, record.errors, 1.0)
    assert found.success == 1
    # With nobody behind it, all the latency there is comes from the generator.
    kept = bool(starved(record, record.rows))
    assert record.result.generator_bound == (found.lag_p99_s > 0.010 or kept)
    assert record.usable != record.result.generator_bound


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pattern", "wavy", "--rate", "1", "--seconds", "1"], "'wavy'"),
        (["--pattern", "constant", "--rate", "-1", "--seconds", "1"], "-1"),
        (["nonesuch"], "'nonesuch'"),
        ([], "which scenario"),
        (["--find-capacity", "--rate", "5"], "which scenario"),
        (["--find-capacity", "--target", "127.0.0.1:1"], "--network-key-file"),
        (["spike", "--rate", "5"], "not both"),
        (["spike", "--mix", "store=x"], "'x'"),
        (["spike", "--target", "127.0.0.1:1"], "--network-key-file"),
        (["spike", "--network-key-file", "key"], "--target"),
        (["spike", "--target", "127.0.0.1:1", "--network-key-file", "KEY"], "127.0.0.1:1"),
        (["spike", "--target", "127.0.0.1:1", "--network-key-file", "SHORT"], "2 bytes"),
    ],
)
def test_bad_input_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    for name, text in (("KEY", "ab" * 32), ("SHORT", "abcd")):
        (tmp_path / name).write_text(text)
    placed = [str(tmp_path / each) if each in ("KEY", "SHORT") else each for each in options]
    assert main(command(tmp_path / "run", *placed)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert words in error
    assert not (tmp_path / "run").exists()


def start(out: Path) -> subprocess.Popen[str]:
    options = command(out, "--pattern", "constant", "--rate", "100", "--seconds", "600")
    return subprocess.Popen(
        [sys.executable, "-m", "perflab", *options, "--nodes", "3"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=SUITE_PARENT,
    )  # fmt: skip


def test_an_interrupted_run_keeps_what_it_measured(tmp_path: Path) -> None:
    with start(tmp_path / "run") as lab:
        wait_until(lambda: rows_written(tmp_path / "run") > 50)
        lab.send_signal(signal.SIGINT)
        words, _ = lab.communicate(timeout=WAIT_S)
        assert lab.returncode == 130, words
    record = read_load(tmp_path / "run")
    assert record.result is not None
    assert record.result.end == "interrupted"
    assert not record.usable
    assert balanced(record)
    assert f"of {len(record.rows)} succeeded" in words


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches strangers' ends by pidfd")
def test_a_killed_run_leaves_a_readable_record_and_no_process(tmp_path: Path) -> None:
    with start(tmp_path / "run") as lab:
        wait_until(lambda: rows_written(tmp_path / "run") > 50)
        wait_until(lambda: read_load(tmp_path / "run").events)  # by another process
        children = psutil.Process(lab.pid).children(recursive=True)
        ends = [os.pidfd_open(child.pid) for child in children]
        (order,) = [each for child in children for each in child.cmdline() if '"part"' in each]
        assert json.loads(order)["network"]["key"] == ""  # everybody may read arguments
        lab.kill()
    assert len(ends) == 3 + 1 + 1  # nodes, client, monitor
    for end in ends:  # readable when the process has ended, reaped or not
        ended, _, _ = select.select([end], [], [], WAIT_S)
        os.close(end)
        assert ended
    record = read_load(tmp_path / "run")
    assert record.result is None
    assert not record.usable
    assert len(record.rows) > 50
    assert (record.rows["outcome"] == 0).all()
    assert record.manifest.nodes == 3
    assert [event.kind for event in record.events] == ["phase"]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seed"] == 1


def test_a_network_that_did_not_come_back_fails_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--target", "null", "--pattern", "ramp", "--rate", "0", "--to-rate", "200"]
    options += ["--seconds", "1"]
    code = main(command(tmp_path / "run", *options))
    record = read_load(tmp_path / "run")
    assert measured(code, record)
    assert record.result is not None
    unbound = replace(record.result, generator_bound=False)
    record = replace(record, result=unbound)
    fault = FaultResult(
        fault=0, kind="pause", at_s=1.0, healed_s=2.0, seen_by_nodes_s=None, seen_by_clients_s=0.1,
        recovered_s=None, recovered_after_heal_s=None, operations_lost=7, recovered=False,
        reason="so it was",
    )  # fmt: skip
    assert conclude(record) == 0
    assert conclude(replace(record, result=replace(unbound, faults=[fault]))) == 1
    assert "NOT RECOVERED pause" in capsys.readouterr().out
    kept = replace(unbound, records_acknowledged=9, records_lost=1)
    assert conclude(replace(record, result=kept)) == 1
    # Nothing is said of a network by a generator that was the bottleneck, but for what it lost.
    bound = replace(unbound, generator_bound=True, generator_reasons=["it was kept"])
    assert conclude(replace(record, result=bound)) == 2
    assert conclude(replace(record, result=replace(bound, faults=[fault]))) == 2
    assert conclude(replace(record, result=replace(bound, records_lost=1))) == 1
    unsure = replace(fault, judged=False, reason="too little was due")
    assert conclude(replace(record, result=replace(unbound, faults=[unsure]))) == 2
    assert "NOT JUDGED pause at 1.0 s: too little was due" in capsys.readouterr().out


FAULTS = """
nodes = 4
[load]
records = 200
[[phase]]
pattern = "constant"
rate = 100
seconds = 19
[[fault]]
kind = "pause"
at_s = 3
for_s = 1
[[fault]]
kind = "descriptors"
at_s = 7
for_s = 1
limit = 2
[[fault]]
kind = "lossy"
at_s = 11
for_s = 1
loss = 0.2
[[fault]]
kind = "kill"
at_s = 15
"""


@pytest.mark.usefixtures("no_process_left")
@pytest.mark.slow
def test_faults_are_carried_out_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text(FAULTS)
    code = main(command(tmp_path / "run", str(tmp_path / "faults.toml")))
    record = read_load(tmp_path / "run")
    result = record.result
    assert result is not None
    assert [fault.kind for fault in result.faults] == ["pause", "descriptors", "lossy", "kill"]
    assert (result.records_acknowledged, result.records_lost) == (200, 0)
    if result.generator_bound:
        assert code == 2
    else:
        assert code == (0 if all(fault.recovered for fault in result.faults) else 1)
    told = [(event.kind, event.fault) for event in record.events if event.kind in ("fault", "heal")]
    both = [(kind, number) for number in range(3) for kind in ("fault", "heal")]
    assert told == [*both, ("fault", 3)]
    # A node that is killed closes its connections, and the others notice.
    assert result.faults[3].seen_by_nodes_s is not None
    assert result.faults[0].healed_s == pytest.approx(1, abs=0.9)
    nodes = read_recording(tmp_path / "run" / "monitor.jsonl").processes
    assert sum(each.gone_s is not None for each in nodes if each.name.startswith("n")) == 1
