"""Figures of other network stores, quoted with their origin.

Rule: data only; nothing here was measured by the run that prints it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PEERS", "PublishedPeer"]


@dataclass(frozen=True, kw_only=True)
class PublishedPeer:
    """A network store of others: operations per second at 16 in flight, latencies at one.

    `measured` is when, as exactly as is known; `source` where the figures are from, and what they
    were measured on.
    """

    name: str
    measured: str
    source: str
    puts_per_s: str
    gets_per_s: str
    put_ms: str
    get_ms: str
    lacks: str


# Nobody wrote the day down; they came into this file on 23 November 2026 (d58f456).
MEASURED = "before 2026-11-23"
SOURCE = (
    "measured before this project began and handed to it, day and commands not recorded: 8 nodes, "
    "1 KiB, loopback, 2 cores of this kind, medians of 3 runs or more"
)


def _peer(name: str, puts: str, gets: str, put_ms: str, get_ms: str, lacks: str) -> PublishedPeer:
    return PublishedPeer(
        name=name,
        measured=MEASURED,
        source=SOURCE,
        puts_per_s=puts,
        gets_per_s=gets,
        put_ms=put_ms,
        get_ms=get_ms,
        lacks=lacks,
    )


PEERS = (
    _peer("libtorrent 2.0.8 BEP 44 (C++)", "2,046", "5,077", "0.85 / 1.2", "0.34 / 0.54",
          "encryption, authentication, quorum"),
    _peer("OpenDHT 2.4 (C++)", "1,074", "914", "1.2 / 1.7", "1.3 / 2.3", "encryption by default"),
    _peer("hyperdht 6.34 (Node)", "954", "1,696", "1.2 / 5.6", "0.76 / 3.4", ""),
    _peer("kademlia 2.2.3, k=3, uvloop (Python)", "892", "1,219", "1.3 / 2.4", "0.80 / 1.4",
          "encryption, authentication, quorum, retries"),
    _peer("bittorrent-dht 11 (Node)", "522", "887", "2.4 / 7.8", "0.86 / 3.4", "encryption"),
    _peer("kademlia 2.2.3, k=20 (Python)", "287", "1,192", "3.9 / 6.7", "0.96 / 1.5",
          "encryption, authentication, quorum, retries"),
    _peer("pyipv8 3.2.1 (Python)", "37-40", "71-135", "24-27 / 30-39", "7-15 / 11-21",
          "encryption"),
    _peer("js-libp2p kad-dht 16 (Node)", "15", "25", "52 / 172", "52 / 155", ""),
    _peer("py-libp2p 0.8.1 kad-dht (Python)", "8", "6", "122 / 176", "129 / 190", ""),
)  # fmt: skip
