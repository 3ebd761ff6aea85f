"""Strangers and members that misbehave: the node keeps serving, says why, and stays small.

The node runs in a process of its own, on asyncio and on uvloop. While it is attacked, a client of
the network stores and retrieves; every one of its operations must succeed.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from random import Random

import pytest

from p2pcore import AdaptiveClient, ClientConfig
from p2pcore.address import split_address
from p2pcore.aio.identity import Credentials, Identity, peer_id_of
from p2pcore.contact import point_of
from p2pcore.ids import Key, key_of
from p2pcore.wire import messages as m
from p2pcore.wire.codec import FrameParser, Incoming, encode_frame
from p2pcore.wire.limits import MAX_FRAME_BYTES, MAX_VALUE_BYTES
from tests.aio.support import eventually
from tests.aio.victim import NETWORK_KEY, Victim, victim, wait_until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])  # of the attackers

MAX_GROWTH_BYTES = 64 * 1024 * 1024
"""Generous: what one attack may make of memory that is not given back at once."""

CLIENT = m.Ready(1, 1, m.Role.CLIENT)
NODE = m.Ready(1, 1, m.Role.NODE, "127.0.0.1:1", m.Settings(1, 1, 1))


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    with victim(request.param, tmp_path_factory.mktemp("log") / "log") as started:
        yield started


class Stranger:
    """A blocking socket to the node; with a network key, one that goes on to TLS."""

    def __init__(self, node: Victim, network_key: bytes | None = None, small: bool = False) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(split_address(node.address))
        if network_key is not None:
            identity = Identity.new()
            self.point = point_of(identity.node_id)
            context = Credentials(identity, network_key).client
            with self.socket:  # wrapping takes the descriptor over, unless it fails
                self.socket = context.wrap_socket(self.socket)
        self.parser = FrameParser()

    def key_of_the_node(self) -> Key:
        """A key that belongs to the node, also once it takes us for another node."""
        assert isinstance(self.socket, ssl.SSLSocket)
        node = point_of(peer_id_of(self.socket.getpeercert(binary_form=True)))
        keys = (key_of(f"large {number}") for number in range(1000))
        return next(key for key in keys if point_of(key) ^ node < point_of(key) ^ self.point)

    def say(self, *messages: m.Message) -> None:
        self.socket.sendall(b"".join(map(encode_frame, messages)))

    def heard(self) -> list[Incoming]:
        """Everything that the node says until it ends the connection."""
        found: list[Incoming] = []
        with self.socket, contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := self.socket.recv(65536):
                found += self.parser.feed(data)
        return found

    def goodbye(self) -> m.Goodbye:
        last = self.heard()[-1]
        assert isinstance(last, m.Goodbye), last
        return last


def member(node: Victim) -> Stranger:
    return Stranger(node, NETWORK_KEY)


async def under_attack(node: Victim, attack: Callable[[], object], serving: int = 20) -> str:
    """Attack in a thread, and use the node meanwhile. Returns what it wrote in its log."""
    node.said()
    config = ClientConfig(bootstrap=[node.address], network_key=NETWORK_KEY)
    async with AdaptiveClient(config) as client:
        await client.store("key", b"value")
        await eventually(lambda: node.connections == 1)
        before = peak = node.rss_bytes
        attacking = asyncio.create_task(asyncio.to_thread(attack))
        served = 0
        while not attacking.done() or served < serving:
            value = b"%d" % served
            await client.store("key", value)
            assert await client.retrieve("key") == value
            served += 1
            if served % 5 == 0:
                peak = max(peak, node.rss_bytes)
        await attacking
        await eventually(lambda: node.connections == 1)
        async with AdaptiveClient(config) as newcomer:
            assert await newcomer.retrieve("key") == value
        assert max(peak, node.rss_bytes) - before < MAX_GROWTH_BYTES
    return node.said()


async def test_random_bytes_instead_of_tls(node: Victim) -> None:
    rng = Random(1)

    def attack() -> None:
        for size in (1, 5, 100, 5000, 100_000) * 10:
            stranger = Stranger(node)
            with contextlib.suppress(OSError):  # it has had enough already
                stranger.socket.sendall(rng.randbytes(size))
                stranger.socket.shutdown(socket.SHUT_WR)
            stranger.heard()

    log = await under_attack(node, attack)
    assert "refused 127.0.0.1" in log
    assert "not TLS as spoken here" in log


async def test_random_bytes_within_tls(node: Victim) -> None:
    rng = Random(2)

    def attack() -> None:
        for greeted in (False, True) * 10:
            stranger = member(node)
            if greeted:
                stranger.say(CLIENT)
            stranger.socket.sendall(b"\0\0\0\x64" + rng.randbytes(100))
            assert stranger.goodbye().reason == m.Reason.MISBEHAVED

    log = await under_attack(node, attack)
    assert "no message" in log


@pytest.mark.parametrize("half", [b"\0\0", b"\0\x10\0\0" + bytes(70_000)])
async def test_half_frames(node: Victim, half: bytes) -> None:
    def attack() -> None:
        strangers = [member(node) for _ in range(20)]
        for stranger in strangers:
            stranger.say(CLIENT)
            stranger.socket.sendall(half)
        for stranger in strangers:
            assert "half a frame" in stranger.goodbye().text

    assert "half a frame" in await under_attack(node, attack)


async def test_a_frame_that_trickles(node: Victim) -> None:
    """Never silent for long: the time for a whole frame is limited as well."""

    def attack() -> None:
        stranger = member(node)
        stranger.say(CLIENT)
        stranger.socket.settimeout(0.1)
        stranger.socket.sendall(MAX_FRAME_BYTES.to_bytes(4))
        found: list[Incoming] = []
        for _ in range(300):
            stranger.socket.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                found += stranger.parser.feed(stranger.socket.recv(65536))
                if isinstance(found[-1], m.Goodbye):
                    break
        stranger.socket.close()
        assert found[-1] == m.Goodbye(m.Reason.MISBEHAVED, "half a frame after 3 s")

    assert "half a frame after 3 s" in await under_attack(node, attack)


async def test_frames_that_are_too_large(node: Victim) -> None:
    def attack() -> None:
        for size in (MAX_FRAME_BYTES + 1, 2**31, 2**32 - 1) * 5:
            stranger = member(node)
            stranger.say(CLIENT)
            stranger.socket.sendall(size.to_bytes(4) + bytes(1000))
            goodbye = stranger.goodbye()
            assert goodbye.reason == m.Reason.MISBEHAVED
            assert str(MAX_FRAME_BYTES) in goodbye.text

    assert str(MAX_FRAME_BYTES) in await under_attack(node, attack)


async def test_frames_out_of_turn(node: Victim) -> None:
    def attack() -> None:
        stranger = member(node)
        stranger.say(m.Ping(1))
        assert stranger.goodbye().text == "the first frame must be Ready"
        stranger = member(node)
        stranger.say(CLIENT, CLIENT)
        assert stranger.goodbye().text == "a second Ready"
        stranger = member(node)
        stranger.say(m.Ready(7, 9, m.Role.CLIENT))
        assert stranger.goodbye().reason == m.Reason.INCOMPATIBLE
        stranger = member(node)
        stranger.say(CLIENT)
        stranger.socket.sendall(b"\0\0\0\3\x92\x63\x07")  # an array of tag 99 and id 7
        stranger.say(
            m.Found(5, bytes(16), b"nobody asked"), m.Ping(8), m.Goodbye(m.Reason.SHUTDOWN)
        )
        _, refused, pong = stranger.heard()
        assert isinstance(refused, m.Failed)
        assert (refused.id, refused.reason) == (7, m.Reason.UNKNOWN_MESSAGE)
        assert pong == m.Pong(8)

    log = await under_attack(node, attack)
    for words in ("the first frame must be Ready", "a second Ready", "no protocol version"):
        assert words in log


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
async def test_two_hundred_that_stall_in_the_handshake(node: Victim, first: bytes) -> None:
    """Idle, or in the middle of their hello: the oldest make room, the others run out of time."""

    def attack() -> None:
        strangers = [Stranger(node) for _ in range(200)]
        for stranger in strangers:
            with contextlib.suppress(OSError):  # it was the oldest, and had to go
                stranger.socket.sendall(first)
        for stranger in strangers:
            assert stranger.heard() == []

    log = await under_attack(node, attack)
    assert "too many handshakes at a time, this was the oldest" in log
    assert "no handshake within 0.5 s" in log


async def test_a_handshake_that_trickles(node: Victim) -> None:
    """Time is counted from its beginning, not from its last byte."""

    def attack() -> None:
        stranger = Stranger(node)
        stranger.socket.settimeout(0.1)
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        with contextlib.suppress(ConnectionError):
            for byte in hello:
                stranger.socket.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if not stranger.socket.recv(100):
                        break
            else:
                raise AssertionError("the node took all the time in the world")
        stranger.socket.close()

    assert "no handshake within 0.5 s" in await under_attack(node, attack)


async def test_fifty_with_another_network_key(node: Victim) -> None:
    def attack() -> None:
        for _ in range(50):
            with pytest.raises(ssl.SSLCertVerificationError):
                Stranger(node, b"some other network key, 32 bytes")

    log = [await under_attack(node, attack)]

    def refused() -> int:
        """One by one, or counted in the line that follows when a period is over."""
        log.append(node.said())
        counts = re.findall(r"refused (?:(\d+) more|127\S+).*network key the same", "".join(log))
        return sum(int(more or 1) for more in counts)

    await eventually(lambda: refused() >= 50, limit_s=60)  # a period has ten
    assert "".join(log).count("is the network key the same?") < 50


async def test_strangers_that_trust_anybody(node: Victim) -> None:
    """Their TLS seems to succeed; the node's first frame never comes."""

    def attack() -> None:
        for with_certificate in (False, True) * 5:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if with_certificate:
                context = Credentials(Identity.new(), b"some other network key, 32 bytes").client
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            stranger = Stranger(node)
            stranger.socket = context.wrap_socket(stranger.socket)
            stranger.say(CLIENT, m.Fetch(1, key_of("key")))
            assert stranger.heard() == []

    log = await under_attack(node, attack)
    assert "refused 127.0.0.1" in log


