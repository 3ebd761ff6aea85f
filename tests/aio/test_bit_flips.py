"""Bits that flip on the disk of one node of three: all are noticed before a value is given, and
what they have damaged is there again from the others.

The short form flips 24 bits; with `P2PCORE_FLIPS=1000` in the environment, as many as that.
"""

import asyncio
import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

from p2pcore import AdaptiveCoordinator, ConfigError, CoordinatorConfig
from p2pcore.aio.system import now
from p2pcore.aio.upkeep import check
from p2pcore.ids import key_of
from tests.aio.support import client_of, crash, eventually, swarm

FLIPS = int(os.environ.get("P2PCORE_FLIPS", "24"))
AT_ONCE = 8  # in one round: so many between a crash and the next start
RECORDS = 120
SUFFIXES = ("", "-wal")


def values_of(rng: Random) -> dict[str, bytes]:
    return {f"key {n}": rng.randbytes(rng.randrange(1, 3000)) for n in range(RECORDS)}


def image_of(folder: Path) -> dict[str, bytes]:
    """The files of a node that runs, as a power cut would leave them."""
    files = {suffix: folder / f"records.db{suffix}" for suffix in SUFFIXES}
    return {suffix: path.read_bytes() for suffix, path in files.items()}


def flipped(image: dict[str, bytes], rng: Random, folder: Path) -> None:
    """Write the image, with some bits of all of it flipped."""
    parts = {suffix: bytearray(data) for suffix, data in image.items()}
    for _ in range(AT_ONCE):
        place = rng.randrange(sum(map(len, parts.values())))
        for part in parts.values():
            if place < len(part):
                part[place] ^= 1 << rng.randrange(8)
                break
            place -= len(part)
    for suffix, part in parts.items():
        (folder / f"records.db{suffix}").write_bytes(part)
    (folder / "records.db-shm").unlink(missing_ok=True)


async def read_all(node: AdaptiveCoordinator, values: dict[str, bytes]) -> int:
    """Have a node read every value that it has; returns how many it would give to others. None of
    them is another than was written."""
    there, given = asyncio.Event(), 0
    keys = {key_of(name): value for name, value in values.items()}
    assert node._node.journal is not None
    assert node._host is not None

    def look(_: object) -> None:
        nonlocal given
        for key, value in keys.items():
            record = node._node.store.held(key)
            if record is not None and not record.is_cold:
                assert record.value == value
                given += 1
        there.set()

    node._node.journal.recalls.bring(keys, look, now())
    node._host.pump()
    async with asyncio.timeout(30):
        await there.wait()
    return given


async def repaired(config: CoordinatorConfig, values: dict[str, bytes]) -> str:
    """Start a node on what its disk has; when it has all again, returns what was noticed."""
    noticed = "nothing"
    for _ in range(3):  # a start may find a file of no use at all, and so may what follows
        node = AdaptiveCoordinator(config)
        try:
            await node.start()
        except ConfigError as error:  # an operator reads this, and moves the records away
            noticed = f"refused: {error}"
            for suffix in (*SUFFIXES, "-shm"):
                (Path(str(config.data_dir)) / f"records.db{suffix}").unlink(missing_ok=True)
            continue
        try:
            if await whole(node, values) and not await condemned(node):
                return noticed if noticed != "nothing" else noticed_of(node, config)
            noticed = "broken"
        finally:
            await node.shutdown()
    raise AssertionError(f"it did not recover: {noticed}")


def noticed_of(node: AdaptiveCoordinator, config: CoordinatorConfig) -> str:
    aside = list(Path(str(config.data_dir)).glob("*.damaged-*"))
    found = {
        "values": node.stats.values_damaged,
        "rows": len(node._node.journal.damaged),  # type: ignore[union-attr]
        "file": len(aside),
        "missing": node.stats.records_pulled,
    }
    for path in aside:
        path.unlink()
    return "+".join(name for name, count in found.items() if count) or "nothing"


async def in_the_file(node: AdaptiveCoordinator) -> None:
    """Until the writer has brought its log into the file, which it does when it has nothing to
    write. Nobody else may: one connection in two threads is what SQLite crashes by."""
    assert node._records is not None
    assert node._node.journal is not None
    journal, writer = node._node.journal, node._records._writer
    assert writer is not None
    await eventually(lambda: journal.is_settled)
    await eventually(lambda: not writer._dirty)


async def condemned(node: AdaptiveCoordinator) -> bool:
    """Whether the file turns out to be damaged beside its records."""
    assert node._records is not None
    examination = node._records._examination
    if examination is not None:
        await asyncio.to_thread(examination.join)
    assert node._records._writer is not None
    return node._records._writer.damage is not None


async def whole(node: AdaptiveCoordinator, values: dict[str, bytes]) -> bool:
    """Whether a node has all values, read from its disk or pulled. False: its disk has failed."""
    broken = asyncio.ensure_future(node.wait_broken())
    try:
        async with asyncio.timeout(60):
            while not broken.done():
                if node.ready and await read_all(node, values) == len(values) and node.ready:
                    return True
                await asyncio.sleep(0.02)
        return False
    finally:
        broken.cancel()


async def test_flipped_bits_are_noticed_before_a_value_is_given_and_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pcore.aio.durable.place_of", lambda path: 7)  # the image is a copy
    rng, outcomes = Random(20), dict[str, int]()
    folder, values = tmp_path / "third", values_of(rng)
    async with swarm(2, leave_timeout_s=0) as nodes, client_of(*nodes) as client:
        settings: dict[str, Any] = {"bootstrap": [node.address for node in nodes]}
        config = CoordinatorConfig(data_dir=folder, leave_timeout_s=0, **settings)
        node = AdaptiveCoordinator(config)
        await node.start()
        await node.wait_ready()
        await client.store_many(values)
        await eventually(lambda: node.stored_records == RECORDS)
        await in_the_file(node)
        some = dict(list(values.items())[: RECORDS // 4])
        await client.store_many(some)  # in the log, and not in the file
        await eventually(lambda: node._node.journal.is_settled)  # type: ignore[union-attr]
        image = image_of(folder)
        crash(node)
        node._finish()
        for _ in range(-(-FLIPS // AT_ONCE)):
            for path in folder.glob("records.db*"):
                path.unlink()
            flipped(image, rng, folder)
            what = await repaired(config, values)
            assert not what.startswith("refused") or "schema" in what or "state" in what, what
            outcomes[what] = outcomes.get(what, 0) + 1
            findings = check(folder)
            # A flip in what no record needs (free room, say) harms nobody, and `check` tells.
            assert findings.damaged == [] or "values" not in what
            assert not any(each.startswith("the record") for each in findings.damaged)
            assert findings.records == RECORDS
            assert await client.retrieve_many(list(values)) == values
        shutil.rmtree(folder)
    print(f"rounds of {AT_ONCE} flips by what was noticed when running: {outcomes}")
