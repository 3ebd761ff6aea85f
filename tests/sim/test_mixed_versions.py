"""Nodes of this tree and of the release before it in one simulated network: the promise holds.

The same with processes and sockets: tests/e2e/test_mixed_versions.py and test_upgrade.py.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from p2pcore.config import CoordinatorConfig
from p2pcore.effects import Send
from p2pcore.ids import NodeId
from p2pcore.machine import Streams
from p2pcore.node import Node
from p2pcore.sim.explore.play import Outcome, play
from p2pcore.sim.explore.scenarios import draw
from p2pcore.sim.hosts import applications
from tests.e2e.versions import OLDER, tree_of
from tests.sim.older import OlderCore, OlderNode

IsOlder = Callable[[int, NodeId], bool]
"""Of each process: how many there were before, and who it is."""


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> OlderCore:
    folder = tmp_path_factory.mktemp("older")
    tree_of(OLDER, folder, "p2pcore")
    return OlderCore(folder)


class Nodes:
    """Makes the machine of each process that boots, of one version or of the other."""

    def __init__(self, core: OlderCore, is_older: IsOlder) -> None:
        self._core = core
        self._is_older = is_older
        self.older = self.newer = 0

    def __call__(
        self, config: CoordinatorConfig, node_id: NodeId, streams: Streams, *, disk: bool = False
    ) -> Any:
        assert not disk
        if self._is_older(self.older + self.newer, node_id):
            self.older += 1
            return OlderNode(self._core, config, node_id, streams)
        self.newer += 1
        return Node(config, node_id, streams)


def half(_: int, node_id: NodeId) -> bool:
    return node_id[0] % 2 == 0


def kept(outcome: Outcome) -> None:
    assert outcome.ok, f"{outcome.broken}: {outcome.text}\n" + "\n".join(outcome.story)
    assert outcome.acknowledged
    assert outcome.read


@pytest.mark.parametrize("name", ["calm", "restart", "partition", "tombstones", "mixed"])
def test_half_of_the_nodes_are_older(
    name: str, core: OlderCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = Nodes(core, half)
    monkeypatch.setattr(applications, "Node", nodes)
    kept(play(draw(name, 0)))
    assert nodes.older
    assert nodes.newer


def test_one_node_after_the_other_is_upgraded(
    core: OlderCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each ends, without a word, and comes back newer; nobody fails in the meantime."""
    count, gap_s = 6, 15.0
    nodes = Nodes(core, lambda before, _: before < count)
    monkeypatch.setattr(applications, "Node", nodes)
    ends = [
        {
            "fault": "crash",
            "at_s": 2 + gap_s * n,
            "for_s": 1.0,
            "nodes": [f"n{n + 1}"],
            "disk": True,
        }
        for n in range(count)
    ]
    calm = replace(draw("calm", 0), nodes=count, quorums=(3, 2, 2), faults=tuple(ends))
    outcome = play(replace(calm, over_s=gap_s * count, operations=600, max_failed=0.0))
    kept(outcome)
    assert (nodes.older, nodes.newer) == (count, count)
    assert outcome.failed == 0


def test_the_older_one_is_another(core: OlderCore) -> None:
    """Or all of this would try this tree against itself."""
    assert core["node"].Node is not Node
    assert core["effects"].Send is not Send