@pytest.mark.parametrize("count", [12, 8000])
@pytest.mark.parametrize("ready", [CLIENT, NODE], ids=["client", "node"])
async def test_a_member_that_asks_for_much_and_never_reads(
    node: Victim, ready: m.Ready, count: int
) -> None:
    """For gigabytes, which is too much at once, or for less, which is too much for too long."""

    def attack() -> None:
        stranger = Stranger(node, NETWORK_KEY, small=True)
        key = stranger.key_of_the_node()
        large = m.Store(1, key, b"\1" + bytes(15), bytes(MAX_VALUE_BYTES))

        def is_stored() -> bool:
            """Not ready, for a moment, after an earlier attacker was taken for a node and left."""
            writer = member(node)
            writer.say(CLIENT, large, m.Goodbye(m.Reason.SHUTDOWN))
            return any(isinstance(each, m.Stored) for each in writer.heard())

        with stranger.socket, contextlib.suppress(OSError):
            wait_until(is_stored)
            stranger.say(ready, *(m.Fetch(number, key) for number in range(count)))
            wait_until(lambda: node.connections == 1)

    log = await under_attack(node, attack)
    assert "does not read" in log


def fill(node: Victim, count: int, size: int) -> list[Key]:
    """Store so many records of this size, once no stranger who said it is a node is one to it."""
    keys = [key_of(f"{size} bytes, {number}") for number in range(count)]
    stores = [m.Store(1, key, b"\1" + bytes(15), bytes(size)) for key in keys]

    def is_filled() -> bool:
        writer = member(node)
        writer.say(CLIENT, *stores, m.Goodbye(m.Reason.SHUTDOWN))
        return sum(isinstance(each, m.Stored) for each in writer.heard()) == count

    wait_until(is_filled)
    return keys


