"""Badges: small SVG pictures that say one thing, for a README or a dashboard.

Rule: forms; what they say was decided before.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["Badge", "write_badge"]

# Paper under white ink, with a contrast of 4.5 or more.
COLOURS = {"good": "#1a7f37", "bad": "#b3261e", "unknown": "#6e5600"}
CHARACTER = 6.6  # of the width of one at 11 px, which no file can know exactly
ROOM = 12


@dataclass(frozen=True, kw_only=True)
class Badge:
    """What it is about, what is so, and how that is meant."""

    about: str
    text: str
    colour: str
    """good, bad or unknown."""


def write_badge(path: Path, badge: Badge) -> None:
    """Write it as SVG that needs no other file and no font of its own."""
    left, right = (round(len(each) * CHARACTER + ROOM) for each in (badge.about, badge.text))
    about, text = escape(badge.about), escape(badge.text)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img"'
        f' aria-label="{about}: {text}"><title>{about}: {text}</title>'
        f'<rect width="{left}" height="20" fill="#454d56"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{COLOURS[badge.colour]}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"'
        ' text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14" textLength="{left - ROOM}">{about}</text>'
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - ROOM}">{text}</text>'
        "</g></svg>\n",
        encoding="utf-8",
    )
