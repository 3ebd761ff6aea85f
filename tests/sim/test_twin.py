"""The same script on sockets and in the world has the same outcome.

`twin.py` says what is compared, and which messages are left out and why.
"""

from pathlib import Path
from typing import Any

import pytest

from p2pcore.wire.messages import MESSAGES
from tests.sim.stages import InWorld, OnSockets
from tests.sim.twin import LEFT_OUT, Call, Counted, Do, Script, play

PATIENCE = 3  # attempts on sockets, where this process stands still while something is counted

KEYS = [f"key {number}" for number in range(12)]
BATCH = {key: key.encode() for key in KEYS}
SETTLE = Do("settle")


def store(key: str, value: bytes = b"value", client: str = "c", **options: Any) -> Call:
    return Call(client, "store", key, value, **options)


def retrieve(key: str, client: str = "c", **options: Any) -> Call:
    return Call(client, "retrieve", key, **options)


SCRIPTS = {
    "the life of records": Script(
        nodes=5,
        clients={"c": 0, "late": -5_000, "ahead": 60_000},
        steps=(
            store("key 1"),  # the client looks up who is there, and keeps that
            retrieve("key 1"),
            store("key 1", b"another"),
            retrieve("key 1", "late"),
            store("key 1", b"stale at first", "late"),
            retrieve("key 1"),
            store("key 1", b"of the day after", "ahead"),
            retrieve("no such key"),
            Call("c", "store_many", BATCH),
            Call("c", "delete", "key 3"),
            retrieve("key 3"),
            Call("c", "delete", "never stored"),
            Call("c", "retrieve_many", [*KEYS, "no such key"]),
            store("key 4", bytes(1 << 20)),
            store("key 4", bytes((1 << 20) + 1)),
            store(""),
            SETTLE,
        ),
    ),
    "members come and go": Script(
        nodes=5,
        settings={"copy_after_s": 0},  # sockets would wait in real time
        steps=(
            Call("c", "store_many", BATCH),
            SETTLE,
            Do("join", "n6"),
            SETTLE,
            Do("crash", "n2"),
            store("key 1", b"while some have not noticed", counted=False),
            SETTLE,
            store("key 2", b"among four and a newcomer", counted=False),
            Do("leave", "n3"),
            Call("c", "delete", "key 3", counted=False),
            SETTLE,
            Call("c", "retrieve_many", KEYS, counted=False),
        ),
    ),
    "fewer than a quorum": Script(
        nodes=3,
        steps=(
            store("key 1"),
            Do("crash", "n2"),
            SETTLE,
            store("key 1", b"by two"),
            Do("crash", "n3"),
            SETTLE,
            store("key 1", b"by one"),
            retrieve("key 1"),
            Call("c", "store_many", BATCH),
            Do("join", "n4"),
            SETTLE,
            retrieve("key 1", counted=False),
            store("key 1", b"by two again", counted=False),
            SETTLE,
        ),
    ),
    "replicas that do not answer": Script(
        nodes=3,
        steps=(
            store("key 1"),
            SETTLE,
            Do("deafen", "n2"),
            store("key 1", b"at two", counted=False),
            Do("undeafen"),
            SETTLE,
            Do("deafen", ("n2", "n3")),
            store("key 1", b"at one", timeout_s=0.3, counted=False),
            retrieve("key 1", timeout_s=0.3, counted=False),
            store("key 1", b"in the end", name="later"),
            Do("until", "Put"),
            Do("undeafen"),
            Do("end", "later"),
            SETTLE,
            retrieve("key 1"),
        ),
    ),
    "a replica lacks a record": Script(
        nodes=4,
        settings={"read_quorum": 3},
        steps=(
            Call("c", "store_many", BATCH),
            SETTLE,
            Do("forget", "n1", "key 1"),
            Do("forget", "n2", "key 1"),
            retrieve("key 1"),
            retrieve("key 1"),
            SETTLE,
        ),
    ),
    "a full store": Script(
        nodes=3,
        settings={"max_store_bytes": 3000},
        steps=(
            store("key 1", bytes(1500)),
            store("key 2", bytes(1500), timeout_s=0.3, counted=False),
            Call("c", "store_many", {"a": b"fits", "b": bytes(2000)}, timeout_s=0.3, counted=False),
            SETTLE,
            Call("c", "delete", "key 1"),
            store("key 2", b"fits"),
            Call("c", "retrieve_many", ["key 1", "key 2", "a", "b"]),
            SETTLE,
        ),
    ),
}


def stood_still(real: list[Any], simulated: list[Any]) -> bool:
    pairs = zip(real, simulated, strict=True)
    return any(isinstance(r, Counted) and r.timeouts > s.timeouts for r, s in pairs)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_both_have_the_same_outcome(name: str, tmp_path: Path) -> None:
    script = SCRIPTS[name]
    simulated = await play(script, InWorld(seed=1))
    for attempt in range(PATIENCE):
        async with OnSockets(tmp_path / str(attempt)) as stage:
            real = await play(script, stage)
        if not stood_still(real, simulated):
            break
    for step, one, other in zip(script.steps, real, simulated, strict=True):
        assert one == other, step


def test_it_is_known_which_messages_are_compared() -> None:
    compared = {kind.__name__ for kind in MESSAGES} - LEFT_OUT.keys()
    assert compared == {
        "Store", "Stored", "StoreMany", "StoredMany", "Fetch", "Found", "Missing", "FetchMany",
        "FoundMany", "Stale", "Put", "PutDone", "Get", "Failed", "NotReady", "NotReplica",
    }  # fmt: skip
