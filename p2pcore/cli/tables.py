"""Numbers in words, and tables of them.

Rule: text from peers becomes printable here.
"""

from collections.abc import Sequence

from p2pcore.cli.output import one_line

__all__ = ["bytes_words", "number_words", "rate_words", "table", "uptime_words"]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns: the first one flush left, the others flush right."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        words = [first.ljust(widths[0])]
        words += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(words).rstrip())
    return lines


def number_words(number: int) -> str:
    """A whole number, as in 12,345."""
    return f"{number:,}"


def bytes_words(size: float) -> str:
    """Bytes with a unit, as in 1.2 MiB."""
    unit = 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {UNITS[unit]}"


def rate_words(per_s: float | None) -> str:
    """A rate, as in 12.3 or 1,234; a dash while it is not known."""
    if per_s is None:
        return "-"
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.1f}"


def uptime_words(uptime_s: float) -> str:
    """A duration, as in 0:04:05 or 3d 01:02:03."""
    minutes, seconds = divmod(int(uptime_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    clock = f"{minutes:02}:{seconds:02}"
    return f"{days}d {hours:02}:{clock}" if days else f"{hours}:{clock}"
