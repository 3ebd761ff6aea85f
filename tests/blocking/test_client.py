"""The blocking client does what the asynchronous one does, in the same words."""

import gc
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pcore import (
    AuthenticationError,
    BatchError,
    BusyError,
    ClientConfig,
    ClosedError,
    ConfigError,
    DeadlineError,
    KeyNotFoundError,
    LimitError,
    Priority,
    QuorumError,
    StoreReceipt,
    UnreachableError,
    UsageError,
)
from p2pcore.blocking import Client
from tests.processes import Serving


def test_store_retrieve_delete(client: Client) -> None:
    receipt = client.store("key", b"value", ttl_s=60)
    assert isinstance(receipt, StoreReceipt)
    assert (receipt.replicas, receipt.acks) == (3, 2)
    assert client.retrieve("key") == client.retrieve(b"key") == b"value"
    assert client.store("key", bytearray(b"newer")).version > receipt.version
    assert client.retrieve("key") == b"newer"
    client.delete("key")
    with pytest.raises(KeyNotFoundError, match="key"):
        client.retrieve("key")


def test_a_value_of_a_mebibyte_and_one_of_nothing(client: Client) -> None:
    large = bytes(range(256)) * 4096
    client.store("large", large)
    client.store("none", b"")
    assert client.retrieve("large") == large
    assert client.retrieve("none") == b""


def test_every_operation_takes_a_priority(client: Client) -> None:
    client.store("key", b"value", priority=Priority.CRITICAL)
    assert client.retrieve("key", priority=Priority.BATCH) == b"value"
    client.store_many({"key": b"newer"}, priority=Priority.BATCH)
    assert client.retrieve_many(["key"], priority=Priority.CRITICAL) == {"key": b"newer"}
    client.delete("key", priority=Priority.BATCH)
    wrong: Any = "batch"
    calls: list[Callable[[], object]] = [
        lambda: client.store("key", b"", priority=wrong),
        lambda: client.retrieve("key", priority=wrong),
        lambda: client.delete("key", priority=wrong),
        lambda: client.store_many({}, priority=wrong),
        lambda: client.retrieve_many([], priority=wrong),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"priority must be .* not 'batch'"):
            call()


def test_batches(client: Client) -> None:
    items = {f"item {number}": b"%d" % number for number in range(1000)}
    receipts = client.store_many(items)
    assert list(receipts) == list(items)
    assert all(receipt.acks >= 2 for receipt in receipts.values())
    assert client.retrieve_many([*items, "not there"]) == items
    assert client.store_many({}) == {}


def test_a_scan(client: Client) -> None:
    names = {f"listed/{number}" for number in range(300)}
    client.store_many(dict.fromkeys(names, b"value"), listed=True)
    client.store("listed/one", b"value", listed=True)
    client.store("listed/unlisted", b"value")
    client.delete("listed/7")
    expected = names - {"listed/7"} | {"listed/one"}
    assert sorted(client.scan("listed/")) == sorted(expected)
    scan = client.scan(b"listed/")
    first = next(scan)
    rest = list(client.scan(b"listed/", cursor=scan.cursor))
    assert sorted([first, *rest]) == sorted(name.encode() for name in expected)
    assert list(client.scan(cursor=client.scan().cursor, prefix="none")) == []


def test_large_batches_leave_as_fast_as_the_sockets_take_them(client: Client) -> None:
    values = {f"large {number}": b"%08d" % number * 100_000 for number in range(24)}
    client.store_many(values, timeout_s=30)
    assert client.retrieve_many(values, timeout_s=30) == values


def test_a_record_expires(client: Client) -> None:
    client.store("short", b"lived", ttl_s=0.2)
    due_s = time.monotonic() + 10

    def look_until_due() -> None:
        while time.monotonic() < due_s:
            client.retrieve("short")

    with pytest.raises(KeyNotFoundError):
        look_until_due()


def test_inquiries(client: Client, nodes: list[Serving]) -> None:
    info = client.node_info(nodes[1].address)
    assert info.node_id.hex() == nodes[1].node_id
    assert client.node_info(nodes[1].node_id).address == nodes[1].address
    assert {each.address for each in client.network_stats().nodes} == {n.address for n in nodes}
    contact = client.connect_to_peer(f"{nodes[2].address}#{nodes[2].node_id}")
    assert contact.node_id.hex() == nodes[2].node_id


def test_what_cannot_be_meant(client: Client) -> None:
    with pytest.raises(UsageError, match="1 to 65536 bytes"):
        client.store("", b"value")
    with pytest.raises(LimitError, match="the limit is 1048576"):
        client.store("key", bytes(1048577))
    with pytest.raises(UsageError, match="a value is bytes, not str"):
        client.store("key", "text")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="ttl_s must be"):
        client.store("key", b"", ttl_s=-1)
    with pytest.raises(UsageError, match="timeout_s must be"):
        client.retrieve("key", timeout_s=0)
    with pytest.raises(UsageError, match="is one str"):
        client.retrieve_many("key")
    with pytest.raises(UsageError, match="a node is named by"):
        client.node_info("nobody")
    with pytest.raises(UsageError, match="max_nodes must be"):
        client.network_stats(max_nodes=0)
    assert client.retrieve_many(["still there?"]) == {}


