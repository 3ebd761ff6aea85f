"""Who does how much for each kind of message: what reading and handling one takes, and sending one.

What an operation takes to begin counts with the messages that it sends.

Rule: knows the calls that a static swarm makes into machines, by their names, and nothing else of
p2pcore.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.common.counting.call_tree import CallTree, TreeNode
from benchmarks.common.counting.meters import CountMeter, Result

__all__ = ["READ", "SEND", "KindMeter"]

READ, SEND = "read", "send"


class KindMeter(CountMeter):
    """Counts nothing, and takes down who calls whom, for each kind of message apart.

    Args:
        client: the one client's machine; all others are nodes'.
    """

    def __init__(self, client: Any) -> None:
        super().__init__()
        self.trees: dict[tuple[str, str], CallTree] = {}
        """By READ or SEND, and the kind."""
        self.messages: Counter[tuple[str, str]] = Counter()
        """Those that were read, by "client" or "node", and the kind."""
        self._client = client.receive.__self__
        self._begun = CallTree()  # what no message brought about, until one is sent
        self._current = self._begun  # what the effects and the timer that follow belong to

    def __call__(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        match getattr(function, "__name__", ""):
            case "feed":
                return self._fed(function, *arguments)
            case "encode_frame":
                tree = self._tree(SEND, type(arguments[0]).__name__)
                if self._current is self._begun:
                    _add(tree.root, self._begun.root)
                    self._begun, self._current = CallTree(), tree
            case "receive":
                kind = type(arguments[1]).__name__
                reader = "client" if _owner(function) is self._client else "node"
                self.messages[reader, kind] += 1
                tree = self._current = self._tree(READ, kind)
            case "drain" | "next_deadline":
                tree = self._current
            case _:
                tree = self._current = self._begun
        with tree:
            return function(*arguments, **named)

    def _tree(self, way: str, kind: str) -> CallTree:
        return self.trees.setdefault((way, kind), CallTree())

    def _fed(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Only what it gives says which kind it was: a frame is fed at a time."""
        tree = CallTree()
        with tree:
            found: Any = function(*arguments)
        for kind in {type(each).__name__ for each in found}:
            _add(self._tree(READ, kind).root, tree.root)
        return found  # type: ignore[no-any-return]


def _owner(function: Callable[..., object]) -> object:
    return getattr(function, "__self__", None)


def _add(into: TreeNode, more: TreeNode) -> None:
    into.calls += more.calls
    into.steps += more.steps
    for key, node in more.below.items():
        _add(into.below.setdefault(key, TreeNode(node.name)), node)
