"""The command goes on where it ended, refuses what is not its, and says what the record says."""

import argparse
from pathlib import Path

import pytest

from perflab.scaling import command
from perflab.scaling.record import (
    ScalingError,
    ScalingHead,
    ScalingRow,
    append_scaling,
    read_scaling,
)
from perflab.scaling.report import scaling_report
from perflab.scaling.run import questions

LIMITS = {"pool_size": 256.0, "max_connections": 1024.0, "crawl_nodes": 256.0}
HEAD = ScalingHead(commit="a" * 40, began="2026-11-29T13:00:00+00:00", limits=LIMITS)


def made_up(play: str, nodes: int) -> dict[str, float]:
    """Figures of known laws: nodes known are 20 for each doubling, a store needs 3 - 600/N
    connections."""
    doublings = nodes.bit_length() - 1
    if play == "sockets":
        names = ("store_nodes", "store_client", "retrieve_nodes", "retrieve_client", "connection")
        return {f"{name}_cpu_s": 60e-6 for name in names} | {
            "store_messages": 6.0,
            "retrieve_messages": 4.0,
        }
    if play == "members":
        return {
            "known": 20.0 * doublings, "links": 21.0 * doublings, "join_messages": 50.0 * doublings,
            "calm_messages_per_s": 26.0, "calm_bytes_per_s": 240.0,
        }  # fmt: skip
    if play == "operations":
        return {"lookup_hops": doublings / 8}
    opened = max(0.0, 3 - 600 / nodes)
    return {
        "store_messages": 6 + 2 * opened, "store_connections": opened,
        "retrieve_messages": 4 + 2 * opened, "retrieve_connections": opened,
    }  # fmt: skip


def recorded(file: Path) -> None:
    append_scaling(file, HEAD)
    for play, nodes, seed, _ in questions(4096):
        figures = made_up(play, nodes)
        append_scaling(file, ScalingRow(play=play, nodes=nodes, seed=seed, figures=figures))


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


def test_the_report_says_what_follows_from_the_figures(tmp_path: Path) -> None:
    recorded(tmp_path / "scaling.jsonl")
    said = scaling_report(*read_scaling(tmp_path / "scaling.jsonl"))
    lines = {each.split(" | ")[0].removeprefix("| "): each for each in said.splitlines()}
    assert "Of commit `aaaaaaaa`" in said
    # 120 µs are 6 messages, so 20 each; and 60 a connection.
    assert lines["a store"].split(" | ")[1] == "120"
    assert lines["nodes that a node knows"].split(" | ")[1] == "a + b log2 N"
    assert "399" in lines["nodes that a node knows"]  # at a million
    assert "simulated" in lines["a client opens a connection for each store"]
    assert (
        " | 7,100 | by law" in lines["a node knows more nodes than it keeps connections to (256)"]
    )
    assert "not up to 1,000,000" in lines["a node has as many connections as it takes (1024)"]


def test_it_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C comes in the middle, and leaves half a line."""
    played: list[tuple[str, int, int]] = []

    def play(question: dict[str, float], core_dir: str, answer_s: float) -> dict[str, float]:
        place = question["play"], question["nodes"], question["seed"]
        played.append(place)
        if len(played) == 5:
            raise KeyboardInterrupt
        return made_up(*place[:2])

    monkeypatch.setattr(command, "play_one", play)
    monkeypatch.setattr(command, "on_sockets", lambda nodes, seed: made_up("sockets", nodes))
    words = ("--out", str(tmp_path), "--nodes", "2048")
    with pytest.raises(KeyboardInterrupt):
        command.main(options(*words))
    file = tmp_path / "scaling.jsonl"
    with file.open("a") as out:
        out.write('{"play": "mem')
    assert command.main(options(*words, "--minutes", "0")) == 2
    assert "not done yet" in capsys.readouterr().err
    assert command.main(options(*words)) == 0
    assert "What breaks first" in capsys.readouterr().out
    _, rows = read_scaling(file)
    asked = [each[:3] for each in questions(2048)]
    assert [(row.play, row.nodes, row.seed) for row in rows] == asked
    assert len(played) == 1 + sum(play != "sockets" for play, _, _ in asked)
    assert command.main(options(*words, "--report")) == 0


def test_a_record_of_another_commit_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "scaling.jsonl"
    append_scaling(file, HEAD)
    before = file.read_bytes()
    assert command.main(options("--out", str(tmp_path))) == 2
    assert "of commit aaaaaaaa" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize("nodes", ["1023", "16385"])
def test_sizes_have_limits(nodes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(options("--nodes", nodes)) == 2
    assert f"--nodes is 1024 to 16384, not {nodes}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is nothing in it"),
        ("no JSON\n", "line 1"),
        ('{"format": "another", "version": 1, "commit": "", "began": "", "limits": {}}\n', "only"),
    ],
)
def test_files_that_are_no_record(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "scaling.jsonl"
    file.write_text(text)
    with pytest.raises(ScalingError, match=said):
        read_scaling(file)


def test_figures_of_too_few_sizes_have_no_law() -> None:
    """A client's connections are none until its pool is too small for the network."""
    rows = [
        ScalingRow(play=play, nodes=nodes, seed=seed, figures=made_up(play, nodes))
        for play, nodes, seed, _ in questions(4096)
        if nodes <= 512 or play != "settled"
    ]
    said = scaling_report(HEAD, rows)
    assert "| connections that it opens | too few sizes, or no law that holds |" in said
    assert "| nodes that a node knows | a + b log2 N |" in said


def test_a_law_that_misses_the_largest_sizes_is_not_told() -> None:
    """Joins whose messages rise at once from 1,024 nodes on: no smaller size shows it."""
    rows = [
        ScalingRow(
            play=play, nodes=nodes, seed=seed,
            figures=made_up(play, nodes)
            | ({"join_messages": 5000.0 if nodes >= 1024 else 40.0} if play == "members" else {}),
        )
        for play, nodes, seed, _ in questions(4096)
    ]  # fmt: skip
    said = scaling_report(HEAD, rows)
    assert "| messages of a join | too few sizes, or no law that holds |" in said
    assert "| nodes that a node knows | a + b log2 N |" in said
