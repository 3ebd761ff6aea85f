"""Times the calls of an application, for whoever wants to know.

Until somebody does, nothing is timed: the timing ones are functions of the object's own that come
before those of its class. Whether they are awaited or wait is as it was.

Rule: calls and times; what is made of it, its listener knows.
"""

import inspect
import time
import weakref
from collections.abc import Callable
from typing import Any

from p2pcore.metrics.operations import TIMED, Tell

__all__ = ["time_calls"]


def time_calls(owner: object, tell: Tell) -> None:
    """Tell of each operation of this object that ends from now on, where it was asked for. It is
    not kept alive."""
    for method, op in TIMED.items():
        wrap = _awaited if inspect.iscoroutinefunction(getattr(type(owner), method)) else _waited
        setattr(owner, method, wrap(_call_of(owner, method), op, tell))


def _call_of(owner: object, method: str) -> Callable[..., Any]:
    """The method of this object; the timed one, if it was timed before."""
    before: Callable[..., Any] | None = vars(owner).get(method)
    if before is not None:
        return before
    call = getattr(type(owner), method)
    kept = weakref.ref(owner)  # who drops it unclosed is told so at once
    return lambda *args, **kwargs: call(kept(), *args, **kwargs)


def _awaited(call: Callable[..., Any], op: str, tell: Tell) -> Callable[..., Any]:
    clock = time.perf_counter

    async def timed(*args: Any, **kwargs: Any) -> Any:
        began_s = clock()
        outcome: object = None
        try:
            return await call(*args, **kwargs)
        except BaseException as error:
            outcome = error
            raise
        finally:
            tell(op, outcome, clock() - began_s)

    return timed


def _waited(call: Callable[..., Any], op: str, tell: Tell) -> Callable[..., Any]:
    clock = time.perf_counter

    def timed(*args: Any, **kwargs: Any) -> Any:
        began_s = clock()
        outcome: object = None
        try:
            return call(*args, **kwargs)
        except BaseException as error:
            outcome = error
            raise
        finally:
            tell(op, outcome, clock() - began_s)

    return timed
