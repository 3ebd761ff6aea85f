"""Threads that share a blocking client: all get what is theirs, whoever of them leads."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2pcore import ClientConfig, ClosedError, DeadlineError, KeyNotFoundError, UsageError
from p2pcore.blocking import Client
from tests.processes import PATIENCE_S, Serving

THREADS = 8
OPERATIONS = int(os.environ.get("P2PCORE_BLOCKING_OPERATIONS", "4000"))  # 100,000 by hand


def test_eight_threads_and_every_value(client: Client) -> None:
    """Each writes keys of its own, reads them and those of its neighbour, and deletes some."""
    written: list[dict[str, bytes]] = [{} for _ in range(THREADS)]

    def work(mine: int) -> int:
        count, values = 0, written[mine]
        while count < OPERATIONS // THREADS:
            key = f"{mine} {count % 50}"
            value = b"%d of %d" % (count, mine)
            client.store(key, value)
            values[key] = value
            assert client.retrieve(key) == value
            other = (mine + 1) % THREADS
            found = client.retrieve_many(list(written[other])[:5])
            assert all(each.endswith(b" of %d" % other) for each in found.values())
            count += 3
            if count % 30 == 0:
                client.delete(key)
                del values[key]
                with pytest.raises(KeyNotFoundError):
                    client.retrieve(key)
                count += 2
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        counts = list(pool.map(work, range(THREADS)))
    assert sum(counts) >= OPERATIONS
    for values in written:
        assert client.retrieve_many(values) == values
    assert client._driver is not None
    assert client._driver.in_flight == 0


def test_each_has_its_own_deadline_though_one_leads(serve: Callable[..., Serving]) -> None:
    """One waits long for a quorum that is not there; the others do not wait for it."""
    first = serve()
    second = serve("--join", first.address)
    with Client(ClientConfig(bootstrap=[first.address])) as client, ThreadPoolExecutor(2) as pool:
        client.store("key", b"value")
        second.process.send_signal(signal.SIGSTOP)
        try:
            long = pool.submit(client.store, "key", b"newer", timeout_s=PATIENCE_S)
            short = pool.submit(client.retrieve, "key", timeout_s=0.3)
            assert client.node_info(first.address).node_id.hex() == first.node_id
            with pytest.raises(DeadlineError, match="retrieve"):
                short.result(PATIENCE_S)
            assert not long.done()
        finally:
            second.process.send_signal(signal.SIGCONT)
        assert long.result(PATIENCE_S).acks == 2
        assert client.retrieve("key") == b"newer"


def test_close_from_another_thread(serve: Callable[..., Serving]) -> None:
    first = serve()
    second = serve("--join", first.address)
    client = Client(ClientConfig(bootstrap=[first.address, second.address]))
    client.connect()
    client.store("key", b"value")
    second.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(4) as pool:
            waiting = [
                pool.submit(client.store, f"key {n}", b"value", timeout_s=PATIENCE_S)
                for n in range(4)
            ]
            driver = client._driver
            assert driver is not None
            due_s = time.monotonic() + PATIENCE_S
            while driver.in_flight < 4:
                assert time.monotonic() < due_s
                time.sleep(0.001)
            client.close()
            for each in waiting:
                with pytest.raises(ClosedError, match="while the operation was in flight"):
                    each.result(PATIENCE_S)
    finally:
        second.process.send_signal(signal.SIGCONT)
    with pytest.raises(ClosedError):
        client.retrieve("key")
    assert driver._carrier.is_quiet
    assert driver._carrier._disposed


def test_many_close_it_at_once(nodes: list[Serving]) -> None:
    client = Client(ClientConfig(bootstrap=[nodes[0].address]))
    client.connect()
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            client.store("key", b"value")

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work) for _ in range(4)]
        client.store("key", b"value")
        for closing in [pool.submit(client.close) for _ in range(4)]:
            closing.result(PATIENCE_S)
        for each in working:
            with pytest.raises(ClosedError):
                each.result(PATIENCE_S)
        stop.set()


def test_a_forked_process_is_told_and_the_first_one_goes_on(client: Client) -> None:
    client.store("key", b"value")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        said = b"?"
        try:
            client.retrieve("key")
        except UsageError as error:
            said = str(error).encode()
        client.close()
        os.write(writing, said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert (
        said
        == (
            f"this client belongs to process {os.getpid()}, this is process {child}: "
            "make one after a fork"
        ).encode()
    )
    for number in range(50):
        client.store(f"key {number}", b"%d" % number)
        assert client.retrieve(f"key {number}") == b"%d" % number
