"""What type checkers say of the public API: a user's file, under `mypy --strict`."""

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from collections.abc import Iterable
from pathlib import Path

from p2pcore import AdaptiveClient, CoordinatorConfig, StoreReceipt


async def use(client: AdaptiveClient, pairs: Iterable[tuple[str, bytearray]]) -> dict[str, bytes]:
    by_text: dict[str, bytes] = {"a": b"1"}
    receipts: dict[str, StoreReceipt] = await client.store_many(by_text)
    by_bytes: dict[bytes, bytes] = {b"a": b"1"}
    more: dict[bytes, StoreReceipt] = await client.store_many(by_bytes)
    both: dict[str | bytes, bytes] = {"a": b"1", b"b": b"2"}
    mixed: dict[str | bytes, StoreReceipt] = await client.store_many(both)
    of_pairs: dict[str, StoreReceipt] = await client.store_many(pairs)
    literal: dict[str, StoreReceipt] = await client.store_many([("a", b"1"), ("b", b"2")])
    await client.store("a", memoryview(b"1"))
    found: dict[bytes, bytes] = await client.retrieve_many([b"a"])
    print(receipts, more, mixed, of_pairs, literal, found)
    return await client.retrieve_many(by_text)


config = CoordinatorConfig(replication_factor=5, data_dir=Path("/tmp"))
most: int = config.write_quorum + config.read_quorum
"""

BAD = """
from p2pcore import AdaptiveClient


async def use(client: AdaptiveClient) -> None:
    await client.store_many({7: b"1"})
    await client.store_many({"a": "1"})
    await client.retrieve_many([7])
    found: dict[bytes, bytes] = await client.retrieve_many(["a"])
    print(found)
"""


def mypy(tmp_path: Path, text: str) -> list[str]:
    """The lines that `mypy --strict` says of a file with this text."""
    (tmp_path / "user.py").write_text(text)
    cache = tmp_path / "cache"
    words = ["--strict", "--no-error-summary", f"--cache-dir={cache}", str(tmp_path / "user.py")]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", *words],
        capture_output=True, text=True, check=False, timeout=300,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert not run.stderr, run.stderr
    return run.stdout.splitlines()


@pytest.mark.slow
def test_dicts_of_either_kind_of_key_go_in_and_come_out(tmp_path: Path) -> None:
    assert mypy(tmp_path, GOOD) == []


@pytest.mark.slow
def test_what_is_refused_when_it_runs_is_an_error(tmp_path: Path) -> None:
    lines = [line for line in mypy(tmp_path, BAD) if ": error:" in line]
    assert sorted({int(line.split(":")[1]) for line in lines}) == [6, 7, 8, 9]
