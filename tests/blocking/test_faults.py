"""What goes wrong around a blocking client."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2pcore import BrokenError, ClientConfig, DeadlineError, P2PError, UnreachableError
from p2pcore.blocking import Client
from tests.processes import PATIENCE_S, Serving


def config_of(network: list[Serving], **settings: float) -> ClientConfig:
    return ClientConfig(bootstrap=[node.address for node in network], **settings)  # type: ignore[arg-type]


def test_a_node_dies_under_load_and_nobody_notices(network: list[Serving]) -> None:
    with Client(config_of(network, timeout_s=PATIENCE_S)) as client:
        gone = threading.Event()

        def work(mine: int) -> None:
            after = 0
            number = 0
            while after < 50:
                after += gone.is_set()
                key, value = f"{mine} {number % 20}", b"%d" % number
                client.store(key, value)
                assert client.retrieve(key) == value
                number += 1

        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(work, mine) for mine in range(4)]
            client.store("key", b"value")
            network[3].process.kill()
            network[3].process.wait()
            gone.set()
            for each in working:
                each.result(PATIENCE_S)


def test_idle_while_a_node_is_restarted(
    network: list[Serving], serve: Callable[..., Serving]
) -> None:
    """Its link ended while nobody looked; the next operation finds out by itself."""
    with Client(config_of(network)) as client:
        client.store_many({f"key {number}": b"value" for number in range(50)})
        network[0].process.terminate()
        assert network[0].wait_exit() == 0
        serve("--listen", network[0].address, "--join", network[1].address)
        for number in range(50):
            assert client.retrieve(f"key {number}") == b"value"
            client.store(f"key {number}", b"newer")


def test_all_die_and_come_back(network: list[Serving], serve: Callable[..., Serving]) -> None:
    with Client(config_of(network, timeout_s=1.0)) as client:
        client.store("key", b"value")
        for node in network:
            node.process.kill()
            node.process.wait()
        with pytest.raises((BrokenError, DeadlineError)):
            client.store("key", b"value")
        serve("--listen", network[0].address)
        for node in network[1:]:
            serve("--listen", node.address, "--join", network[0].address)
        due_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                client.store("key", b"anew")
                break
            except P2PError:
                assert time.monotonic() < due_s
        assert client.retrieve("key") == b"anew"


def test_somebody_who_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        client = Client(ClientConfig(bootstrap=[address], connect_timeout_s=0.3))
        with pytest.raises(UnreachableError, match=r"no answer in 0\.3 s"):
            client.connect()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4])
def test_somebody_who_speaks_something_else(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as pool:

        def answer() -> None:
            for _ in range(2):  # it is dialled once more
                accepted, _ = other.accept()
                with accepted:
                    accepted.sendall(said)
                    accepted.recv(65536)

        answering = pool.submit(answer)
        address = f"127.0.0.1:{other.getsockname()[1]}"
        client = Client(ClientConfig(bootstrap=[address], connect_timeout_s=5))
        with pytest.raises(P2PError, match=r"not TLS as spoken here|ended the connection"):
            client.connect()
        with pytest.raises(P2PError):
            client.connect()
        answering.result(PATIENCE_S)


def test_a_name_of_two_addresses_of_which_one_answers(
    network: list[Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `localhost` is where nobody listens on IPv6."""
    host, _, port = network[0].address.rpartition(":")
    stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    ours = socket.getaddrinfo

    def lookup(name: str, *words: object, **options: object) -> object:
        if name != "two.invalid":
            return ours(name, *words, **options)  # type: ignore[arg-type]
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        return [(*stream, ("127.0.0.1", 1)), (*stream, (host, int(port)))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with Client(ClientConfig(bootstrap=[f"two.invalid:{port}"])) as client:
        client.store("key", b"value")
        assert client.retrieve("key") == b"value"
