"""A process that plays some seeds of a sweep: one JSON line for each, on standard output.

Rule: no state; what it prints follows from its arguments.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict

from perflab.sweep.kinds import KINDS

__all__ = ["run_child"]


def run_child(arguments: list[str]) -> None:
    """`{"kind": …, "settings": {…}, "seeds": […]}`. Ends when its standard input does."""
    order = json.loads(arguments[0])
    threading.Thread(target=_end_with_input, daemon=True).start()
    play = KINDS[order["kind"]].play
    for seed in order["seeds"]:
        print(json.dumps({"seed": seed} | asdict(play(seed, order["settings"]))), flush=True)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 65536):
        pass
    os._exit(3)  # nobody waits for it any more
