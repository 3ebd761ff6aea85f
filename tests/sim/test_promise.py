"""How a history is held against the promise, whoever keeps it."""

from typing import NamedTuple

import pytest

from p2pcore.sim.promise import Breach, judge_read, judge_write


class Known(NamedTuple):
    version: bytes | None
    begin_ns: int = 0


OLD, NEW, UNSURE, LATER = Known(b"1"), Known(b"3"), Known(None), Known(b"5", begin_ns=99)
STORES = {"old": OLD, "new": NEW, "unsure": UNSURE, "later": LATER}


@pytest.mark.parametrize(
    ("value", "ends", "floor", "breach"),
    [
        ("new", [], b"3", None),
        ("old", [], b"3", Breach.STALE),
        ("old", [], b"", None),  # nothing was acknowledged yet
        ("old", [], None, None),  # nothing is promised
        ("unsure", [], b"3", None),
        ("later", [], None, Breach.INVENTED),  # was not begun when the read ended
        ("nobody's", [], None, Breach.INVENTED),
        (None, [], b"3", Breach.NOT_FOUND),
        (None, [], b"", None),
        (None, [], None, None),
        (None, [OLD], b"3", Breach.NOT_FOUND),  # an older delete explains nothing
        (None, [NEW], b"3", None),
        (None, [OLD, UNSURE], b"3", None),
        (None, [LATER], b"3", Breach.NOT_FOUND),
    ],
)
def test_a_read(
    value: str | None, ends: list[Known], floor: bytes | None, breach: Breach | None
) -> None:
    assert judge_read(value, STORES, ends, floor, end_ns=50) is breach
    lost = breach in (Breach.STALE, Breach.NOT_FOUND)
    in_the_end = judge_read(value, STORES, ends, floor, end_ns=50, last=True)
    assert in_the_end is (Breach.LOST if lost else breach)


def test_a_write() -> None:
    assert judge_write(b"2", b"1") is None
    assert judge_write(b"2", b"") is None
    assert judge_write(b"2", None) is None
    assert judge_write(b"2", b"2") is Breach.OVERTAKEN
    assert judge_write(b"2", b"3") is Breach.OVERTAKEN
