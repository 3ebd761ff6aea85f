"""Stretches of time as people write them: `1h`, `A..B`, a month.

Rule: arithmetic; whoever asks says what time it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["MONTH_STEP_S", "TimeWindow", "WindowError", "iso", "month_of", "so_far", "window_of"]

SHORTEST_S, LONGEST_S = 60.0, 31 * 86_400.0
MONTH_STEP_S = 300.0  # of a month's report: 8,928 of them, and Prometheus answers 11,000 points
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION = re.compile(r"(?:\d{1,9}[smhdw])+")
PART = re.compile(r"(\d+)([smhdw])")
MONTH = re.compile(r"(\d{4})-(\d{2})")


class WindowError(ValueError):
    """A stretch of time that cannot be meant; the message says what can."""


@dataclass(frozen=True, kw_only=True)
class TimeWindow:
    """Seconds since 1970, from begin to end."""

    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.begin_s

    def __str__(self) -> str:
        return f"{iso(self.begin_s)} to {iso(self.end_s)}"


def iso(seconds: float) -> str:
    """UTC, in ISO 8601."""
    return datetime.fromtimestamp(round(seconds), UTC).isoformat()


def window_of(text: str, now_s: float) -> TimeWindow:
    """`1h`, `1d12h`: the last ones; `A..B`: from and to, each a time in ISO 8601, of UTC where it
    says no other, or seconds since 1970. Raises WindowError."""
    begin, between, end = text.partition("..")
    if between:
        window = TimeWindow(begin_s=_moment(begin), end_s=_moment(end))
    elif DURATION.fullmatch(text):
        seconds = sum(int(count) * UNITS_S[unit] for count, unit in PART.findall(text))
        window = TimeWindow(begin_s=now_s - seconds, end_s=now_s)
    else:
        raise WindowError(
            f"{text!r} is no window: 1h, 1d12h, or 2026-11-28T10:00..2026-11-28T12:00"
        )
    if window.end_s > now_s:
        raise WindowError(f"the window ends at {iso(window.end_s)}, and now is {iso(now_s)}")
    if not SHORTEST_S <= window.seconds <= LONGEST_S:
        asked = f"{window.seconds:,.0f} s"
        raise WindowError(f"a window is of {SHORTEST_S:g} s to 31 days, not of {asked}")
    if window.begin_s < 0:
        raise WindowError("the window begins before 1970")
    return window


def month_of(text: str) -> TimeWindow:
    """A month like `2026-11`, of UTC. Raises WindowError."""
    match = MONTH.fullmatch(text)
    year, month = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1970 <= year < 9999 and 1 <= month <= 12):
        raise WindowError(f"{text!r} is no month like 2026-11")
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    begin, end = datetime(year, month, 1, tzinfo=UTC), datetime(*after, 1, tzinfo=UTC)
    return TimeWindow(begin_s=begin.timestamp(), end_s=end.timestamp())


def so_far(whole: TimeWindow, now_s: float) -> TimeWindow:
    """What has passed of it, in whole steps of a month's report. Raises WindowError."""
    passed_s = (now_s - whole.begin_s) // MONTH_STEP_S * MONTH_STEP_S
    if passed_s <= 0:
        raise WindowError(
            f"it begins at {iso(whole.begin_s)}, and no five minutes of it have passed"
        )
    return TimeWindow(begin_s=whole.begin_s, end_s=min(whole.end_s, whole.begin_s + passed_s))


def _moment(text: str) -> float:
    try:
        if re.fullmatch(r"\d{1,12}(\.\d+)?", text):
            return float(text)
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return aware.timestamp()
    except (ValueError, OverflowError):
        raise WindowError(f"{text!r} is no time like 2026-11-28T10:00") from None
