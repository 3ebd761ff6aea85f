"""Scenarios are data drawn from a seed; a run keeps every promise, or says which it broke."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pcore.errors import ConfigError
from p2pcore.routing.windows import Windows
from p2pcore.sim import fault_from
from p2pcore.sim.checkers import known_failures
from p2pcore.sim.checkers.known_failures import KNOWN_FAILURES, KnownFailure, known_failure
from p2pcore.sim.explore import sweep
from p2pcore.sim.explore.play import Outcome, play
from p2pcore.sim.explore.scenarios import SCENARIOS, Scenario, draw, name_for
from p2pcore.sim.explore.shrink import shrunk
from tests.sim.broken import broken

ROOT = Path(__file__).parent.parent.parent.parent
SEEDS = [seed for seed in range(1, 24) if name_for(seed) != "large"][:20]  # those take seconds each


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_seed_names_a_scenario(name: str) -> None:
    scenario = draw(name, 7)
    assert scenario == draw(name, 7) != draw(name, 8)
    for fault in scenario.faults:
        fault_from(fault)


def test_every_scenario_is_drawn() -> None:
    assert {name_for(seed) for seed in range(500)} == set(SCENARIOS)
    with pytest.raises(ConfigError, match=r"scenario must be one of calm, .* not 'storm'"):
        draw("storm", 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_are_kept(seed: int) -> None:
    outcome = play(draw(name_for(seed), seed))
    known = known_failure(outcome.scenario.name, outcome.broken)
    assert outcome.ok or known, f"{outcome.broken}: {outcome.text}\n" + "\n".join(outcome.story)
    assert outcome.acknowledged
    assert outcome.read


@pytest.mark.parametrize("seed", range(1, 7))
def test_everybody_loses_power_amid_trouble_with_a_disk(seed: int) -> None:
    scenario = draw("power", seed)
    kinds = [fault["fault"] for fault in scenario.faults]
    assert kinds == ["disk", "blackout"] * (len(kinds) // 2)
    outcome = play(scenario)
    known = known_failure("power", outcome.broken)
    assert outcome.ok or known, f"{outcome.broken}: {outcome.text}"
    assert outcome.acknowledged


@pytest.mark.parametrize(("name", "seed"), [("tombstones", 97), ("exhaustion", 159)])
def test_a_value_may_end_while_it_is_on_its_way(name: str, seed: int) -> None:
    """A cut holds up the answer to a read; the value was good when the answer was given."""
    outcome = play(draw(name, seed))
    assert outcome.ok, f"{outcome.broken}: {outcome.text}"


def test_a_healthy_run_has_no_accidents() -> None:
    """Time-outs, late replies, retries, misbehaviour and broken links: a checker counts them where
    nothing goes wrong."""
    healthy = 0
    for seed in range(1, 31):
        scenario = draw("calm", seed)
        outcome = play(scenario)
        assert outcome.ok, f"{outcome.broken}: {outcome.text}"
        healthy += scenario.is_healthy
    assert healthy > 15
    scenario = replace(draw("large", 2), faults=(), hangups=0, max_failed=0.0)
    assert scenario.is_healthy
    assert play(scenario).ok


@pytest.mark.parametrize(
    "change",
    [
        {"hangups": 1}, {"severed": 1}, {"max_failed": 0.1}, {"link": "wan"},
        {"regions": ("london", "tokyo")}, {"faults": ({"fault": "crash", "at_s": 1.0},)},
    ],
)  # fmt: skip
def test_what_is_not_healthy(change: dict[str, Any]) -> None:
    scenario = replace(draw("calm", 1), link="lan", regions=())
    assert scenario.is_healthy
    assert not replace(scenario, **change).is_healthy


def test_what_is_left_out_does_not_happen() -> None:
    scenario = draw("crash", 3)
    assert len(scenario.faults) > 1
    lines: list[str] = []
    outcome = play(replace(scenario, keep=(1,), limit=10), story=lines.append)
    assert outcome.acknowledged + outcome.read < 10 * 8  # a batch has up to 8 items
    assert sum(line.endswith("crashes") for line in lines) == 1


def failing() -> Outcome:
    outcome = play(draw("crash", 2))
    assert outcome.broken == "quorum"
    return outcome


def test_a_failing_run_is_made_smaller() -> None:
    with broken("acknowledge before W"):
        before = failing()
        after = shrunk(before)
        assert after.broken == "quorum"
        assert after.scenario.kept == ()
        assert after.scenario.limit is not None
        assert after.scenario.limit < before.scenario.operations / 2
        assert play(after.scenario).trace == after.trace


def test_the_fault_that_matters_is_left() -> None:
    scenario = replace(draw("mixture", 1), limit=0)
    assert len(scenario.faults) > 4
    with broken("lost contacts that grow"):
        after = shrunk(play(scenario))
    assert after.broken == "bounds"
    assert [scenario.faults[place]["fault"] for place in after.scenario.kept] == ["partition"]


def test_a_broken_run_tells_the_story_of_the_key() -> None:
    with broken("acknowledge before W"):
        outcome = failing()
    *_, replicas = outcome.story
    assert replicas.startswith("replicas [")
    assert outcome.text.partition(":")[0] in {f"key {number}" for number in range(26)}


def test_an_exception_of_the_core_is_an_outcome() -> None:
    scenario = Scenario(name="calm", seed=1, nodes=3, settings={"max_connections": 0})
    outcome = play(scenario)
    assert outcome.broken == "start"
    assert "max_connections" in outcome.text


def test_outside_the_premises_nothing_is_promised() -> None:
    """Two of three holders go at once: the run says so, and goes on."""
    crash = {"fault": "crash", "at_s": 10.0, "for_s": 0, "count": 4}
    scenario = replace(draw("calm", 5), nodes=8, quorums=(3, 2, 2), faults=(crash,), hangups=0)
    outcome = play(scenario)
    assert outcome.ok, outcome.text
    assert any("at once, W-1 is 1" in breach for breach in outcome.breaches)


def test_one_crash_amid_a_short_partition_loses_nothing() -> None:
    partition = {"fault": "partition", "at_s": 10.0, "for_s": 3.0, "share": 0.2}
    crash = {"fault": "crash", "at_s": 11.0, "for_s": 0, "count": 1}
    scenario = replace(draw("calm", 5), nodes=8, quorums=(3, 2, 2), faults=(partition, crash))
    outcome = play(scenario)
    assert outcome.ok, outcome.text
    assert not outcome.breaches


def test_a_partition_has_an_aftermath() -> None:
    """Calls that began in it fail 0.7 s after it is over, and both sides forget each other."""
    outcome = play(draw("exhaustion", 1))
    assert outcome.ok, outcome.text


def test_known_failures_name_scenarios() -> None:
    assert all(each.scenario in SCENARIOS and each.reason for each in KNOWN_FAILURES)


def command(
    *words: str, hash_seed: str = "1", python: str = sys.executable
) -> tuple[int, str, str]:
    done = subprocess.run(
        [python, "-m", "p2pcore.sim", *words],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=300, cwd=ROOT,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_replay_ends_with_its_hash() -> None:
    words = ("replay", "--seed", "2", "--scenario", "mixture")
    code, out, _ = command(*words)
    assert code == 0
    assert out.splitlines()[-1].startswith("trace ")
    assert command(*words, hash_seed="2")[1] == out
    for python in filter(None, os.environ.get("P2PCORE_PYTHONS", "").split(os.pathsep)):
        assert command(*words, python=python)[1] == out, python
    code, told, _ = command(*words, "--trace")
    assert code == 0
    assert told.splitlines()[-1] == out.splitlines()[-1]
    assert len(told.splitlines()) > 1000


def test_a_sweep_sums_up() -> None:
    code, out, _ = command("sweep", "--seeds", "3", "--scenario", "calm", "--jobs", "2")
    assert code == 0
    assert out.splitlines()[0].split() == ["calm", "3", "runs"]
    assert out.splitlines()[-1].startswith("3 runs, 0 broken")


def test_a_known_failure_is_left_as_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads it, and trying smaller runs takes forty times as long. Here, clients send all
    that they are asked for, which the scenario is there to catch."""
    monkeypatch.setattr(Windows, "blocked", lambda *_: None)
    known = KnownFailure("overload", "availability", "no overload control")
    monkeypatch.setattr(known_failures, "KNOWN_FAILURES", (known,))
    outcome = sweep._play("overload", 21, shrink=True)
    assert known_failure("overload", outcome.broken) == known
    assert outcome.scenario == draw("overload", 21)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", "--scenario", "storm"], "not 'storm'"),
        (["sweep", "--seeds", "0"], "must be at least 1, not 0"),
        (["replay", "--seed", "1", "--scenario", "calm", "--keep", "4"], "there is no fault 4"),
        ([], "COMMAND"),
    ],
)
def test_wrong_usage_is_told(words: list[str], said: str) -> None:
    code, _, err = command(*words)
    assert code == 2
    assert said in err


def test_the_scenarios_are_listed() -> None:
    code, out, _ = command("list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()][: len(SCENARIOS)] == list(SCENARIOS)
