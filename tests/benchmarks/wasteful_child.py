"""Stands for the child of a CountLab whose core does one thing too many in every store."""

from typing import Any

from benchmarks.common.counting import count_lab
from p2pcore.client import Client
from p2pcore.effects import Send
from p2pcore.wire.messages import Pong

EXTRA = Pong(70_000)  # answers nothing, so nothing follows; an id like those of a long-lived peer

_write = Client.write


def _nothing(self: Client, *arguments: Any) -> None:
    _write(self, *arguments)


def _message(self: Client, *arguments: Any) -> None:
    _write(self, *arguments)
    self._effects.append(Send((next(iter(self.links.by_id)),), EXTRA))


def _called() -> None:
    pass


def _python_call(self: Client, *arguments: Any) -> None:
    _write(self, *arguments)
    _called()


def _c_call(self: Client, *arguments: Any) -> None:
    _write(self, *arguments)
    len(arguments)


def _allocation(self: Client, *arguments: Any) -> None:
    _write(self, *arguments)
    bytes(64)


WASTES = {
    "nothing": _nothing,
    "message": _message,
    "python_calls": _python_call,
    "c_calls": _c_call,
    "allocations": _allocation,
}


def run_child(arguments: list[str]) -> None:
    waste, *rest = arguments
    Client.write = WASTES[waste]  # type: ignore[method-assign, assignment]
    count_lab.run_child(rest)
