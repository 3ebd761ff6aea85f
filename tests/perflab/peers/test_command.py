"""The comparison measures both sides, prints both tables and writes records that can be read."""

import argparse
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from perflab.peers import command as peers
from perflab.peers.comparison import Cell
from perflab.peers.published_figures import PEERS
from perflab.peers.question import QUESTIONS
from perflab.peers.stores.environments import PeerFolders
from perflab.peers.stores.etcd import ETCD
from tests.runs import read_run


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    peers.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ROOT", tmp_path)


def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "peers.json"
    args = arguments(
        "--layouts", "A", "--nodes", "4", "--repeats", "2", "--scale", "0.02", "--json", str(file)
    )
    assert peers.main(args) in (0, 1)  # whether the floor held is this machine's business
    printed = capsys.readouterr().out
    assert "beside its ceiling" in printed
    assert "libtorrent" in printed
    assert "Floor, layout A, 16 in flight, store" in printed
    run = read_run(file)
    seen = {
        (each.subject, each.name, each.parameters["in_flight"], len(each.values))
        for each in run.measurements
    }
    assert seen == {
        (side, f"{question}: {what}", in_flight, 2)
        for what in ("rate", "p50", "p99")
        for in_flight in (16, 64)
        for side, questions in (("p2pcore", QUESTIONS), ("ceiling", QUESTIONS[:2]))
        for question in questions
    }


def test_the_ratio_pairs_repeats() -> None:
    """A repeat in which the whole machine ran at half speed does not move it."""
    core, ceiling = Cell([60.0, 30.0, 61.0], [], []), Cell([100.0, 50.0, 100.0], [], [])
    assert core.ratio_to(ceiling) == pytest.approx(0.6)


def test_quoted_figures_are_complete() -> None:
    assert all(peer.name and peer.puts_per_s and peer.gets_per_s for peer in PEERS)
    assert all(re.search(r"\d{4}-\d\d-\d\d", peer.measured) and peer.source for peer in PEERS)
    assert len({peer.name for peer in PEERS}) == len(PEERS)


def test_what_is_not_there_is_a_line_and_the_rest_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "FOLDERS", PeerFolders(tmp_path / "nothing-here"))
    args = arguments(
        "--with", "kademlia", "--layouts", "A", "--repeats", "1", "--scale", "0.02",
        "--in-flight", "16",
    )  # fmt: skip
    assert peers.main(args) == 2
    printed, told = capsys.readouterr()
    assert "3 nodes, N=3" in printed
    wanted = "kademlia: its client (kademlia==2.2.3) is not below .asv/peers: --install fetches it"
    assert told.splitlines()[-1] == f"error: not measured: {wanted}"


@pytest.mark.slow
def test_a_peer_is_measured_beside_both_layouts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacks = peers.FOLDERS.missing(ETCD)
    if lacks is not None:
        pytest.skip(f"etcd: {lacks}")
    file = tmp_path / "peers.json"
    args = arguments(
        "--with", "etcd", "--in-flight", "16", "--repeats", "6", "--scale", "0.02",
        "--json", str(file),
    )  # fmt: skip
    assert peers.main(args) in (0, 1)  # whether the floor held is this machine's business
    printed, told = capsys.readouterr()
    assert "not measured" not in told
    assert "etcd: durable: a log on disk" in printed
    of_etcd = [each for each in read_run(file).measurements if each.subject.startswith("etcd")]
    assert all(len(each.values) == 6 and each.parameters["durable"] == "yes" for each in of_etcd)
    assert {(each.name, each.parameters["beside_layout"]) for each in of_etcd} == {
        (name, layout)
        for layout in "AB"
        for what in ("p50", "p99")
        for name in (
            "sync: " + what, "store: rate", "retrieve, quorum: rate",
            "store: " + what, "retrieve, quorum: " + what,
        )
    }  # fmt: skip


def test_install_is_for_peers(capsys: pytest.CaptureFixture[str]) -> None:
    assert peers.main(arguments("--install")) == 2
    assert capsys.readouterr().err == "error: --install is for the stores that --with names\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--with", "sqlite"],
        ["--nodes", "0"], ["--nodes", "2"], ["--nodes", "65"], ["--nodes", "x"],
        ["--repeats", "0"], ["--scale", "0"], ["--scale", "nan"], ["--in-flight", "3"],
    ],
)  # fmt: skip
def test_what_can_not_be_measured_is_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    peers.add_arguments(parser)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    assert end.value.code == 2
    assert words[1] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [("kill", 2), ("interrupt", 130)])
def test_it_ends_with_one_line_when_a_child_does_or_ctrl_c_comes(how: str, code: int) -> None:
    words = ["-m", "perflab", "peers", "--layouts", "A", "--nodes", "3", "--repeats", "1000"]
    with subprocess.Popen(
        [sys.executable, *words], cwd=Path(__file__).parents[3], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as comparing:  # fmt: skip
        assert comparing.stderr is not None
        while "repeat 1 of" not in comparing.stderr.readline():
            assert comparing.poll() is None
        children = psutil.Process(comparing.pid).children(recursive=True)
        if how == "kill":
            children[-1].kill()
        else:
            comparing.send_signal(signal.SIGINT)
        _, told = comparing.communicate(timeout=120)
    assert comparing.returncode == code
    assert "Traceback" not in told
    if how == "kill":
        assert f"error: child {children[-1].pid} ended with -9" in told.splitlines()[-1]
    assert not [each for each in children if each.is_running()]
