"""What the size of a network costs: figures that are right, and the same in every run."""

import os
import signal
import subprocess
import sys
from math import isclose

import pytest

from p2pcore.errors import ConfigError
from p2pcore.sim.__main__ import INTERRUPTED, OK, USAGE, main
from p2pcore.sim.explore.size import SizeRun, success_interval
from tests.processes import PATIENCE_S, busy_core

COMMAND = [sys.executable, "-W", "error", "-m", "p2pcore.sim", "size"]
SMALL = ["--nodes", "40", "--operations", "100", "--churn", "400", "--seed", "3"]


def test_a_network_is_grown_and_used() -> None:
    heard: list[tuple[str, int, int]] = []
    run = SizeRun(2, progress=lambda *how_far: heard.append(how_far))
    grown = run.grow(30)
    assert len(run.world.nodes) == 30
    assert all(node.is_ready for node in run.world.nodes)
    assert grown.messages == run.world.accounting.sent > 0
    assert 0 < grown.virtual_s < 60
    lookups = run.look_up(20)
    assert lookups.missed == 0
    assert 0 <= lookups.hops <= 2
    served = run.operate(101, rate_per_s=50, clients=3)
    assert not served.failures
    assert {kind: len(values) for kind, values in served.latencies_ms.items()} == {
        "retrieve": 50, "store": 51,
    }  # fmt: skip
    assert 2 <= served.phase.virtual_s < 3
    assert (served.left, served.came) == (0, 0)
    assert heard[29] == ("nodes joined", 30, 30)
    assert heard[-1] == ("operations", 101, 101)
    run.world.check()


def test_so_many_nodes_are_replaced_as_was_asked_for() -> None:
    run = SizeRun(1)
    run.grow(60, warm=True)
    served = run.operate(600, rate_per_s=10, clients=2, replaced_per_hour=30)
    assert 15 <= served.left <= 45, "60 nodes, 30 times an hour, for a minute: 30 by chance"
    assert 15 <= served.came <= 45


def test_what_failed_is_counted_and_named() -> None:
    run = SizeRun(1)
    run.grow(4)
    run.world.after(0.5, lambda: [node.crash() for node in run.world.nodes])
    served = run.operate(10, rate_per_s=10, clients=1)
    assert sum(map(len, served.latencies_ms.values())) == 10 - served.failures.total()
    assert set(served.failures) == {"retrieve: DeadlineError", "store: DeadlineError"}


@pytest.mark.parametrize(
    ("failed", "count", "low", "high"),
    [(0, 10_000, 0.999616, 1.0), (5, 10_000, 0.998830, 0.999786), (50, 100, 0.40383, 0.59617)],
)
def test_intervals_as_in_tables(failed: int, count: int, low: float, high: float) -> None:
    found = success_interval(failed, count)
    assert isclose(found[0], low, abs_tol=1e-5)
    assert isclose(found[1], high, abs_tol=1e-5)


def test_arguments_out_of_their_range() -> None:
    run = SizeRun()
    with pytest.raises(ConfigError, match="nodes must be at least 1, not 0"):
        run.grow(0)
    run.grow(1, warm=True)
    with pytest.raises(ConfigError, match="nodes must be at least 2, for lookups, not 1"):
        run.look_up(1)
    with pytest.raises(ConfigError, match="rate must be more than 0"):
        run.operate(1, rate_per_s=0, clients=1)


def test_the_command_tells_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--nodes", "8", "--operations", "20", "--lookups", "4"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("nodes: 8 ready in ")
    assert any(line.startswith("operations: 20 in ") and " 0 failed" in line for line in lines)
    assert lines[-1].startswith("trace ")
    assert main(["size", "--nodes", "0"]) == USAGE


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--lookups", "-1"], "lookups must be 0 or more, not -1"),
        (["--churn", "-1"], "churn must be 0 or more, not -1.0"),
        (["--churn", "nan"], "churn must be 0 or more, not nan"),
        (["--clients", "0"], "clients must be at least 1, not 0"),
        (["--rate", "0"], "rate must be more than 0, not 0.0"),
        (["--nodes", "1"], "nodes must be at least 2, for lookups, not 1"),
    ],
)
def test_the_command_refuses_before_it_begins(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["size", *words]) == USAGE
    told = capsys.readouterr()
    assert (told.out, reason in told.err) == ("", True)


def figures(hash_seed: str) -> list[str]:
    """What the command prints of virtual time."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [*COMMAND, *SMALL], env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == OK, done.stderr
    return [line for line in done.stdout.splitlines() if not line.lstrip().startswith("cost")]


def test_three_runs_have_the_same_figures() -> None:
    first = figures("1")
    with busy_core():
        assert figures("2") == first
    assert figures("3") == first
    assert any("nodes went" in line for line in first)


def test_ctrl_c_ends_it() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--nodes", "8", "--rate", "1"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("nodes: 8 ready")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == INTERRUPTED
    assert errors == "interrupted\n"
