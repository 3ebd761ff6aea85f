"""What is played next, what counts of what is there, and what it all comes to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from perflab.chaos.endurance import (
    BROKEN,
    KEPT,
    UNFINISHED,
    DoneOtherwiseError,
    done_in,
    endure,
    next_piece,
)

WANTED = {"kills": 70, "power_cuts": 25, "flips": 100}
CODE = {"commit": "abc"}


Play = Callable[[list[str]], int]


def option(words: list[str], name: str) -> int:
    return int(words[words.index(name) + 1])


def player(played: list[list[str]], breaks: Callable[[int], bool] = lambda number: False) -> Play:
    """Pieces that do what they are asked to."""

    def play(words: list[str]) -> int:
        played.append(words)
        figures = {"writes_acknowledged": 10}
        if words[0] == "flips":
            figures["flips"] = option(words, "--flips")
        elif words[0] == "storm":
            figures["kills"] = option(words, "--kills")
        elif "--power" in words:
            figures["power_cuts"] = option(words, "--cuts")
        else:
            figures["kills"] = option(words, "--cuts") * option(words, "--nodes")
        kept = not breaks(len(played))
        folder = Path(words[words.index("--out") + 1])
        folder.mkdir()
        outcome = {"scenario": words[0], "figures": figures, "kept": kept}
        (folder / "outcome.json").write_text(json.dumps(outcome))
        return KEPT if kept else BROKEN

    return play


def go(folder: Path, play: Play, seconds: float = 1e9, seed: int = 3) -> int:
    return endure(
        folder, WANTED, seconds=seconds, seed=seed, of=CODE, play=play, say=lambda _: None
    )


def test_all_is_done_once_and_no_more(tmp_path: Path) -> None:
    played: list[list[str]] = []
    assert go(tmp_path, player(played)) == KEPT
    number, done, broken = done_in(tmp_path)
    assert (number, broken) == (len(played), [])
    assert done["power_cuts"] == 25
    assert done["flips"] == 100
    assert 70 <= done["kills"] < 75  # whole networks
    assert {words[0] for words in played} == {"storm", "blackout", "flips"}
    assert len({option(words, "--seed") for words in played}) == len(played)
    assert go(tmp_path, player(played)) == KEPT
    assert len(played) == number


def test_it_goes_on_where_it_ended_and_a_part_is_no_whole(tmp_path: Path) -> None:
    played: list[list[str]] = []
    assert go(tmp_path, player(played), seconds=0) == UNFINISHED
    assert played == []

    def interrupted(words: list[str]) -> int:
        if len(played) == 2:
            Path(words[words.index("--out") + 1]).mkdir()  # and no record in it
            raise KeyboardInterrupt
        return player(played)(words)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, interrupted)
    assert go(tmp_path, player(played)) == KEPT
    number, done, _ = done_in(tmp_path)
    assert number == len(played) + 1  # the one that did not end
    assert done["power_cuts"] == 25


def test_one_broken_piece_breaks_it(tmp_path: Path) -> None:
    played: list[list[str]] = []
    assert go(tmp_path, player(played, lambda number: number == 2)) == BROKEN
    assert done_in(tmp_path)[1]["flips"] == 100  # it goes on, and tells at the end
    assert go(tmp_path, player(played)) == BROKEN


def test_what_could_not_be_measured_ends_it(tmp_path: Path) -> None:
    assert go(tmp_path, lambda words: 2) == 2


def test_pieces_of_other_code_do_not_count(tmp_path: Path) -> None:
    go(tmp_path, player([]), seconds=0)
    with pytest.raises(DoneOtherwiseError, match="--out needs another"):
        go(tmp_path, player([]), seed=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(DoneOtherwiseError, match="is not empty"):
        go(tmp_path / "other", player([]))


def test_no_goal_is_nothing_to_do() -> None:
    assert next_piece({}, {"kills": 0, "flips": 0}) is None
    assert next_piece({}, {"kills": 0, "power_cuts": 1, "flips": 0}) == [
        "blackout", "--power", "yes", "--cuts", "1", "--keys", "500",
    ]  # fmt: skip
