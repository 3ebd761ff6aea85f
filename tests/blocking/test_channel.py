"""What a channel holds against its peer, and from when on."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from p2pcore import ClientConfig, UnreachableError
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.aio.patience import FRAME_STALLS, LINGER_S, NOT_READ
from p2pcore.aio.system import entropy, now
from p2pcore.aio.tls import TlsSession
from p2pcore.blocking.carrier import Carrier
from p2pcore.blocking.channel import Channel, ChannelStage
from p2pcore.client import Client
from p2pcore.effects import LinkId
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Counters
from tests.processes import Serving

SECOND_NS = 10**9
LARGE = bytes(32 << 20)  # more than any socket takes that nobody reads from


class Owner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.ends: list[P2PError | None] = []

    def authenticated(self, channel: Channel, peer_id: NodeId) -> None:
        pass

    def received(self, channel: Channel, data: bytes) -> None:
        pass

    def changed(self, channel: Channel) -> None:
        pass

    def gone(self, channel: Channel, error: P2PError | None, *, was: ChannelStage) -> None:
        self.ends.append(error)


@contextmanager
def channel_to(owner: Owner) -> Iterator[tuple[Channel, socket.socket]]:
    """An open channel, made at time 0, and the peer's end of it."""
    credentials = Credentials(Identity.new(), b"some network's key...")
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(60)
    tls = TlsSession(credentials.client, server_side=False)
    channel = Channel(owner, LinkId(1), tls, "h:1", None, [], 0)
    channel.socket, channel.stage = ours, ChannelStage.OPEN
    with ours, theirs:
        yield channel, theirs


def test_a_peer_has_its_time_to_read_from_when_there_is_something() -> None:
    """And not from when something was last sent, which may be long ago."""
    with channel_to(Owner()) as (channel, _):
        assert channel.stalled(1000 * SECOND_NS, SECOND_NS) is None
        channel._send(LARGE)
        now_ns = time.monotonic_ns()
        assert channel.wants & 2
        assert channel.stalled(now_ns, SECOND_NS) is None
        assert channel.stalled(now_ns + 2 * SECOND_NS, SECOND_NS) == NOT_READ


def test_half_a_frame_has_a_limit_from_its_last_byte_and_one_from_its_first() -> None:
    with channel_to(Owner()) as (channel, _):
        channel.parser.feed(b"\0\0")
        channel.heard_ns = channel.frame_since_ns = 10 * SECOND_NS
        assert channel.stalled(11 * SECOND_NS, SECOND_NS) is None
        assert "half a frame, and nothing more for 1 s" in str(
            channel.stalled(12 * SECOND_NS, SECOND_NS)
        )
        channel.heard_ns = late_ns = 10 * SECOND_NS + (FRAME_STALLS + 1) * SECOND_NS
        assert "half a frame after 6 s" in str(channel.stalled(late_ns, SECOND_NS))
        channel.excuse(late_ns)  # nobody has read meanwhile: that was ours
        assert channel.stalled(late_ns, SECOND_NS) is None


def test_a_peer_that_does_not_agree_to_the_end() -> None:
    with channel_to(Owner()) as (channel, theirs):
        channel.close(SECOND_NS)
        assert channel.stage is ChannelStage.CLOSING
        assert theirs.recv(65536) == b""  # no handshake, so no close_notify; but the end
        assert channel.stalled(SECOND_NS + 1, SECOND_NS) is None
        late_ns = SECOND_NS + round((LINGER_S + 0.1) * SECOND_NS)
        assert channel.stalled(late_ns, SECOND_NS) == "it does not close"


def test_one_that_is_closed_with_much_unsaid_ends_at_once() -> None:
    owner = Owner()
    with channel_to(owner) as (channel, _):
        channel._send(LARGE)
        channel.close(SECOND_NS)
        assert channel.stage is ChannelStage.GONE
        assert owner.ends == [None]


def test_a_reset_while_sending_is_read_and_told_once() -> None:
    owner = Owner()
    with channel_to(owner) as (channel, theirs):
        theirs.close()
        channel._send(b"into the void")
        channel.ready(1, memoryview(bytearray(1024)), SECOND_NS)
        assert owner.ends == [None]
        channel.ready(3, memoryview(bytearray(1024)), SECOND_NS)
        assert owner.ends == [None]


def test_one_that_does_not_read_is_unreachable_and_did_not_misbehave(nodes: list[Serving]) -> None:
    """Found at the look that a carrier takes every so often."""
    results: dict[int, object] = {}
    identity = Identity.new()
    config = ClientConfig(bootstrap=[nodes[0].address])
    machine = Client(config, identity.node_id, entropy())
    credentials = Credentials(identity, config.network_key)
    carrier = Carrier(machine, credentials, 1.0, results.__setitem__)
    try:
        machine.connect(1, now())
        carrier.pump()
        due_s = time.monotonic() + 30
        while 1 not in results:
            assert time.monotonic() < due_s
            carrier.tell_selector()
            carrier.serve(carrier.select(0.1))
        (channel,) = carrier._channels.values()
        channel._send(LARGE)
        channel.sent_ns -= 10 * SECOND_NS
        carrier._look_at_stalls(now())
        assert carrier.is_quiet
        assert (machine.counters.misbehaved, machine.counters.links_broken) == (0, 1)
    finally:
        carrier.dispose()


def test_no_place_left() -> None:
    owner = Owner()
    with channel_to(owner) as (channel, _):
        channel.socket = None
        channel.stage = ChannelStage.DIALLING
        channel.dial()
        (error,) = owner.ends
        with pytest.raises(UnreachableError, match="it stands for no address"):
            raise error  # type: ignore[misc]
