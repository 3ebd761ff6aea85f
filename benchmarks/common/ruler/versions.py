"""Versions of the rulers: part of the version of every benchmark that is timed beside one.

A ruler that is changed measures in other units, so whoever changes one raises its number here, and
asv drops what was measured by the old one.
"""

from __future__ import annotations

__all__ = ["CORE_RULER", "DISK_RULER", "SOCKET_RULER", "START_RULER", "beside"]

CORE_RULER = 1
"""`small_core`: processor time of what touches no socket."""
DISK_RULER = 1
"""`raw_log`: whatever waits for a disk."""
SOCKET_RULER = 2
"""`ceiling`: whatever goes through sockets."""
START_RULER = 2
"""`fresh`: interpreters that start and import."""


def beside(version: str, ruler: int) -> str:
    """The version of a benchmark that is timed beside this version of its ruler."""
    return f"{version}, ruler {ruler}"
