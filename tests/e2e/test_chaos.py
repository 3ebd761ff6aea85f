"""`python -m perflab chaos` in short: real processes, real faults, and the promise kept."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.runs import read_run

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="each end needs a loopback address"),
]


def begin(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "perflab", "chaos", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def chaos(code: int, out: Path, *words: str) -> dict[str, Any]:
    """Run a scenario that ends with this code; its outcome."""
    with begin(*words, "--out", str(out), "--seed", "7") as process:
        said, complained = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, f"{said}\n{complained}"
    assert len(read_run(out / "run.json").measurements) > 0
    outcome: dict[str, Any] = json.loads((out / "outcome.json").read_text())
    assert outcome["kept"] is (code == 0)
    return outcome


def test_churn(tmp_path: Path) -> None:
    outcome = chaos(0, tmp_path / "churn", "churn", "--minutes", "0", "--keys", "1000")
    figures = outcome["figures"]
    assert figures["changes_join"] + figures["changes_leave"] + figures["changes_kill"] >= 4
    assert figures["changes_leave"] >= 1
    assert figures["changes_kill"] >= 1
    assert figures["writes_acknowledged"] > 0
    assert figures["reads_answered"] > figures["keys"]
    assert outcome["breaches"] == []


def test_partition(tmp_path: Path) -> None:
    outcome = chaos(0, tmp_path / "cut", "partition", "--seconds", "6", "--keys", "1000")
    assert outcome["breaches"] == []
    # Both sides went on, so some reads were of older records than the other side's.
    assert outcome["counts"]["findings_while_the_premises_did_not_hold"]
    assert outcome["figures"]["heal_to_all_ready_s"] > 0


def test_losses_are_seen(tmp_path: Path) -> None:
    """Six of eight nodes at a time are more than the promise covers: it says so."""
    words = ["churn", "--minutes", "0", "--keys", "500", "--nodes", "8", "--kills", "6"]
    outcome = chaos(1, tmp_path / "lost", *words)
    assert set(outcome["counts"]["findings"]) & {"lost", "false not-found", "stale"}
    assert "acknowledged as" in outcome["breaches"][0]


def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    with begin("churn", "--out", str(tmp_path / "out")) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the plan
        process.stdout.readline()  # the network has settled
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, complained
    assert complained == "interrupted\n"
    assert children
    assert not any(child.is_running() for child in children)


def test_what_cannot_be_meant(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    for words, complaint in (
        (["churn", "--nodes", "3"], "5 to 16, not 3"),
        (["partition", "--rate", "0"], "1 to 5000, not 0"),
        (["crowd", "--out", str(tmp_path)], "is not empty"),
        (["blackout", "--nodes", "2"], "3 to 16, not 2"),
        (["backup", "--durability", "memory", "--out", str(tmp_path / "b")], "nothing to back up"),
    ):
        with begin(*words) as process:
            _, complained = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2
        assert complaint in complained


@pytest.mark.nightly
def test_a_storm_of_kills_and_restarts(tmp_path: Path) -> None:
    outcome = chaos(0, tmp_path / "storm", "storm", "--minutes", "0", "--keys", "500")
    figures = outcome["figures"]
    assert figures["kills"] >= 4
    assert figures["writes_acknowledged"] > 500
    assert figures["restart_ready_max_s"] > 0


def test_a_blackout(tmp_path: Path) -> None:
    words = ["blackout", "--cuts", "2", "--keys", "500", "--rate", "400"]
    outcome = chaos(0, tmp_path / "dark", *words)
    assert outcome["figures"]["blackouts"] == 2
    assert outcome["breaches"] == []


@pytest.mark.skipif(shutil.which("cc") is None, reason="the layer below the nodes is written in C")
def test_a_blackout_that_takes_what_was_not_synced(tmp_path: Path) -> None:
    words = ["blackout", "--cuts", "2", "--keys", "500", "--rate", "400", "--power", "yes"]
    outcome = chaos(0, tmp_path / "dark", *words)
    assert outcome["figures"]["blackouts"] == 2
    # Buffered, the same takes acknowledged records: so the cut is one, and the check sees it.
    outcome = chaos(1, tmp_path / "lost", *words, "--durability", "buffered")
    assert outcome["figures"]["writes_taken_back"] > 0
    assert outcome["counts"]["findings"]["lost"] > 0


def test_memory_does_not_outlast_a_blackout(tmp_path: Path) -> None:
    words = ["blackout", "--cuts", "1", "--keys", "200", "--durability", "memory"]
    outcome = chaos(1, tmp_path / "dark", *words)
    assert set(outcome["counts"]["findings"]) & {"lost", "false not-found", "stale"}


def test_a_backup_under_load(tmp_path: Path) -> None:
    """Whatever it does to the latency, it is taken, and nothing is lost."""
    words = ["backup", "--seconds", "1", "--keys", "300"]
    with begin(*words, "--out", str(tmp_path / "out"), "--seed", "7") as process:
        said, complained = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, 1), f"{said}\n{complained}"
    outcome = json.loads((tmp_path / "out" / "outcome.json").read_text())
    assert outcome["figures"]["backups"] >= 3
    assert outcome["figures"]["p99_meanwhile_ms"] > 0
    assert all(each.startswith("p99_times is") for each in outcome["breaches"])


def test_flipped_bits(tmp_path: Path) -> None:
    outcome = chaos(0, tmp_path / "flips", "flips", "--flips", "16", "--keys", "300")
    assert outcome["figures"]["flips"] == 16
    assert outcome["figures"]["reads_answered"] > 2 * 300  # each round reads all
    assert outcome["breaches"] == []
