"""Who calls whom while something runs, and how much each does itself: counted, not sampled.

A tree of calls: below each function those that it called, however often, as one node each. A node
has its *calls* and its *steps*, the bytecode instructions that ran in it. Steps are what a function
written in Python does itself; they depend on the program alone, not on the machine, its load, the
hash seed or what Python specialises. Versions of Python compile differently, so trees compare under
one version only.

Theory of operation. From Python 3.12 on `sys.monitoring` tells of each call and instruction. On
3.11 a trace function does, and a profiler tells of calls of functions in C; calls of types in C (as
of `bytes`) are told by neither, though the steps that lead to them are.

Rule: knows nothing of p2pcore; counts this thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType
from typing import Any

__all__ = ["CallTree", "TreeNode", "place_of"]

DEEPEST = 200  # calls in calls: what is below counts where the depth is reached
IN_C = "built in"
TOOL = 4  # of sys.monitoring: one of those that no debugger, profiler or coverage has
RULER = str(Path(__file__).resolve().parents[2])


class TreeNode:
    """One function, called by way of those above it."""

    __slots__ = ("below", "calls", "name", "steps")

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.steps = 0
        self.below: dict[object, TreeNode] = {}

    def child(self, key: object, name: Callable[[Any], str]) -> TreeNode:
        """The node of what this one calls, made at the first call."""
        found = self.below.get(key)
        if found is None:
            found = self.below[key] = TreeNode(name(key))
        return found

    def as_list(self) -> list[Any]:
        """For JSON: [name, calls, steps, [what it calls, …]]."""
        below = [each.as_list() for each in self.below.values()]
        return [self.name, self.calls, self.steps, below]


class CallTree:
    """What ran in its `with` blocks, below one root."""

    def __init__(self) -> None:
        self.root = TreeNode("")
        self._stack = [self.root]
        self._names: dict[CodeType, str] = {}

    def __enter__(self) -> CallTree:
        """Take down what this thread calls from now on."""
        self._stack = [self.root]
        if sys.version_info >= (3, 12):
            self._monitor()
        else:
            self._trace()
        return self

    def __exit__(self, *_: object) -> None:
        if sys.version_info >= (3, 12):
            self._monitor_no_more()
        else:
            self._trace_no_more()

    def _enter(self, key: object, name: Callable[[Any], str]) -> None:
        stack = self._stack
        node = stack[-1] if len(stack) > DEEPEST else stack[-1].child(key, name)
        node.calls += 1
        stack.append(node)

    def _leave(self) -> None:
        if len(self._stack) > 1:  # else it was entered before the tree began to grow
            self._stack.pop()

    def _name(self, code: CodeType) -> str:
        name = self._names.get(code)
        if name is None:
            name = self._names[code] = f"{place_of(code.co_filename)}:{code.co_qualname}"
        return name

    # Python 3.11

    def _trace(self) -> None:
        sys.setprofile(self._called_in_c)
        sys.settrace(self._called)

    def _trace_no_more(self) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code in OWN:
            return None
        self._enter(frame.f_code, self._name)
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            self._stack[-1].steps += 1
        elif event == "return":
            self._leave()
        return self._stepped

    def _called_in_c(self, frame: FrameType, event: str, function: object) -> None:
        if frame.f_code in OWN:
            return
        if event == "c_call":
            self._enter(_in_c(function), str)
        elif event in ("c_return", "c_exception"):
            self._leave()

    # Python 3.12 and later

    def _monitor(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        events = monitoring.events
        monitoring.use_tool_id(TOOL, "call tree")
        answers: dict[int, Callable[..., object]] = {
            **dict.fromkeys((events.PY_START, events.PY_RESUME, events.PY_THROW), self._started),
            **dict.fromkeys((events.PY_RETURN, events.PY_YIELD, events.PY_UNWIND), self._ended),
            **dict.fromkeys((events.C_RETURN, events.C_RAISE), self._ended_in_c),
            events.CALL: self._calls,
            events.INSTRUCTION: self._step,
        }
        for event, answer in answers.items():
            monitoring.register_callback(TOOL, event, answer)
        asked = [event for event in answers if event not in (events.C_RETURN, events.C_RAISE)]
        monitoring.set_events(TOOL, sum(asked))

    def _monitor_no_more(self) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        monitoring.set_events(TOOL, 0)
        monitoring.free_tool_id(TOOL)

    def _started(self, code: CodeType, *_: object) -> None:
        if code not in OWN:
            self._enter(code, self._name)

    def _ended(self, code: CodeType, *_: object) -> None:
        if code not in OWN:
            self._leave()

    def _calls(self, code: CodeType, _: int, function: object, __: object) -> None:
        if code not in OWN and not isinstance(function, FunctionType | MethodType):
            self._enter(_in_c(function), str)

    def _ended_in_c(self, code: CodeType, _: int, function: object, __: object) -> None:
        if code not in OWN and not isinstance(function, FunctionType | MethodType):
            self._leave()

    def _step(self, code: CodeType, _: int) -> None:
        if code not in OWN and len(self._stack) > 1:
            self._stack[-1].steps += 1


OWN = {each.__code__ for each in vars(CallTree).values() if isinstance(each, FunctionType)}
"""Its own code, which is in no tree."""


def _in_c(function: object) -> str:
    """What a callable that is not written in Python is called, without its address."""
    if not isinstance(function, type | BuiltinFunctionType) and not hasattr(
        function, "__qualname__"
    ):
        function = type(function)
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{module or IN_C}:{name}" if module != "builtins" else f"{IN_C}:{name}"


def place_of(file: str) -> str:
    """A file without what differs between machines: of p2pcore and the ruler from their packages
    on, of others the last two parts."""
    parts = Path(file).parts
    if "p2pcore" in parts:
        at = len(parts) - 1 - parts[::-1].index("p2pcore")
        return "/".join(parts[at:])
    if file.startswith(RULER):
        return "/".join(("benchmarks", *Path(file).relative_to(RULER).parts))
    return "/".join(parts[-2:])
