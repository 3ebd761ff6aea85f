"""Nodes and clients on real sockets: the whole public API, on asyncio and uvloop."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from p2pcore import (
    AdaptiveClient,
    AdaptiveCoordinator,
    AuthenticationError,
    BusyError,
    ClientConfig,
    ClosedError,
    ConfigError,
    CoordinatorConfig,
    DeadlineError,
    IncompatibleError,
    KeyNotFoundError,
    LimitError,
    QuorumError,
    StoreReceipt,
    UnreachableError,
    UsageError,
)
from p2pcore.aio.connection import Connection
from p2pcore.aio.host import now
from p2pcore.contact import Contact
from p2pcore.wire.limits import MAX_VALUE_BYTES
from tests.aio.support import ONE, client_of, crash, eventually, swarm


@pytest.fixture
async def three() -> AsyncIterator[list[AdaptiveCoordinator]]:
    async with swarm(3) as nodes:
        yield nodes


async def test_the_whole_api(three: list[AdaptiveCoordinator]) -> None:
    async with client_of(*three) as client:
        receipt = await client.store("key", b"value", ttl_s=3600)
        assert isinstance(receipt, StoreReceipt)
        assert receipt.replicas == 3
        assert receipt.acks >= 2
        assert len(receipt.version) == 16
        assert await client.retrieve("key") == await client.retrieve(b"key") == b"value"
        assert (await client.delete("key")).version > receipt.version
        with pytest.raises(KeyNotFoundError, match="'key'"):
            await client.retrieve("key")
        await client.delete("never stored")
        assert client.stats.messages_out > 0
        assert client.stats.bytes_in > 0
    assert all(node.stats.misbehaved == node.stats.links_refused == 0 for node in three)
    await eventually(lambda: all(node.stored_records == 2 for node in three))


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 70_000, MAX_VALUE_BYTES])
async def test_values_come_back_byte_for_byte(three: list[AdaptiveCoordinator], size: int) -> None:
    value = os.urandom(size)
    async with client_of(three[1]) as client:
        await client.store("key", value)
        assert await client.retrieve("key") == value


async def test_many_operations_at_once(three: list[AdaptiveCoordinator]) -> None:
    async with client_of(*three) as client, asyncio.TaskGroup() as group:

        async def one(number: int) -> None:
            key, value = f"key {number}", os.urandom(number * 37 % 5000)
            await client.store(key, value)
            assert await client.retrieve(key) == value
            if number % 3 == 0:
                await client.delete(key)
                with pytest.raises(KeyNotFoundError):
                    await client.retrieve(key)

        for number in range(300):
            group.create_task(one(number))


async def test_many_large_values_at_once(three: list[AdaptiveCoordinator]) -> None:
    """More than transports buffer, in both directions: writing is paused and goes on."""
    values = {f"key {n}": os.urandom(MAX_VALUE_BYTES) for n in range(24)}
    async with client_of(*three, timeout_s=60) as client:
        async with asyncio.TaskGroup() as group:
            for key, value in values.items():
                group.create_task(client.store(key, value))
        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(client.retrieve(key)) for key in values}
        assert {key: task.result() for key, task in tasks.items()} == values


async def test_more_large_values_at_once_than_anybody_holds() -> None:
    """Their replies are asked for in one read; they wait as records and leave as they are taken.

    240 MB cross one process here: on a busy machine that takes longer than a peer may be slow.
    """
    async with (
        swarm(3, handshake_timeout_s=120) as three,
        client_of(*three, timeout_s=120, connect_timeout_s=120) as client,
    ):
        values = {f"large {number}": bytes([number]) * (1 << 20) for number in range(60)}
        await client.store_many(values)
        tasks = [client.retrieve(key) for key in values]
        assert await asyncio.gather(*tasks) == list(values.values())
        assert await client.retrieve_many(values) == values


async def test_a_node_that_shuts_down_is_not_missed(three: list[AdaptiveCoordinator]) -> None:
    async with client_of(*three) as client:
        await client.store("key", b"value")
        await three[0].shutdown()
        assert await client.retrieve("key", timeout_s=2) == b"value"
        assert (await client.store("key", b"new", timeout_s=2)).acks == 2
        assert all(node.known_nodes == 1 for node in three[1:])


@pytest.mark.parametrize("victim", [0, 1, 2])
async def test_a_node_that_crashes_is_not_missed(
    three: list[AdaptiveCoordinator], victim: int
) -> None:
    async with client_of(*three) as client:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(client.store(f"key {number}", b"value"))
        crash(three[victim])
        for number in range(20):
            assert await client.retrieve(f"key {number}", timeout_s=2) == b"value"
        await client.store("key 0", b"new", timeout_s=2)
        assert await client.retrieve("key 0", timeout_s=2) == b"new"
        rest = [node for node in three if node is not three[victim]]
        await eventually(lambda: all(node.known_nodes == 1 for node in rest))


async def test_closing_ends_what_is_in_flight(three: list[AdaptiveCoordinator]) -> None:
    client = client_of(*three)
    await client.connect()
    await client.store("key", b"value")
    tasks = [asyncio.create_task(client.store("key", b"x" * 100_000)) for _ in range(10)]
    tasks += [asyncio.create_task(client.retrieve("key")) for _ in range(10)]
    await asyncio.sleep(0)
    await client.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, ClosedError) for result in results)


async def test_closed_and_not_yet_open(three: list[AdaptiveCoordinator]) -> None:
    client = client_of(*three)
    with pytest.raises(ClosedError, match="not connected"):
        await client.retrieve("key")
    await client.close()
    async with client:
        with pytest.raises(ClosedError):
            await client.connect()
    for _ in range(2):
        await client.close()
    for operation in (client.store("k", b""), client.retrieve("k"), client.delete("k")):
        with pytest.raises(ClosedError):
            await operation
    with pytest.raises(ClosedError):
        await client.connect()


async def test_shutting_down_twice_or_before_the_start() -> None:
    node = AdaptiveCoordinator(CoordinatorConfig(**ONE))
    with pytest.raises(ClosedError):
        _ = node.address
    await node.shutdown()
    await node.start()
    assert node.address
    async with asyncio.TaskGroup() as group:
        group.create_task(node.shutdown())
        group.create_task(node.shutdown())
    await node.shutdown()
    with pytest.raises(ClosedError):
        await node.start()


async def test_a_port_can_be_used_again_at_once_but_not_twice() -> None:
    async with AdaptiveCoordinator() as first:
        second = AdaptiveCoordinator(CoordinatorConfig(listen=first.address))
        with pytest.raises(ConfigError, match=f"listen: {first.address}"):
            await second.start()
    async with AdaptiveCoordinator(CoordinatorConfig(listen=first.address)) as again:
        assert again.address == first.address


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.0.2.1:0", "a..b:0", "a\0b:0"])
async def test_a_listen_address_that_can_not_be_used(listen: str) -> None:
    node = AdaptiveCoordinator(CoordinatorConfig(listen=listen))
    with pytest.raises(ConfigError, match="listen"):
        await node.start()


async def test_every_interface_needs_an_address_to_advertise() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = CoordinatorConfig(listen=f"0.0.0.0:{port}", advertise=f"127.0.0.1:{port}", **ONE)
    async with AdaptiveCoordinator(config) as node, client_of(node) as client:
        await client.store("key", b"value")
        assert node.address == f"127.0.0.1:{port}"


async def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    async with swarm(3, listen="[::1]:0") as nodes, client_of(*nodes) as client:
        assert nodes[0].address.startswith("[::1]:")
        await client.store("key", b"value")
        assert await client.retrieve("key") == b"value"


async def test_the_id_in_an_address_is_checked(three: list[AdaptiveCoordinator]) -> None:
    right = f"{three[0].address}#{three[0].node_id.hex()}"
    async with AdaptiveClient(ClientConfig(bootstrap=[right])) as client:
        await client.store("key", b"value")
    wrong = f"{three[0].address}#{three[1].node_id.hex()}"
    with pytest.raises(AuthenticationError, match=three[0].node_id.hex()):
        await AdaptiveClient(ClientConfig(bootstrap=[wrong])).connect()
    with pytest.raises(AuthenticationError, match=three[0].node_id.hex()):
        await AdaptiveCoordinator(CoordinatorConfig(bootstrap=[wrong])).start()


async def test_other_settings_are_refused(three: list[AdaptiveCoordinator]) -> None:
    config = CoordinatorConfig(bootstrap=[three[0].address], **ONE)
    with pytest.raises(IncompatibleError, match="N=3 W=2 R=2"):
        await AdaptiveCoordinator(config).start()


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(UnreachableError, match=address):
        await AdaptiveClient(ClientConfig(bootstrap=[address])).connect()
    config = CoordinatorConfig(bootstrap=[address], join_timeout_s=0.6)
    with pytest.raises(UnreachableError, match=address):
        await AdaptiveCoordinator(config).start()


async def test_somebody_who_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        client = AdaptiveClient(ClientConfig(bootstrap=[address], connect_timeout_s=0.2))
        with pytest.raises(UnreachableError, match=r"no answer in 0\.2 s"):
            await client.connect()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00"])
@pytest.mark.parametrize("reset", [False, True])
async def test_somebody_who_is_no_node(answer: bytes, reset: bool) -> None:
    """However the other side ends the connection, the dial has an end too."""

    def accept() -> None:
        stranger, _ = server.accept()
        if reset:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stranger.sendall(answer)
        stranger.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        config = ClientConfig(bootstrap=[f"127.0.0.1:{server.getsockname()[1]}"])
        accepting = asyncio.create_task(asyncio.to_thread(accept))
        with pytest.raises(UnreachableError):
            await AdaptiveClient(config).connect()
        await accepting


async def test_a_connection_that_ends_as_soon_as_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reset can come before the dial looks at its connection for the first time."""

    def made(self: Connection, transport: asyncio.BaseTransport) -> None:
        original(self, transport)
        transport.abort()  # type: ignore[attr-defined]

    async with AdaptiveCoordinator() as node:
        original = Connection.connection_made
        monkeypatch.setattr(Connection, "connection_made", made)
        with pytest.raises(UnreachableError):
            async with asyncio.timeout(5):
                await client_of(node).connect()
        monkeypatch.undo()