def test_before_and_after(nodes: list[Serving]) -> None:
    with pytest.raises(UsageError, match="takes a ClientConfig, not str"):
        Client("127.0.0.1:1")  # type: ignore[arg-type]
    client = Client(ClientConfig(bootstrap=[nodes[0].address]))
    with pytest.raises(ClosedError, match="not connected"):
        client.retrieve("key")
    client.close()  # leaves nothing open, as it was
    with client:
        with pytest.raises(ClosedError, match="connected once"):
            client.connect()
        client.store("key", b"value")
    client.close()
    with pytest.raises(ClosedError, match="closed"):
        client.retrieve("key")
    with pytest.raises(ClosedError, match="connected once"):
        client.connect()


def test_nobody_there() -> None:
    client = Client(ClientConfig(bootstrap=["127.0.0.1:1"]))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1: Connection refused"):
        client.connect()
    with pytest.raises(UnreachableError):  # and may be tried again
        client.connect()


def test_a_name_is_looked_up(nodes: list[Serving]) -> None:
    _, _, port = nodes[0].address.rpartition(":")
    with Client(ClientConfig(bootstrap=[f"localhost:{port}"])) as client:
        client.store("by name", b"value")
        assert client.retrieve("by name") == b"value"
    stranger = Client(ClientConfig(bootstrap=["no-such-host.invalid:4100"]))
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid:4100"):
        stranger.connect()


def test_another_network_and_another_node(nodes: list[Serving]) -> None:
    other = ClientConfig(bootstrap=[nodes[0].address], network_key=b"another network's key.")
    with pytest.raises(AuthenticationError, match="is the network key the same"):
        Client(other).connect()
    wrong = ClientConfig(bootstrap=[f"{nodes[0].address}#{nodes[1].node_id}"])
    with pytest.raises(AuthenticationError, match=f"is {nodes[0].node_id}, not"):
        Client(wrong).connect()


def test_an_identity_is_kept(nodes: list[Serving], tmp_path: Path) -> None:
    config = ClientConfig(bootstrap=[nodes[0].address], data_dir=tmp_path)
    with Client(config) as one:
        assert Client(config).client_id == one.client_id
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        Client(ClientConfig(bootstrap=[nodes[0].address], data_dir=tmp_path / "file"))


def test_too_few_nodes(serve: Callable[..., Serving]) -> None:
    with Client(ClientConfig(bootstrap=[serve().address])) as client:
        with pytest.raises(QuorumError, match="needs 2 replicas"):
            client.store("key", b"value")
        with pytest.raises(BatchError, match="2 of 2 items failed"):
            client.store_many({"one": b"1", "two": b"2"})


def test_a_deadline_is_kept(serve: Callable[..., Serving]) -> None:
    first = serve()
    second = serve("--join", first.address)
    with Client(ClientConfig(bootstrap=[first.address])) as client:
        client.store("key", b"value")
        second.process.send_signal(signal.SIGSTOP)
        try:
            began_s = time.monotonic()
            with pytest.raises(DeadlineError, match="of 2 replicas took part in time"):
                client.store("key", b"value", timeout_s=0.5)
            assert 0.5 <= time.monotonic() - began_s < 30
        finally:
            second.process.send_signal(signal.SIGCONT)


def test_more_at_a_time_than_it_may_have(nodes: list[Serving]) -> None:
    config = ClientConfig(bootstrap=[nodes[0].address], max_in_flight=1)
    with Client(config) as client:
        errors: list[BusyError] = []

        def begin(machine: object, number: int, now: object) -> None:
            """While one is in flight, in this very section."""
            driver = client._driver
            assert driver is not None
            with pytest.raises(BusyError, match="max_in_flight is 1") as caught:
                driver._begin(None, begin)  # type: ignore[arg-type]
            errors.append(caught.value)
            raise caught.value

        assert client._driver is not None
        with pytest.raises(BusyError):
            client._driver.run(begin)
        assert len(errors) == 1
        assert client.store("key", b"value")


def test_one_that_is_dropped_warns_and_leaves_nothing_open(nodes: list[Serving]) -> None:
    def drop_one() -> None:
        client = Client(ClientConfig(bootstrap=[nodes[0].address]))
        client.connect()
        del client
        gc.collect()

    with pytest.warns(ResourceWarning, match=r"unclosed p2pcore\.blocking\.Client: use `with`"):
        drop_one()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Client(ClientConfig(bootstrap=[nodes[0].address])):
            pass
        gc.collect()


def test_neither_an_event_loop_nor_a_thread(nodes: list[Serving]) -> None:
    code = f"""
import sys, threading
from p2pcore import ClientConfig
from p2pcore.blocking import Client
with Client(ClientConfig(bootstrap=[{nodes[0].address!r}])) as client:
    client.store("key", b"value")
    print(client.retrieve("key"), threading.active_count(), "asyncio" in sys.modules)
"""
    run = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("b'value' 1 False\n", "")