async def test_surveys_whose_answers_are_not_read(node: Victim) -> None:
    """Ten bytes each, answered by thousands of slots: 2,000 were a gigabyte and 42 s."""

    def attack() -> None:
        fill(node, 4000, 1)
        stranger = Stranger(node, NETWORK_KEY, small=True)
        surveys = [m.Survey(number, False, []) for number in range(8000)]
        with stranger.socket, contextlib.suppress(OSError):
            stranger.say(NODE, *surveys)
            wait_until(lambda: node.connections == 1)

    assert "does not read" in await under_attack(node, attack)


async def test_clients_are_refused_what_nodes_ask(node: Victim) -> None:
    def attack() -> None:
        stranger = member(node)
        surveys = [m.Survey(number, False, []) for number in range(2000)]
        stranger.say(CLIENT, *surveys, m.ListKeys(7, [1] * 4096), m.Goodbye(m.Reason.SHUTDOWN))
        _, *refusals = stranger.heard()
        assert len(refusals) == 2001
        assert all(isinstance(each, m.Failed) for each in refusals)

    await under_attack(node, attack)


async def test_forty_that_do_not_read(node: Victim) -> None:
    """Each asks for 200 MB. All together may make no more of memory wait than one."""

    def attack() -> None:
        keys = fill(node, 20, 100_000)
        fetches = [m.Fetch(number, keys[number % len(keys)]) for number in range(2000)]
        strangers = [Stranger(node, NETWORK_KEY, small=True) for _ in range(40)]
        for stranger in strangers:
            with contextlib.suppress(OSError):
                stranger.say(CLIENT, *fetches)
        wait_until(lambda: node.connections == 1)
        for stranger in strangers:
            stranger.socket.close()

    assert "does not read" in await under_attack(node, attack)


async def test_more_members_than_connections(node: Victim) -> None:
    def attack() -> None:
        strangers = []
        for _ in range(70):  # each greets at once: on a busy machine all of them take seconds
            strangers.append(member(node))
            with contextlib.suppress(ConnectionError, ssl.SSLError):  # refused a second ago
                strangers[-1].say(CLIENT)
        for stranger in strangers:
            with contextlib.suppress(ConnectionError, ssl.SSLError):  # it was one too many
                stranger.say(m.Goodbye(m.Reason.SHUTDOWN))
        last = [stranger.heard()[-1] for stranger in strangers]
        refused = [x for x in last if isinstance(x, m.Goodbye)]
        assert {x.reason for x in refused} <= {m.Reason.TOO_MANY_CONNECTIONS}
        assert len(refused) >= 6

    assert "64 connections are open, which is the limit here" in await under_attack(node, attack)