@pytest.mark.parametrize("host", ["a" * 70, "a\0b", "..", "ab..cd"], ids=repr)
async def test_an_address_that_breaks_the_resolver_is_just_unreachable(host: str) -> None:
    """Other members tell us addresses: whatever they say, the dial ends and says why."""
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, client_of(node) as client:
        await client.store("key", b"value")
        links = client._client.links
        stranger = Contact.of(b"\x01" * 32, f"{host}:7000")
        links.connect(stranger.address, stranger.node_id, now())
        assert client._host is not None
        client._host.pump()
        await eventually(lambda: stranger.node_id not in links._pending.waiting)
        assert await client.retrieve("key") == b"value"


async def test_a_node_comes_up_after_those_who_want_to_join_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    early = AdaptiveCoordinator(CoordinatorConfig(bootstrap=[address]))
    starting = asyncio.create_task(early.start())
    await eventually(lambda: early._host is not None and early._node._membership.wake_at_ns)
    async with AdaptiveCoordinator(CoordinatorConfig(listen=address)) as late:
        await starting
        assert early.known_nodes == late.known_nodes == 1
        await early.shutdown()


async def test_time_to_live(three: list[AdaptiveCoordinator]) -> None:
    async with client_of(*three) as client:
        await client.store("key", b"value", ttl_s=0.05)

        async def gone() -> bool:
            try:
                await client.retrieve("key")
            except KeyNotFoundError:
                return True
            return False

        async with asyncio.timeout(5):
            while not await gone():
                pass


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("key", b"x" * (MAX_VALUE_BYTES + 1)), {}, LimitError),
        (("key", "text"), {}, UsageError),
        (("key", bytearray(MAX_VALUE_BYTES + 1)), {}, LimitError),
        (("key", [1, 2]), {}, UsageError),
        (("", b""), {}, UsageError),
        ((7, b""), {}, UsageError),
        (("key", b""), {"ttl_s": 0}, UsageError),
        (("key", b""), {"ttl_s": -1}, UsageError),
        (("key", b""), {"ttl_s": float("nan")}, UsageError),
        (("key", b""), {"ttl_s": 1e12}, UsageError),
        (("key", b""), {"ttl_s": "5"}, UsageError),
        (("key", b""), {"ttl_s": True}, UsageError),
        (("key", b""), {"timeout_s": 0}, UsageError),
        (("key", b""), {"timeout_s": "1"}, UsageError),
        (("key", b""), {"timeout_s": True}, UsageError),
        (("key", b""), {"trace": "here"}, UsageError),
        (("key", b""), {"timeout_s": float("inf")}, UsageError),
    ],
)
async def test_misuse_is_told_at_once(
    arguments: tuple[object, ...], options: dict[str, float], error: type[Exception]
) -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, client_of(node) as client:
        sent = client.stats.messages_out
        with pytest.raises(error):
            await client.store(*arguments, **options)  # type: ignore[arg-type]
        assert client.stats.messages_out == sent


