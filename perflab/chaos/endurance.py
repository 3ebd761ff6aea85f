"""Kills, cuts of the power and flipped bits by the thousand, in pieces.

Theory of operation. A piece is a run of another scenario, with a folder of its own and a seed that
follows from its number; its record says what it has done. So all that is known is in the folder:
who is interrupted loses one piece, and the next call goes on behind the last. The next piece is of
the kind of which the smallest share is done. Pieces of other code do not count, and are refused.

Rule: decides what is played next, and adds up; plays nothing itself.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["DoneOtherwiseError", "done_in", "endure", "next_piece"]

KEPT, BROKEN, UNFINISHED = 0, 1, 2
ABOUT = "endurance.json"
# What one piece does at most: half a minute to two minutes of it.
STORM_KILLS, BLACKOUTS, CUTS, FLIPS = 6, 10, 20, 64
ONE_BY_ONE = 10  # of so many kills, one hits a node alone: the others wait half a minute for it
NODES = 5  # of a network in which nodes are killed
FEW_KEYS = "500"  # all are read in a second or two


class DoneOtherwiseError(ValueError):
    """The folder has pieces of other code, or other seeds."""


def endure(
    folder: Path,
    wanted: Mapping[str, int],
    *,
    seconds: float,
    seed: int,
    of: Mapping[str, Any],
    play: Callable[[list[str]], int],
    say: Callable[[str], None],
) -> int:
    """Play pieces until there was as much of everything as is `wanted`, or no time is left.

    Args:
        folder: has what was done before, and gets a folder for each piece.
        wanted: how many "kills", "power_cuts" and "flips".
        of: what tells the code of one piece from that of another.
        play: runs a scenario by its words; returns its exit code.

    Returns:
        The exit code: of a piece that could not be measured as well.

    Raises:
        DoneOtherwiseError: what is in the folder is of other code, or another seed.
    """
    _claim(folder, {"seed": seed, **of})
    end = time.monotonic() + seconds
    while True:
        number, done, broken = done_in(folder)
        piece = next_piece(done, wanted)
        told = ", ".join(f"{done[what]:,} of {count:,} {what}" for what, count in wanted.items())
        say(f"{number} pieces, {len(broken)} broken: {told}")
        if piece is None or time.monotonic() >= end:
            break
        words = [*piece, "--seed", str(seed * 10_000 + number)]
        code = play([*words, "--out", str(folder / f"{number:04}-{piece[0]}")])
        if code not in (KEPT, BROKEN):
            return code
    for name in broken:
        say(f"BROKEN: {name}: see its outcome.json")
    if broken:
        return BROKEN
    return KEPT if piece is None else UNFINISHED


def _claim(folder: Path, this: dict[str, Any]) -> None:
    """Note what the pieces in a folder are of; DoneOtherwiseError if that is something else."""
    about = folder / ABOUT
    folder.mkdir(parents=True, exist_ok=True)
    if about.exists():
        found = json.loads(about.read_text(encoding="utf-8"))
        if found != this:
            text = f"{folder} has pieces of {found}, this is {this}: --out needs another directory"
            raise DoneOtherwiseError(text)
    elif any(folder.iterdir()):
        raise DoneOtherwiseError(f"{folder} is not empty, and has no {ABOUT}")
    else:
        about.write_text(json.dumps(this) + "\n", encoding="utf-8")


def done_in(folder: Path) -> tuple[int, Counter[str], list[str]]:
    """The number of the next piece, what all before it have done, and the names of the broken."""
    done: Counter[str] = Counter()
    broken, number = [], 0
    for piece in sorted(each for each in folder.iterdir() if each.is_dir()):
        number = int(piece.name.partition("-")[0]) + 1
        record = piece / "outcome.json"
        if not record.exists():  # interrupted, or could not be measured
            continue
        outcome = json.loads(record.read_text(encoding="utf-8"))
        for what in ("kills", "power_cuts", "flips", "writes_acknowledged", "reads_answered"):
            done[what] += int(outcome["figures"].get(what, 0))
        done[f"{outcome['scenario']} pieces"] += 1
        if not outcome["kept"]:
            broken.append(piece.name)
    return number, done, broken


def next_piece(done: Mapping[str, int], wanted: Mapping[str, int]) -> list[str] | None:
    """The words of the piece of which the smallest share is done; None: there is nothing to do."""
    left = {what: count - done.get(what, 0) for what, count in wanted.items()}
    unfinished = [what for what, count in left.items() if count > 0]
    if not unfinished:
        return None
    what = min(unfinished, key=lambda each: done.get(each, 0) / wanted[each])
    if what == "power_cuts":
        words = ["blackout", "--power", "yes", "--cuts", str(min(CUTS, left[what]))]
    elif what == "flips":
        words = ["flips", "--flips", str(min(FLIPS, left[what]))]
    elif done.get("storm pieces", 0) * STORM_KILLS * ONE_BY_ONE > done.get("kills", 0):
        cuts = min(BLACKOUTS, -(-left[what] // NODES))
        words = ["blackout", "--nodes", str(NODES), "--cuts", str(cuts)]
    else:
        words = ["storm", "--minutes", "0", "--kills", str(min(STORM_KILLS, left[what]))]
    return [*words, "--keys", FEW_KEYS]
