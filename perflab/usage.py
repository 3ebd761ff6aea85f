"""Arguments that make no sense, for the commands whose exit code 2 means something else."""

import re

__all__ = ["BAD_USAGE", "BadUsageError", "budget_s"]

BAD_USAGE = 3
MOST_BUDGET_S = 86_400
UNITS_S = {"s": 1, "m": 60, "h": 3600}


class BadUsageError(Exception):
    """The arguments make no sense; the message says why."""


def budget_s(text: str) -> float:
    """Seconds in a time such as 90s, 10m, 1h. Raises BadUsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    seconds = float(match[1]) * UNITS_S[match[2]] if match else 0.0
    if not 1 <= seconds <= MOST_BUDGET_S:
        raise BadUsageError(
            f"--budget takes a time such as 90s, 10m or 1h, up to 24h, not '{text}'"
        )
    return seconds
