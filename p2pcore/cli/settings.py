"""Options of `serve` that are settings of a node: what it may use, and how it deals with others.

Rule: tables; an option means what CoordinatorConfig says of its setting.
"""

import argparse
from collections.abc import Callable

from p2pcore.cli.kinds import count, number, seconds, share, size, size_words
from p2pcore.cli.words import Parser
from p2pcore.config import CoordinatorConfig

__all__ = ["LIMITS", "MANNERS", "ON_OFF", "SWITCHES", "add_node_settings"]

Group = argparse._ArgumentGroup
Setting = tuple[str, str, Callable[[str], object], str]
"""An option, the setting of CoordinatorConfig that it is, the kind of its words, its help."""

LIMITS: tuple[Setting, ...] = (
    ("--max-store-bytes", "max_store_bytes", size,
     "room for records, 400 bytes beside each value; stores beyond it are refused"),
    ("--max-disk", "max_disk_bytes", size,
     "room on disk for records and their log; stores beyond it are refused, deletes go on"),
    ("--cache", "cache_bytes", size,
     "values that stay in memory where there is a data directory; others are read from disk"),
    ("--max-connections", "max_connections", count, "incoming connections"),
    ("--pool-size", "pool_size", count, "outgoing connections kept to other nodes"),
    ("--max-handshakes", "max_handshakes", count,
     "incoming connections that are not authenticated yet; the oldest makes room"),
    ("--join-timeout", "join_timeout_s", seconds, "how long to try to get into the network"),
    ("--leave-timeout", "leave_timeout_s", seconds,
     "how long to hand records over before leaving; 0: leave at once"),
    ("--handshake-timeout", "handshake_timeout_s", seconds,
     "patience with strangers, and with half a frame"),
    ("--repair-rate", "repair_bytes_per_s", size,
     "bytes per second that are taken over from other nodes, and handed over to them"),
    ("--tombstone-grace", "tombstone_grace_s", seconds,
     "how long deletions are remembered: longer than any absence of a node"),
    ("--max-clock-offset", "max_clock_offset_s", seconds,
     "versions further ahead of this clock are refused"),
)  # fmt: skip
MANNERS: tuple[Setting, ...] = (
    ("--hedge-budget", "hedge_budget", share,
     "how many of its reads may ask one replica more when they take long, as a share of all"),
    ("--probe-after", "probe_after_s", seconds,
     "silence after which a near node is pinged, 0.2 to 60: less finds losses sooner, and costs "
     "more pings"),
    ("--give-up-after", "give_up_after_s", seconds,
     "how long a node may be silent once it was pinged, 0.1 to 60: a shorter pause is no loss"),
    ("--witnesses", "witnesses", number,
     "neighbours that ping a silent node too before it is given up, 0 to 8"),
    ("--copy-after", "copy_after_s", seconds,
     "how long a lost node is waited for before its records are copied again"),
)  # fmt: skip

SWITCHES: tuple[tuple[str, str, str], ...] = (
    ("--avoid-outliers", "avoid_outliers", "its reads ask replicas that are slow last"),
    ("--overload-control", "overload_control",
     "its operations wait here while the nodes that they need have too much to do"),
)  # fmt: skip
"""Settings that are on or off."""

ON_OFF = ("on", "off")
METAVARS: dict[Callable[[str], object], str] = {
    size: "SIZE", count: "COUNT", number: "COUNT", seconds: "SECONDS", share: "SHARE",
}  # fmt: skip


def add_node_settings(command: Parser) -> None:
    """All of these, with the defaults of CoordinatorConfig."""
    units = "SIZE is in bytes, or with a unit of 1024: 512K, 64M, 2G"
    _add_settings(command, "limits", units, LIMITS)
    about = (
        "`python -m perflab tune`, beside the source, finds values and writes a file for --config"
    )
    group = _add_settings(command, "how it deals with other nodes", about, MANNERS)
    for name, setting, text in SWITCHES:
        default = ON_OFF[0] if getattr(CoordinatorConfig, setting) else ON_OFF[1]
        group.add_argument(
            name,
            dest=setting,
            choices=ON_OFF,
            default=default,
            help=f"{text} (default %(default)s)",
        )


def _add_settings(command: Parser, title: str, about: str, settings: tuple[Setting, ...]) -> Group:
    group = command.add_argument_group(title, about)
    for name, setting, kind, text in settings:
        default = getattr(CoordinatorConfig, setting)
        words = size_words(default) if kind is size else f"{default:.10g}"
        group.add_argument(
            name,
            dest=setting,
            type=kind,
            default=default,
            metavar=METAVARS[kind],
            help=f"{text} (default {words})",
        )
    return group