async def test_too_much_at_once_is_told_at_once(three: list[AdaptiveCoordinator]) -> None:
    async with client_of(*three, max_in_flight=10) as client:
        tasks = [asyncio.create_task(client.store("key", b"value")) for _ in range(12)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, StoreReceipt) for result in results) == 10
        assert sum(isinstance(result, BusyError) for result in results) == 2
        await client.store("key", b"value")


async def test_a_deadline_that_is_too_short(three: list[AdaptiveCoordinator]) -> None:
    async with client_of(*three) as client:
        await client.store("key", b"value")
        hosts = [node._host for node in three[:2]]
        deaf = [c._transport for host in hosts if host for c in host._connections.values()]
        for transport in deaf:
            assert transport is not None
            transport.pause_reading()
        with pytest.raises(DeadlineError, match="1 of 2 replicas took part in time"):
            await client.store("key", b"value", timeout_s=0.2)
        with pytest.raises(TimeoutError):
            await client.retrieve("key", timeout_s=0.2)
        for transport in deaf:
            assert transport is not None
            transport.resume_reading()


async def test_fewer_nodes_than_the_quorum() -> None:
    async with swarm(1) as nodes, client_of(*nodes) as client:
        with pytest.raises(QuorumError) as refusal:
            await client.store("key", b"value")
        assert (refusal.value.got, refusal.value.needed) == (1, 2)
