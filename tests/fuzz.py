"""A node or a client among peers that say anything, in any order: python -m tests.fuzz

One machine is the subject; everything around it (its edge, its peers, its application) is played
here from one seed. Every message is well formed. What it says is often no answer to what was asked,
of a wrong range, too early, too late, of a peer that lies about its role, or the last before the
link breaks. After each event: nothing was raised, and the machine sends on links that are open
only. Now and then: whatever it keeps is bounded, and no question, session or operation is older
than it may be. In the end, when everybody has gone: nothing is left open.
"""

import argparse
from collections import deque
from random import Random
from typing import Any

from p2pcore.client import Client
from p2pcore.config import ClientConfig, CoordinatorConfig
from p2pcore.effects import Close, Complete, Connect, Instant, LinkId, Send
from p2pcore.errors import AuthenticationError, BusyError, UnreachableError
from p2pcore.ids import ID_BYTES, NodeId
from p2pcore.node import Node
from p2pcore.overlay.directory import MAX_REGIONS
from p2pcore.overlay.lost import MAX_LOST
from p2pcore.session.trace import NEVER_NS
from p2pcore.wire import messages as m
from p2pcore.wire.codec import FrameParser, encode_frame
from p2pcore.wire.limits import MAX_FRAME_BYTES
from tests.fuzz_messages import Speaker

__all__ = ["Fuzz", "main"]

PEERS = 24  # more than a bucket: tables fill up, and lookups are needed
CAPACITY = 200_000
MAX_OPEN_LINKS = 40
MAX_OPERATIONS = 20
DIAL_NS = 5_000_000_000  # an edge answers a Connect within this
LOOK_EVERY = 500  # events
OLDEST_CALL_NS = 180_000_000_000  # a lookup of 256 late answers, and its late questions
OLDEST_SESSION_NS = 900_000_000_000  # one that gives what Progress asks for, at the least rate
MAX_CALLS = 2000
SETTLE_S = 400  # after which nothing may be open, once everybody has gone

SETTINGS = m.Settings(3, 2, 2)


