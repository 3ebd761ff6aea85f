"""`Links` under test: what it is told, what it wants done, and what it tells its owner."""

from p2pcore.contact import Contact
from p2pcore.effects import Close, Effect, Instant, LinkId, Notice, Send
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Call, Link
from p2pcore.session.links import Links
from p2pcore.wire import messages as m

__all__ = [
    "CLIENT_READY", "CONTACT", "ME", "NODE_READY", "OTHER", "PEER", "SETTINGS", "Asked", "Harness",
]  # fmt: skip

ME, PEER, OTHER = (NodeId(bytes([n]) * 32) for n in (1, 2, 3))
SETTINGS = m.Settings(3, 2, 2)
NODE_READY = m.Ready(1, 1, m.Role.NODE, "10.0.0.2:1", SETTINGS)
CLIENT_READY = m.Ready(1, 1, m.Role.CLIENT)
CONTACT = Contact.of(PEER, "10.0.0.2:1")


class Asked(Call):
    """A call that remembers what it was told."""

    __slots__ = ("told",)

    def __init__(self, links: Links, due_ns: int = 10**18) -> None:
        super().__init__(links.new_call_id(), due_ns)
        self.told: list[object] = []

    def replied(self, node_id: NodeId, reply: m.Reply, now: Instant) -> None:
        self.told.append((node_id, reply))

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        self.told.append((node_id, type(error)))

    def expired(self, now: Instant) -> None:
        self.told.append("expired")


class Harness:
    """`Links` with its hooks noted down, and a clock."""

    def __init__(
        self, role: m.Role = m.Role.NODE, max_links: int = 10, pool_size: int = 10, me: NodeId = ME
    ) -> None:
        self.effects: list[Effect] = []
        self.links = Links(
            me,
            role,
            self.effects,
            settings=SETTINGS if role is m.Role.NODE else None,
            max_links=max_links,
            pool_size=pool_size,
        )
        self.links.address = "10.0.0.1:1" if role is m.Role.NODE else ""
        self.told: list[object] = []
        self.links.on_link = lambda link, now: self.told.append("link")
        self.links.on_link_lost = lambda link, planned, now: self.told.append(("lost", planned))
        self.links.on_unreachable = lambda address, node_id, error, now: self.told.append(
            ("unreachable", address, node_id, type(error))
        )
        self.links.handlers[m.Ping] = self._on_ping
        self.now = Instant(10**9, 10**12)

    def _on_ping(self, link: Link, ping: m.Ping, now: Instant) -> None:
        self.links.reply(link, m.Pong(ping.id))

    def drain(self) -> list[Effect]:
        effects, self.effects[:] = self.effects[:], []
        return effects

    def connected(self, number: int, peer: NodeId = PEER, *, incoming: bool = True) -> list[Effect]:
        self.links.connected(
            LinkId(number), peer, "10.0.0.2:1", incoming=incoming, now=self.now
        )  # fmt: skip
        return self.drain()

    def receive(self, number: int, message: object) -> list[Effect]:
        self.links.receive(LinkId(number), message, self.now)  # type: ignore[arg-type]
        return self.drain()

    def greeted(
        self, number: int, peer: NodeId = PEER, ready: m.Ready = NODE_READY, incoming: bool = True
    ) -> None:
        self.connected(number, peer, incoming=incoming)
        assert self.receive(number, ready) == []

    def ask(self, *contacts: Contact, due_ns: int = 10**18) -> Asked:
        call = Asked(self.links, due_ns)
        self.links.ask(call, list(contacts), m.Ping(call.id), self.now)
        return call

    def sweep(self, passed_ns: int) -> list[Effect]:
        self.now = Instant(self.now.mono_ns + passed_ns, self.now.wall_ms)
        self.links.handle_timer(self.now)
        return self.drain()

    def goodbye(self, effects: list[Effect]) -> m.Reason:
        """Why the peer was turned away: it is told, closed, and the operator can read it."""
        send, close, notice = effects
        assert isinstance(send, Send)
        assert isinstance(close, Close)
        assert isinstance(notice, Notice)
        assert isinstance(send.message, m.Goodbye)
        assert send.message.text == close.text
        assert close.text in notice.text
        assert "10.0.0.2:1" in notice.text
        assert send.links == (close.link,)
        return m.Reason(send.message.reason)
