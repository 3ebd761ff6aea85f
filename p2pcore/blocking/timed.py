"""Times the calls of an application, as `aio/timed.py` does, where they wait.

Rule: calls and times; what is made of it, its listener knows.
"""

import time
import weakref
from collections.abc import Callable
from typing import Any

from p2pcore.metrics.operations import TIMED, Tell

__all__ = ["time_calls"]


def time_calls(owner: object, tell: Tell) -> None:
    """Tell of each operation of this object that ends from now on, in the thread that asked for it.
    It is not kept alive."""
    for method, op in TIMED.items():
        setattr(owner, method, _timed(owner, method, op, tell))


def _timed(owner: object, method: str, op: str, tell: Tell) -> Callable[..., Any]:
    """The method of this object, timed; once more, if it was before."""
    before = vars(owner).get(method)
    call = getattr(type(owner), method)
    kept = weakref.ref(owner)  # who drops it unclosed is told so at once
    clock = time.perf_counter

    def timed(*args: Any, **kwargs: Any) -> Any:
        began_s = clock()
        outcome: object = None
        try:
            if before is None:
                return call(kept(), *args, **kwargs)
            return before(*args, **kwargs)
        except BaseException as error:
            outcome = error
            raise
        finally:
            tell(op, outcome, clock() - began_s)

    return timed
