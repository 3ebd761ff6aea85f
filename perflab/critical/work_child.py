"""A child process that takes down who does how much for each kind of message of a commit's core.

Eight nodes and a client in a static swarm; stores and retrieves of 1 KiB in equal numbers, after as
many that nobody looks at.

Rule: takes down; what it means is `work.py`'s matter.
"""

from __future__ import annotations

import gc
import json

from benchmarks.common import subject
from benchmarks.common.counting.kind_meter import KindMeter
from benchmarks.common.counting.meters import CountMeter
from benchmarks.common.counting.static_swarm import StaticSwarm
from benchmarks.common.workload import Values

__all__ = ["run_child"]

NODES, KEYS, SIZE_BYTES = 8, 60, 1024
WARM_UPS = 3


def run_child(arguments: list[str]) -> None:
    """Prints one JSON object: how many operations, `messages` (client or node, kind, how many) and
    `trees` (read or send, kind, tree)."""
    gc.disable()  # when it runs, and what it calls then, is no message's doing
    swarm, values = StaticSwarm(NODES, subject.NetworkSettings()), Values(SIZE_BYTES)
    client = swarm.client()
    client.operate(client.machine.connect)
    meter = KindMeter(client.machine)
    names = [f"r{number}" for number in range(KEYS)]
    keys = [swarm.core.key_of(name) for name in names]
    for turn in range(WARM_UPS + 1):
        swarm.meter = meter if turn == WARM_UPS else CountMeter()
        for number, key in enumerate(keys):
            value = values.value(number)
            client.operate(client.machine.write, key, value, None, swarm.deadline_ns)
        for number, (key, name) in enumerate(zip(keys, names, strict=True)):
            answer = client.operate(client.machine.read, key, name, swarm.deadline_ns)
            values.check(number, answer)
    swarm.meter = CountMeter()
    answer = {
        "operations": 2 * KEYS,
        "messages": [[*key, count] for key, count in sorted(meter.messages.items())],
        "trees": [[*key, tree.root.as_list()] for key, tree in sorted(meter.trees.items())],
    }
    print(json.dumps(answer), flush=True)
