"""Who is told of the steps that messages take, so that a fault can strike at one of them.

Rule: tells; changes nothing itself. While nobody watches, a step costs one look at an empty list.
"""

import enum
from collections.abc import Callable
from typing import Any

from p2pcore.sim.network.connection import TAG_AT, EndOwner
from p2pcore.wire.messages import MESSAGES

__all__ = ["MessageStep", "Watcher", "Watchers"]

_BY_TAG = {kind.__struct_config__.tag: kind for kind in MESSAGES}


class MessageStep(enum.Enum):
    """Where a message is."""

    LEAVES = enum.auto()  # its sender is about to send it
    ARRIVES = enum.auto()  # it has come to its receiver's machine
    HANDLED = enum.auto()  # its receiver is about to handle it, in this very event


Watcher = Callable[[MessageStep, EndOwner, type], None]
"""Told of a step: whose, and which kind of message."""


class Watchers(list[Watcher]):
    """Those who are told."""

    def tell(self, step: MessageStep, process: EndOwner, payload: Any) -> None:
        """A message, or its frame, takes a step. Who is told may stop watching, and the process may
        be gone afterwards."""
        kind = type(payload)
        if kind is bytes and len(payload) > TAG_AT:
            kind = _BY_TAG.get(payload[TAG_AT], kind)
        for watcher in tuple(self):
            watcher(step, process, kind)