class Fuzz:
    """One subject and its world.

    Args:
        kind: "node" or "client".
        seed: of everything.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self.rng = Random(f"{kind}/{seed}")
        self.mono_ns = 10**9
        self.wall_ms = 1_700_000_000_000
        self.events = 0
        self.peers = [NodeId(self.rng.randbytes(ID_BYTES)) for _ in range(PEERS)]
        self.lives = 0
        self.false_answers = 0
        self._begin()

    def _begin(self) -> None:
        """A new process of the subject."""
        self.lives += 1
        rng, life = self.rng, self.lives
        own = NodeId(rng.randbytes(ID_BYTES))
        streams = lambda purpose: Random(f"{life}/{purpose}")  # noqa: E731
        ways = ("10.0.0.1:7000", "10.0.0.2:7000") if rng.random() < 0.8 else ()
        if self.kind == "node":
            config = CoordinatorConfig(bootstrap=ways, max_store_bytes=CAPACITY, max_connections=30)
            self.machine: Any = Node(config, own, streams)
            self.machine.open("10.0.0.99:7000")
        else:
            self.machine = Client(ClientConfig(bootstrap=ways or ("10.0.0.1:7000",)), own, streams)
        self.speaker = Speaker(rng, self.peers, own)
        self.links: dict[LinkId, NodeId] = {}
        self.asked: deque[tuple[LinkId, Any]] = deque(maxlen=300)
        self.dials: list[tuple[int, Connect]] = []
        self.operations: dict[int, int] = {}  # and when each has to be over
        self.started = 0
        self.leaving = False
        self._calls: dict[int, int] = {}
        self._session: object = None
        self._session_ns = 0
        if self.kind == "node":
            self._operate(lambda n, _: self.machine.join(n, self.now), limit_s=60)
        else:
            self._operate(lambda n, _: self.machine.connect(n, self.now), limit_s=1e9)

    @property
    def now(self) -> Instant:
        return Instant(self.mono_ns, self.wall_ms)

    # Events

    def run(self, events: int) -> None:
        """So many events; raises what is wrong."""
        for _ in range(events):
            self.events += 1
            self._event()
            if self.events % LOOK_EVERY == 0:
                self.look()

    def _event(self) -> None:
        rng, roll = self.rng, self.rng.random()
        self._pass(rng.randrange(20_000_000) if rng.random() < 0.99 else rng.randrange(2 * 10**9))
        if roll < 0.45 and self.asked:
            self._answer()
        elif roll < 0.80 and self.links:
            link = rng.choice(list(self.links))
            self._receive(link, self.speaker.anything(self.now, self.links[link]))
        elif roll < 0.88:
            self._open()
        elif roll < 0.92 and self.links:
            self._break(rng.choice(list(self.links)))
        elif roll < 0.97:
            self._dialled()
        elif roll < 0.9999 or self.kind == "client":
            self._apply()
        else:
            self._leave()

    def _pass(self, ns: int) -> None:
        """Time passes; the timer fires when it is due, or late."""
        until_ns = self.mono_ns + ns
        for _ in range(200):
            due_ns = self.machine.next_deadline()
            if due_ns is None or due_ns > until_ns:
                break
            self.mono_ns = max(self.mono_ns, due_ns)
            self.machine.handle_timer(self.now)
            self._pump()
        else:
            assert due_ns is not None
            assert due_ns > self.mono_ns - 10**9, "the timer is due again and again"
        self.wall_ms += ns // 1_000_000
        self.mono_ns = max(self.mono_ns, until_ns)

    def _receive(self, link: LinkId, message: Any) -> None:
        (parsed,) = FrameParser().feed(encode_frame(message))
        assert type(parsed) is type(message), f"not well formed: {message}"
        unread = self.rng.random() < 0.02
        receive = self.machine.receive_unread if unread else self.machine.receive
        receive(link, parsed, self.now)
        self._pump()

    def _answer(self) -> None:
        """To something that was asked: the truth, nearly the truth, or something else."""
        index = self.rng.randrange(len(self.asked))
        link, question = self.asked[index]
        if self.rng.random() < 0.9:  # else it is answered again
            del self.asked[index]
        if link not in self.links:
            return
        if self.rng.random() < 0.05:
            link = self.rng.choice(list(self.links))  # and by somebody else
        self._receive(link, self.speaker.answer(question, self.now))

    def _open(self) -> None:
        if len(self.links) < MAX_OPEN_LINKS:
            peer = self.rng.choice(self.peers)
            self._connected(peer, self.speaker.address_of(peer), incoming=True)

    def _connected(self, peer: NodeId, address: str, *, incoming: bool) -> None:
        self.started += 1
        link = LinkId(self.started)
        self.links[link] = peer
        self.machine.connected(link, peer, address, incoming=incoming, now=self.now)
        self._pump()
        if self.rng.random() < 0.9 and link in self.links:
            self._receive(link, self.speaker.ready(peer, node=not incoming or None))

    def _break(self, link: LinkId) -> None:
        del self.links[link]
        error = None if self.rng.random() < 0.5 else UnreachableError("reset")
        self.machine.disconnected(link, error, self.now)
        self._pump()

    def _dialled(self) -> None:
        """A connection that the subject wants comes about, or does not, or leads to another."""
        late = [dial for dial in self.dials if self.mono_ns > dial[0]]
        if not self.dials:
            return
        dial = late[0] if late else self.rng.choice(self.dials)
        self.dials.remove(dial)
        effect = dial[1]
        wanted = effect.node_id or self.rng.choice(self.peers)
        if wanted in self.peers and self.rng.random() < 0.7 and len(self.links) < MAX_OPEN_LINKS:
            self._connected(wanted, effect.address, incoming=False)
            return
        kind = self.rng.choice([UnreachableError, AuthenticationError, BusyError])
        self.machine.connect_failed(effect.address, effect.node_id, kind("no"), self.now)
        self._pump()

    def _apply(self) -> None:
        """The application wants something, or has changed its mind."""
        rng, machine, now = self.rng, self.machine, self.now
        if len(self.operations) >= MAX_OPERATIONS or rng.random() < 0.1:
            number = rng.choice(list(self.operations or [0]))
            machine.cancel(number)
            if self.kind == "node":
                machine.stop_waiting(number)
            self.operations.pop(number, None)
            return
        keys = [self.speaker.key() for _ in range(rng.randrange(1, 30))]
        peer = rng.choice(self.peers)
        target = rng.choice([(None, None), (None, peer), (self.speaker.address_of(peer), None)])
        choices = [
            lambda n, due: machine.inspect(n, target, due, now),
            lambda n, due: machine.crawl(n, 50, due, now),
            lambda n, due: machine.meet(n, self.speaker.address_of(peer), peer, due, now),
        ]
        if self.kind == "node":
            choices.append(lambda n, due: machine.wait_ready(n, now))
        elif machine.links.settings is not None:
            pairs = [(key, b"value") for key in dict.fromkeys(keys)]
            choices += 3 * [
                lambda n, due: machine.write(n, keys[0], b"value", 1000, due, now),
                lambda n, due: machine.read(n, keys[0], "name", due, now),
                lambda n, due: machine.write_many(n, pairs, None, due, now),
                lambda n, due: machine.read_many(n, keys, ["name"] * len(keys), due, now),
            ]
        choice = rng.choice(choices)
        waits = self.kind == "node" and choice is choices[-1]
        self._operate(choice, limit_s=1e9 if waits else rng.uniform(0.01, 8))

    def _operate(self, begin: Any, limit_s: float) -> None:
        self.started += 1
        due_ns = self.mono_ns + round(limit_s * 1e9)
        self.operations[self.started] = due_ns
        begin(self.started, due_ns)
        self._pump()

    def _leave(self) -> None:
        self.leaving = True
        self._operate(lambda n, _: self.machine.hand_over(n, self.now), limit_s=10)
        for _ in range(300):
            self._event() if self.rng.random() < 0.95 else self._pass(10**8)
            if not self.leaving:
                return
        self.machine.leave()
        self._pump()
        assert not self.links, "everybody was told"
        self._begin()

    # Effects

    def _pump(self) -> None:
        for effect in self.machine.drain():
            if isinstance(effect, Send):
                size = len(encode_frame(effect.message))
                assert size <= MAX_FRAME_BYTES + 4, f"a frame of {size} bytes"
                for link in effect.links:
                    assert link in self.links, f"{effect.message} on a link that is closed"
                    if self.speaker.is_question(effect.message):
                        self.asked.append((link, effect.message))
            elif isinstance(effect, Connect):
                self.dials.append((self.mono_ns + DIAL_NS, effect))
            elif isinstance(effect, Close):
                assert effect.link in self.links, "closed twice"
                del self.links[effect.link]
            elif isinstance(effect, Complete):
                self.operations.pop(effect.operation, None)

    # What must hold

    def look(self) -> None:
        """Whatever is kept is bounded, and nothing is open for longer than it may be."""
        machine, links = self.machine, self.machine.links
        while self.dials and self.mono_ns > self.dials[0][0]:
            self._dialled()
        assert list(links.by_id) == list(self.links), "the machine and its edge agree on links"
        assert len(links.calls) <= MAX_CALLS, f"{len(links.calls)} calls"
        dialled = len(self.dials) + len(self.links)
        assert len(links._pending.waiting) <= dialled, "somebody waits for no dial"
        assert len(links.timeouts._dials) <= dialled, "dials that are over are remembered"
        assert len(links.slow) <= 300, "everybody who was ever slow is remembered"
        assert machine.table.size <= 20 * 256
        assert len(machine.directory._regions) <= MAX_REGIONS
        assert machine.directory._searching <= 8
        for number, due_ns in self.operations.items():
            assert self.mono_ns < due_ns + 2 * 10**9, f"operation {number} is not over"
        live = {n: self._calls.get(n, self.mono_ns) for n, c in links.calls.items()}
        for number, since_ns in live.items():
            call = links.calls[number]
            if call.due_ns != NEVER_NS:
                assert self.mono_ns - since_ns < OLDEST_CALL_NS, f"{type(call)} stays open"
        self._calls = live
        if self.kind == "node":
            self._look_at_node()

    def _look_at_node(self) -> None:
        node = self.machine
        assert node.store.size_bytes <= CAPACITY
        assert len(node.lost) <= MAX_LOST
        assert len(node._membership._to_fill) <= 256
        session = node._sync._session
        if session is not self._session:
            self._session, self._session_ns = session, self.mono_ns
        if session is not None:
            assert self.mono_ns - self._session_ns < OLDEST_SESSION_NS, "a sync stays open"
        for link in node.links.by_id.values():
            assert 0 <= link.coordinating <= 256

    def settle(self) -> None:
        """Everybody goes, nobody can be dialled: nothing is left open."""
        for link in list(self.links):
            self._break(link)
        for _ in range(SETTLE_S * 4):
            self._pass(250_000_000)
            for _, effect in self.dials[:]:
                error = UnreachableError("nobody is there")
                self.machine.connect_failed(effect.address, effect.node_id, error, self.now)
            self.dials.clear()
            self._pump()
        waiting = [n for n, due_ns in self.operations.items() if due_ns < self.mono_ns]
        assert not waiting, f"operations {waiting} have no result"
        assert not self.links
        left = [type(call).__name__ for call in self.machine.links.calls.values()]
        assert not left, f"{left} stay open"
        if self.kind == "node":
            assert self.machine._handover._step is None
            assert self.machine._sync._session is None


def main() -> None:
    """As many events as are asked for, of nodes and clients in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", type=int, default=20_000, help="events until the next world")
    arguments = parser.parse_args()
    left, seed = arguments.events, arguments.seed
    while left > 0:
        for kind in ("node", "client"):
            fuzz = Fuzz(kind, seed)
            try:
                fuzz.run(min(left, arguments.world))
                fuzz.settle()
            except BaseException:
                print(f"{kind}, seed {seed}, event {fuzz.events}:", flush=True)
                raise
            counters = fuzz.machine.counters
            left -= min(left, arguments.world)
            print(
                f"{kind} {seed}: {fuzz.events} events, {counters.misbehaved} links accused, "
                f"{counters.syncs if kind == 'node' else 0} syncs, {left} to go",
                flush=True,
            )
        seed += 1


if __name__ == "__main__":
    main()
