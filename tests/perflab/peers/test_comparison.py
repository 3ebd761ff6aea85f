"""What is kept of answers, and of whom nothing is kept."""

import pytest

from benchmarks.common.children import ChildError
from benchmarks.common.workload import WorkloadOutcome
from perflab.peers.comparison import Answers, Comparing, Side
from perflab.peers.stores.environments import PeerFolders
from perflab.peers.stores.etcd import ETCD
from perflab.peers.stores.running import RunningPeer


def answers(operations: int, in_flight: int, repeat: int) -> Answers:
    outcome = WorkloadOutcome(
        operations=operations, in_flight=in_flight, elapsed_s=operations / (100 * repeat or 1),
        cpu_s=0.0, latencies_s=[0.001 * (n + 1) for n in range(operations)], errors={},
    )  # fmt: skip
    return {"store": outcome}


class Asked:
    """Answers until told what to raise, and counts."""

    def __init__(self) -> None:
        self.raises: RuntimeError | None = None
        self.asked: list[tuple[int, int, int]] = []

    def __call__(self, operations: int, in_flight: int, repeat: int) -> Answers:
        self.asked.append((operations, in_flight, repeat))
        if self.raises is not None:
            raise self.raises
        return answers(operations, in_flight, repeat)


@pytest.fixture
def peer(tmp_path_factory: pytest.TempPathFactory) -> RunningPeer:
    return RunningPeer(ETCD, PeerFolders(tmp_path_factory.mktemp("peers")), "asyncio")


def test_the_first_repeat_does_not_count_and_shares_are_kept() -> None:
    comparing, asked = Comparing(0.5, print), Asked()
    side = Side("p2pcore", 0.2, asked)
    for repeat in range(3):
        comparing.ask(side, "A", 16, repeat)
    assert asked.asked == [(250, 16, 0), (250, 16, 1), (250, 16, 2)]
    cell = comparing.compared.found["A", 16, "p2pcore", "store"]
    assert cell.rates == pytest.approx([100, 200])
    assert cell.p50_s == pytest.approx([0.125, 0.125])
    assert cell.p99_s == pytest.approx([0.248, 0.248])


def test_at_least_what_is_in_flight_is_asked() -> None:
    comparing, asked = Comparing(0.01, print), Asked()
    comparing.ask(Side("p2pcore", 0.1, asked), "A", 64, 0)
    assert asked.asked == [(64, 64, 0)]


def test_wrong_answers_cost_a_peer_one_number_in_flight(peer: RunningPeer) -> None:
    said: list[str] = []
    comparing, asked = Comparing(1, said.append), Asked()
    side = Side("etcd (grpcio)", 1, asked, peer)
    for in_flight in (1, 16):
        comparing.ask(side, "A", in_flight, 1)
    asked.raises = RuntimeError("2500 operations gave errors: {'WrongValueError': 1}")
    comparing.ask(side, "A", 16, 2)
    asked.raises = None
    comparing.ask(side, "A", 16, 3)  # not asked again, and nothing is left of what it had done
    comparing.ask(side, "A", 1, 3)
    comparing.ask(side, "B", 16, 1)
    assert [each[1:] for each in asked.asked] == [(1, 1), (16, 1), (16, 2), (1, 3), (16, 1)]
    kept = {place[:2]: len(cell.rates) for place, cell in comparing.compared.found.items()}
    assert kept == {("A", 1): 2, ("B", 16): 1}
    assert comparing.compared.failed == [
        "etcd (grpcio), beside layout A, 16 in flight: "
        "2500 operations gave errors: {'WrongValueError': 1}"
    ]
    assert said == [f"not measured: {comparing.compared.failed[0]}"]


def test_a_peer_that_is_gone_loses_all_of_a_layout(peer: RunningPeer) -> None:
    comparing, asked = Comparing(1, print), Asked()
    side = Side("etcd (grpcio)", 1, asked, peer)
    comparing.ask(side, "A", 1, 1)
    comparing.ask(side, "B", 1, 1)
    asked.raises = ChildError("member 1 ended with 2: no\nspace left")
    comparing.ask(side, "B", 16, 1)
    comparing.ask(side, "B", 1, 2)
    assert [place[0] for place in comparing.compared.found] == ["A"]
    assert comparing.compared.failed == [
        "etcd (grpcio), beside layout B: member 1 ended with 2: no space left"
    ]


def test_a_core_that_fails_ends_the_run() -> None:
    comparing, asked = Comparing(1, print), Asked()
    asked.raises = RuntimeError("wrong")
    with pytest.raises(RuntimeError, match="wrong"):
        comparing.ask(Side("p2pcore", 1, asked), "A", 16, 1)
