"""Members that do what they must not. Each behaviour replaces handlers of an honest node.

- `garbage`: answers every request with bytes that are no message;
- `silence`: answers nothing but greetings and pings;
- `liar`: names contacts that do not exist, close to whatever is looked for;
- `eclipse`: names only the other eclipsing nodes, so that a lookup ends among them;
- `refusal`: refuses every record for lack of room;
- `amnesia`: acknowledges records and keeps none. (A replica that lies: outside the promise.)

Rule: speaks through the node's own connections; what it could not do on sockets, it can't do here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from p2pcore.effects import Instant
from p2pcore.errors import ConfigError
from p2pcore.session.link import Link
from p2pcore.sim.faults.fault import Aimed, FaultScene
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.network.connection import RawFrame
from p2pcore.sim.streams import Stream
from p2pcore.storage.recent import starts_in
from p2pcore.wire.limits import MAX_CONTACTS
from p2pcore.wire.messages import (
    REPLIES,
    Contacts,
    Draw,
    Drawn,
    Failed,
    Fetch,
    FetchMany,
    FindNode,
    FoundMany,
    Get,
    Goodbye,
    Malformed,
    Missing,
    Ping,
    Put,
    Ready,
    Reason,
    Store,
    Stored,
    StoredMany,
    StoreMany,
    Unknown,
    WireContact,
)

__all__ = ["BEHAVIOURS", "Byzantine", "make_byzantine"]

BEHAVIOURS = ("garbage", "silence", "liar", "eclipse", "refusal", "amnesia")

GARBAGE_BYTES = 64
LIES = 20  # contacts in one answer, as many as an honest node names
CLOSENESS_BITS = 128  # that an invented contact shares with what is looked for

Answer = Callable[[SimNode, Link, Any], None]
Handler = Callable[[Link, Any, Instant], None]


@dataclass(frozen=True, kw_only=True)
class Byzantine(Aimed):
    """A member does what it must not. After `for_s` its process is ended."""

    name: ClassVar[str] = "byzantine"

    behaviour: str = "garbage"
    """One of BEHAVIOURS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.behaviour not in BEHAVIOURS:
            raise ConfigError(
                f"behaviour must be one of {', '.join(BEHAVIOURS)}, not {self.behaviour!r}"
            )

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        return cls(at_s=at_s, for_s=for_s, behaviour=rng.choice(BEHAVIOURS))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        make_byzantine(node, self.behaviour)
        self.later(scene, lambda: node.crash() if node.alive and node.byzantine else None)


def make_byzantine(node: SimNode, behaviour: str) -> None:
    """From now on this node behaves so, until it restarts.

    Raises:
        KeyError: there is no such behaviour.
    """
    node.byzantine = behaviour
    handlers = node.machine.links.handlers

    def handler(kind: type, answer: Answer) -> Handler:
        honest = handlers[kind]

        def handle(link: Link, request: Any, now: Instant) -> None:
            if link.peer_id == node.node_id:
                honest(link, request, now)  # what it asks itself comes over no connection
            else:
                answer(node, link, request)

        return handle

    handlers |= {kind: handler(kind, answer) for kind, answer in _answers(node, behaviour).items()}


def _answers(node: SimNode, behaviour: str) -> dict[type, Answer]:
    honest = (*REPLIES, Ready, Goodbye, Unknown, Malformed, Ping)
    requests = [kind for kind in node.machine.links.handlers if kind not in honest]
    by_manner: dict[str, dict[type, Answer]] = {
        "garbage": dict.fromkeys(requests, _garbage),
        "silence": dict.fromkeys(requests, _nothing),
        "liar": {FindNode: _lies},
        "eclipse": {FindNode: _accomplices},
        "refusal": dict.fromkeys((Store, StoreMany, Put), _refusal),
        "amnesia": {
            Store: _acknowledgement, StoreMany: _acknowledgement_of_many, Fetch: _missing,
            FetchMany: _missing_all, Get: _missing, Draw: _drawn_none,
        },
    }  # fmt: skip
    return by_manner[behaviour]


def _say(node: SimNode, link: Link, message: Any) -> None:
    if link.id in node.ends:
        node.network.send(node, (link.id,), message, node.environment.now_ns)


def _garbage(node: SimNode, link: Link, request: Any) -> None:
    _say(node, link, RawFrame(node.rng.randbytes(GARBAGE_BYTES)))


def _nothing(node: SimNode, link: Link, request: Any) -> None:
    pass


def _lies(node: SimNode, link: Link, request: FindNode) -> None:
    shown = CLOSENESS_BITS // 8
    contacts = []
    for _ in range(LIES):
        invented = request.target[:shown] + node.rng.randbytes(len(request.target) - shown)
        address = f"10.{250 + node.rng.below(5)}.{node.rng.below(256)}.{node.rng.below(256)}:7000"
        contacts.append(WireContact(invented, address))
    _say(node, link, Contacts(request.id, contacts))


def _accomplices(node: SimNode, link: Link, request: FindNode) -> None:
    eclipsing = [
        each for each in node.network.by_address.values()
        if isinstance(each, SimNode) and each.byzantine == "eclipse" and each.alive
    ]  # fmt: skip
    contacts = [WireContact(each.node_id, each.address) for each in eclipsing]
    _say(node, link, Contacts(request.id, contacts[:MAX_CONTACTS]))


def _refusal(node: SimNode, link: Link, request: Any) -> None:
    _say(node, link, Failed(request.id, Reason.STORAGE_FULL, "no room, says a refusing node"))


def _acknowledgement(node: SimNode, link: Link, request: Store) -> None:
    _say(node, link, Stored(request.id))


def _acknowledgement_of_many(node: SimNode, link: Link, request: StoreMany) -> None:
    _say(node, link, StoredMany(request.id, []))


def _missing(node: SimNode, link: Link, request: Any) -> None:
    _say(node, link, Missing(request.id))


def _missing_all(node: SimNode, link: Link, request: FetchMany) -> None:
    _say(node, link, FoundMany(request.id, [None] * len(request.keys), []))


def _drawn_none(node: SimNode, link: Link, request: Draw) -> None:
    _say(node, link, Drawn(request.id, [None] * len(starts_in(request.keys)), []))
