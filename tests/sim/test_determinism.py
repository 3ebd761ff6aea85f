"""The same seed gives the same run, whatever the process, the hash seed and the Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from p2pcore.sim import Churn, Partition, World

ROOT = Path(__file__).parent.parent.parent

PROGRAM = """
from p2pcore.sim import Byzantine, Churn, Partition, WAN, World
world = World(seed=11, link=WAN)
world.swarm(12, regions=("london", "tokyo", "dallas"))
client = world.client(region="madrid")
world.apply(Churn(session_s=20, for_s=30, keep=("n1", "n2", "n3")))
world.apply(Partition(at_s=5, for_s=10, share=0.3))
world.apply(Byzantine(at_s=1, behaviour="liar"))
for number in range(40):
    world.after(number, lambda key=f"key {number % 10}": client.start_store(key, key.encode()))
world.run(45)
world.check()
print(world.trace_hash, world.accounting.sent, world.engine.executed)
"""


def outcome(python: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def here() -> str:
    return outcome(sys.executable, "1")


def test_whatever_the_hash_seed(here: str) -> None:
    assert outcome(sys.executable, "2") == here


def test_whatever_the_python(here: str) -> None:
    """P2PCORE_PYTHONS names further interpreters with the dependencies of p2pcore, separated as in
    PATH."""
    pythons = [each for each in os.environ.get("P2PCORE_PYTHONS", "").split(os.pathsep) if each]
    if not pythons:
        pytest.skip("P2PCORE_PYTHONS names no other interpreter")
    for python in pythons:
        assert outcome(python, "3") == here, python


def test_another_seed_is_another_run() -> None:
    hashes = []
    for seed in (1, 2, 1):
        world = World(seed=seed)
        world.swarm(4)
        world.client().store("key", b"value")
        hashes.append(world.trace_hash)
    assert hashes[0] == hashes[2] != hashes[1]


def test_listeners_and_stories_change_nothing() -> None:
    hashes = []
    for story in (None, [].append):
        world = World(seed=3, story=story, faults=[Partition(at_s=2, for_s=3), Churn(session_s=9)])
        world.on_operation.append(lambda operation: None)
        world.swarm(5)
        world.run(12)
        hashes.append(world.trace_hash)
    assert hashes[0] == hashes[1]
