"""What is printed of measured peers: ratios with their intervals, and what they promise."""

from pathlib import Path

import pytest

from perflab.peers.comparison import Cell, Compared
from perflab.peers.measurements import run_of
from perflab.peers.stores.environments import PeerFolders
from perflab.peers.stores.etcd import ETCD
from perflab.peers.stores.nats import NATS
from perflab.peers.stores.running import RunningPeer
from perflab.peers.tables import of_peers, print_found

REPEATS = 9


def cell(rate: float) -> Cell:
    """The whole machine grows slower from repeat to repeat."""
    rates = [rate / (1 + n / 10) for n in range(REPEATS)]
    return Cell(rates, [1 / each for each in rates], [9 / each for each in rates])


@pytest.fixture
def peers(tmp_path: Path) -> list[RunningPeer]:
    made = [RunningPeer(each, PeerFolders(tmp_path), "asyncio") for each in (ETCD, NATS)]
    made[0].versions, made[0].file_system = {"etcd": "3.4.23"}, "ext4"
    return made


@pytest.fixture
def compared() -> Compared:
    found = {
        ("A", 16, "p2pcore", "store"): cell(6000),
        ("A", 16, "p2pcore", "retrieve, quorum"): cell(8000),
        ("A", 16, "ceiling", "store"): cell(20000),
        ("A", 16, "ceiling", "retrieve, one replica"): cell(40000),
        ("A", 16, "etcd (grpcio)", "store"): cell(2000),
        ("A", 16, "etcd (grpcio)", "retrieve, quorum"): cell(2000),
    }
    syncs = {("A", "etcd"): [[0.001] * 98 + [0.004] * 2]}
    return Compared(found, syncs, [])


def test_measured_and_quoted_do_not_share_a_table(
    compared: Compared, peers: list[RunningPeer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_found(compared, 3, "asyncio", peers, (0.5, 2.25)) == []
    printed = capsys.readouterr().out
    measured, quoted = printed.split("Quoted, not measured in this run")
    assert "Peers, measured in this run: 3 members each, p2pcore with 3 nodes" in measured
    assert "3.00 (3.00–3.00)" in measured
    assert "4.00 (4.00–4.00)" in measured
    assert "Load of the machine: 0.5 before, 2.2 after" in measured
    assert "libtorrent" in quoted
    assert "before 2026-11-23" in quoted
    assert "libtorrent" not in measured
    assert "etcd" not in quoted


def test_without_peers_there_is_nothing_of_them(
    compared: Compared, capsys: pytest.CaptureFixture[str]
) -> None:
    print_found(compared, 3, "asyncio", [], (0.0, 0.0))
    assert "Peers, measured" not in capsys.readouterr().out


def test_whether_durable_is_said_and_what_a_sync_cost(
    compared: Compared, peers: list[RunningPeer]
) -> None:
    promised, sync = of_peers(peers[0], compared)
    assert promised.startswith("etcd: durable: ")
    assert promised.endswith("etcd 3.4.23.")
    assert "fdatasync of 1 KiB on ext4, 100 times beside layout A" in sync
    assert "P50 1.00, P99 4.00 ms" in sync
    (alone,) = of_peers(peers[1], compared)
    assert alone.startswith("nats: not durable: ")


def test_a_durable_peer_is_held_against_a_durable_core(
    compared: Compared, peers: list[RunningPeer], capsys: pytest.CaptureFixture[str]
) -> None:
    compared.found |= {
        ("A", 16, "p2pcore, synced", "store"): cell(3000),
        ("A", 16, "p2pcore, synced", "retrieve, quorum"): cell(8000),
        ("A", 16, "p2pcore, raw log", "store"): cell(4000),
        ("A", 16, "p2pcore, raw log", "retrieve, quorum"): cell(8000),
        ("A", 16, "nats (nats-py)", "store"): cell(1000),
        ("A", 16, "nats (nats-py)", "retrieve, quorum"): cell(1000),
    }
    compared.syncs_s["A", "p2pcore"] = [[0.002] * 50]
    print_found(compared, 3, "asyncio", peers, (0.5, 2.25))
    printed = capsys.readouterr().out
    assert "p2pcore: a sync meanwhile (fdatasync of 1 KiB on the disk, 50 times" in printed
    assert "synced to disk beside durable peers, else not durable: in memory" in printed
    rows = [[each.strip() for each in line.split("│")] for line in printed.splitlines()]
    stores = {row[1]: row for row in rows if len(row) > 5 and "store" in row}
    assert stores["synced"][6:8] == ["0.50 (0.50–0.50)", "0.75 (0.75–0.75)"]
    assert stores["raw log"][6:8] == ["0.67 (0.67–0.67)", "1.00 (1.00–1.00)"]
    assert stores["etcd (grpcio)"][2] == "yes"
    assert stores["etcd (grpcio)"][6] == "synced"
    assert "1.50 (1.50–1.50)" in stores["etcd (grpcio)"]
    assert stores["nats (nats-py)"][2] == "no"
    assert stores["nats (nats-py)"][6] == "in memory"
    assert "6.00 (6.00–6.00)" in stores["nats (nats-py)"]
    run = run_of(compared, 3, "asyncio", "2026-11-28T21:00:00+00:00", peers, (0.5, 2.25))
    over = {
        (each.subject, each.parameters["peer"]): each.values[0]
        for each in run.measurements
        if each.name == "store: rate over a peer's"
    }
    assert over == {
        ("p2pcore, synced", "etcd (grpcio)"): pytest.approx(1.5),
        ("p2pcore", "nats (nats-py)"): pytest.approx(6),
    }
    kept = {
        each.subject: each.parameters.get("records")
        for each in run.measurements
        if each.name == "store: rate" and each.subject.startswith("p2pcore")
    }
    assert kept == {
        "p2pcore": "memory", "p2pcore, synced": "synced", "p2pcore, raw log": "raw log",
    }  # fmt: skip
    assert [each.values for each in run.measurements if each.subject == "disk"] == [[0.002]] * 2


def test_records_say_beside_what_and_whether_durable(
    compared: Compared, peers: list[RunningPeer]
) -> None:
    run = run_of(compared, 3, "asyncio", "2026-11-28T21:00:00+00:00", peers, (0.5, 2.25))
    named = {(each.subject, each.name): each for each in run.measurements}
    stores = named["etcd (grpcio)", "store: rate"]
    assert stores.values == cell(2000).rates
    assert (stores.layout, stores.nodes, stores.processes) == ("B", 3, 4)
    assert stores.parameters["beside_layout"] == "A"
    assert stores.parameters["durable"] == "yes"
    ratio = named["p2pcore", "store: rate over a peer's"]
    assert ratio.values == pytest.approx([3] * REPEATS)
    assert ratio.parameters == {"in_flight": 16, "peer": "etcd (grpcio)"}
    assert named["etcd", "sync: p99"].values == [0.004]
    assert named["etcd", "sync: p50"].parameters["file_system"] == "ext4"
    assert named["machine", "load before and after"].values == [0.5, 2.25]
    assert run.versions["etcd: etcd"] == "3.4.23"
    alone = run_of(compared, 3, "asyncio", "2026-11-28T21:00:00+00:00", [], (0.5, 2.25))
    assert {each.subject for each in alone.measurements} == {"p2pcore", "ceiling"}
