"""`p2pcore stats`: against real nodes, in every form in which it can be said."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from p2pcore import NodeInfo
from p2pcore.cli import main
from p2pcore.cli.exits import Exit
from p2pcore.cli.stats import HEADINGS, Meter
from p2pcore.cli.tables import bytes_words, rate_words, table, uptime_words
from p2pcore.ids import NodeId
from p2pcore.version import __version__
from tests.processes import PATIENCE_S, PYTHON, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and terminals")


@pytest.fixture(autouse=True)
def no_key_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2PCORE_NETWORK_KEY_FILE", raising=False)


@pytest.fixture
def three(serve: Callable[..., Any]) -> list[Any]:
    first = serve()
    return [first, serve("--join", first.address), serve("--join", first.address)]


@pytest.fixture
def watch() -> Iterator[Callable[..., Any]]:
    """Starts `p2pcore stats` with these words, its output in a pipe; ends it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, **options: Any) -> "subprocess.Popen[str]":
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        command = [*PYTHON, "-m", "p2pcore", "stats", *words]
        started.append(subprocess.Popen(command, env=environment(), text=True, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_one_node(three: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    node = three[1]
    assert main(["put", "k", "v" * 624, "--via", node.address]) == 0
    capsys.readouterr()
    assert main(["stats", node.address]) == 0
    text = capsys.readouterr().out
    for pattern in (
        rf"^node +{node.address}$",
        rf"^id +{node.node_id}$",
        rf"^version +{re.escape(__version__)}$",
        r"^state +ready, up 0:0\d:\d\d$",
        r"^other nodes +2$",
        r"^records +1, 1.0 KiB of 1.0 GiB$",
        r"^stores +1$",
    ):
        assert re.search(pattern, text, re.MULTILINE), (pattern, text)
    assert main(["stats", node.node_id, "--via", three[0].address, "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["id"], fields["address"]) == (node.node_id, node.address)
    assert (fields["stored_records"], fields["stored_bytes"]) == (1, 1024)
    assert fields["counters"]["stores"] == 1
    assert "per_s" not in fields  # there is nothing to compare with


def test_a_whole_network(three: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    via = ["--via", three[2].address]
    assert main(["put", "k", "v", *via]) == 0
    capsys.readouterr()
    assert main(["stats", *via]) == 0
    head, _, headings, *rows, total = capsys.readouterr().out.splitlines()
    assert head == f"3 node(s), 3 answered; N=3 W=2 R=2; version {__version__}"
    assert tuple(headings.split()) == HEADINGS
    assert {row.split()[0] for row in rows} == {node.address for node in three}
    assert total.split()[:7] == ["all", "3", "that", "answered", "3", "ready", "3"]
    assert main(["stats", *via, "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert fields["totals"]["record_copies"] == {"total": 3, "nodes": 3}
    assert fields["totals"]["ready_nodes"] == {"total": 3, "nodes": 3}
    assert (fields["covered"], fields["unanswered"], fields["replication_factor"]) == (1.0, [], 3)


def test_a_node_that_hangs_is_named(three: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    three[1].process.send_signal(signal.SIGSTOP)
    assert main(["stats", "--via", three[0].address]) == 0
    text = capsys.readouterr().out
    assert text.startswith("3 node(s), 2 answered;")
    assert f"no answer from {three[1].address}: " in text
    assert main(["stats", "--via", three[0].address, "--max-nodes", "1", "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert (fields["answered"], fields["unasked"]) == (1, 1)
    assert [node["address"] for node in fields["unanswered"]] == [three[1].address]


def test_watching_in_lines(
    serve: Callable[..., Any], watch: Callable[..., Any], command: Callable[..., Any]
) -> None:
    node = serve("--replicas", "1")
    process = watch("--via", node.address, "--watch", "0.1")
    first = process.stdout.readline()
    assert f" {node.address} {node.node_id[:12]} ready uptime_s=" in first
    assert first.endswith("ops_per_s=- bytes_in_per_s=- bytes_out_per_s=-\n")
    assert command("put", "k", "v", "--via", node.address).returncode == 0
    for line in process.stdout:  # until the put shows in a rate
        assert re.search(r"ops_per_s=\d+\.\d bytes_in_per_s=\d", line), line
        if "ops_per_s=0.0" not in line:
            break
    node.end()
    while "Connection refused" not in (line := process.stderr.readline()):
        assert line, "it ended because of a node that went"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert "Traceback" not in process.stderr.read()


def test_watching_as_json(serve: Callable[..., Any], watch: Callable[..., Any]) -> None:
    node = serve("--replicas", "1")
    process = watch(node.address, "--watch", "0.1", "--json")
    one, two = (json.loads(process.stdout.readline()) for _ in range(2))
    span_s = two["uptime_s"] - one["uptime_s"]
    growth = two["counters"]["bytes_out"] - one["counters"]["bytes_out"]
    assert two["per_s"]["bytes_out"] == pytest.approx(growth / span_s, abs=0.01)
    process.stdout.close()  # a reader that has enough
    assert process.wait(PATIENCE_S) == Exit.READER_GONE
    assert "Traceback" not in process.stderr.read()


def test_watching_on_a_terminal(serve: Callable[..., Any], watch: Callable[..., Any]) -> None:
    node = serve("--replicas", "1")
    ours, theirs = pty.openpty()
    try:
        process = watch(node.address, "--watch", "0.1", stdout=theirs, stdin=theirs)
        os.close(theirs)
        seen = b""
        while seen.count(b"\x1b[H") < 3:  # drawn over what was there
            seen += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    finally:
        os.close(ours)
    assert b"every 0.1 s, now " in seen
    assert b"lines more" in seen  # a terminal of 24 lines at most
    assert all(len(line) <= 90 for line in re.split(rb"\x1b\[[HJK]|\r\n", seen))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "stats needs NODE, for one node, or --via, for the whole network"),
        (["ab" * 32], "a node that is named by its id needs --via"),
        (["nonsense"], "'nonsense' is not host:port, host:port#id, or an id of 64 hex digits"),
        (["h:1", "--watch", "0"], "--watch must be at least 0.1 s, not 0"),
        (["h:1", "--watch", "often"], "'often' is not a number of seconds"),
        (["--via", "h:1", "--max-nodes", "0"], "'0' is not a whole number of 1 or more"),
    ],
)
def test_wrong_usage(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", *words]) == Exit.USAGE
    assert text in capsys.readouterr().err


def test_nobody_there(serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    node = serve("--replicas", "1")
    assert main(["stats", "07" * 32, "--via", node.address]) == Exit.NETWORK
    assert f"the network knows no node {'07' * 32}" in capsys.readouterr().err
    node.end()
    assert main(["stats", node.address, "--watch", "1"]) == Exit.NETWORK


def info(uptime_s: float, **counters: int) -> NodeInfo:
    return NodeInfo(NodeId(b"n" * 32), "h:1", "1", uptime_s, True, 0, 0, 0, 0, 1, counters)


def test_rates_are_of_one_run_of_a_node() -> None:
    meter = Meter()
    assert meter.rates(info(10, stores=5)) == {}
    assert meter.rates(info(12, stores=9, new=3)) == {"stores": 2.0}
    assert meter.rates(info(1, stores=1, new=1)) == {}  # it was started anew
    assert meter.rates(info(2, stores=3, new=1)) == {"stores": 2.0, "new": 0.0}


def test_numbers_in_words() -> None:
    sizes = [bytes_words(n) for n in (0, 1023, 1024, 1536, 250 << 10, 1 << 30, 1 << 60)]
    assert sizes == ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "250 KiB", "1.0 GiB", "1024 PiB"]
    assert [rate_words(n) for n in (None, 0, 9.96, 1234.5)] == ["-", "0.0", "10.0", "1,234"]
    assert [uptime_words(s) for s in (0, 59.9, 3661, 90061)] == [
        "0:00:00", "0:00:59", "1:01:01", "1d 01:01:01",
    ]  # fmt: skip
    assert table([("a", "b"), ("cc\x1b[2J", "ddd")]) == ["a            b", "cc\\x1b[2J  ddd"]


def test_what_a_node_thinks_of_the_others(
    three: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    node = three[0]
    assert main(["stats", node.address]) == 0
    text = capsys.readouterr().out
    others = sorted(each.address for each in three[1:])
    rows = text[text.index("peer ") :].splitlines()
    assert rows[0].split() == ["peer", "id", "state", "strain", "round", "trip", "hedges"]
    assert sorted(row.split()[0] for row in rows[1:]) == others
    assert main(["stats", node.address, "--json"]) == 0
    peers = json.loads(capsys.readouterr().out)["peers"]
    assert sorted(peer["address"] for peer in peers) == others
    fields = {"id", "address", "strain", "late", "outlier", "suspect", "round_trip_ms", "hedges"}
    assert all(set(peer) == fields for peer in peers)
