"""What connects a node to the rest of the world, as plain data, and what that does to a message.

Theory of operation. Each node has a `Link` of its own; the way from one node to another is the
link of the sender, half the round trip between their regions, and the link of the receiver. What is
lost, doubled or overtaken on the way are *segments*; TCP makes of that

- a delay: the first retransmission comes after RTO = max(200 ms, 2 x RTT), and each further one
  after twice the time of the one before (RFC 6298, section 5; Linux's least RTO is 200 ms). Fast
  retransmission and the tail-loss probe (RFC 8985) are left out: a request is mostly one segment
  with nothing behind it, and for those the model is pessimistic by at most one RTO;
- order: no message arrives before the one sent ahead of it on its connection (which is what is
  left of reordering: whoever is overtaken holds up the others);
- more bytes on the wire: a doubled segment takes its share of the bandwidth twice.

Bandwidth is shared by all connections of a node, in each direction: a message takes its place in
the queue of the sender's uplink when it leaves, then of the receiver's downlink when it gets there.

Rule: integers only in what becomes of a message; the one logarithm is taken when a table of jitter
is made.
"""

from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

from p2pcore.errors import ConfigError
from p2pcore.sim.network.regions import rtt_us
from p2pcore.sim.streams import Stream

__all__ = ["IDEAL", "JITTERS", "LAN", "MOBILE", "PROFILES", "WAN", "LinkProfile", "Path", "Uplink"]

MTU_PAYLOAD_BYTES = 1448  # of TCP in an Ethernet frame, with time stamps
SEGMENT_OVERHEAD_BYTES = 66  # Ethernet 14, IPv4 20, TCP with time stamps 32
RECORD_OVERHEAD_BYTES = 22  # of TLS 1.3: header 5, content type 1, tag 16
MIN_RTO_NS = 200_000_000
MAX_RTO_NS = 120_000_000_000
TABLE_BITS = 10  # of a jitter table: the tail beyond 1 - 2**-11 is cut off
JITTERS = ("constant", "uniform", "exponential", "lognormal", "pareto")


@dataclass(frozen=True, kw_only=True)
class LinkProfile:
    """A node's connection to the world.

    Raises:
        ConfigError: a value is out of its range.
    """

    latency_us: int = 50
    """One way, in microseconds, before jitter."""

    jitter_us: int = 0
    """The mean of what is added to that, by chance, per message."""

    jitter: str = "exponential"
    """How that is distributed: one of JITTERS. `lognormal` has sigma 1, `pareto` alpha 2."""

    up_kbps: int = 0
    """Bandwidth towards the world in 1000 bits per second; 0: no limit."""

    down_kbps: int = 0
    """Bandwidth from the world; 0: no limit."""

    loss_ppm: int = 0
    """Segments lost, of a million."""

    up_loss_ppm: int = 0
    """Segments lost of those that the node sends, of a million, beside those."""

    duplicate_ppm: int = 0
    """Segments that come twice, of a million."""

    reorder_ppm: int = 0
    """Segments that are held up, of a million."""

    reorder_us: int = 5_000
    """How long those are held up."""

    def __post_init__(self) -> None:
        for name in ("latency_us", "jitter_us", "up_kbps", "down_kbps", "reorder_us"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be 0 or more, not {getattr(self, name)!r}")
        for name in ("loss_ppm", "up_loss_ppm", "duplicate_ppm", "reorder_ppm"):
            if not 0 <= getattr(self, name) < 1_000_000:
                text = f"{name} must be 0 to 999999, not {getattr(self, name)!r}"
                raise ConfigError(text)
        if self.jitter not in JITTERS:
            raise ConfigError(f"jitter must be one of {', '.join(JITTERS)}, not {self.jitter!r}")


IDEAL = LinkProfile(latency_us=0)
LAN = LinkProfile(latency_us=50, jitter_us=20, up_kbps=1_000_000, down_kbps=1_000_000)
WAN = LinkProfile(latency_us=200, jitter_us=300, jitter="lognormal", up_kbps=100_000,
           down_kbps=100_000, loss_ppm=100)  # fmt: skip
MOBILE = LinkProfile(latency_us=20_000, jitter_us=10_000, jitter="lognormal", up_kbps=5_000,
              down_kbps=20_000, loss_ppm=5_000, duplicate_ppm=100, reorder_ppm=1_000)  # fmt: skip
PROFILES = {"ideal": IDEAL, "lan": LAN, "wan": WAN, "mobile": MOBILE}
"""Assumptions that make tests comparable, not measurements: a switched gigabit network; a server
in a data centre reached over the Internet; a telephone."""


class Uplink:
    """What is on its way through one node's own link: when each direction is free again."""

    __slots__ = ("down_free_ns", "up_free_ns")

    def __init__(self) -> None:
        self.up_free_ns = 0
        self.down_free_ns = 0


class Path:
    """The way from nodes with one link in one region to those with another link in another."""

    __slots__ = (
        "_down_ps", "_duplicate_ppm", "_loss_ppm", "_reorder_ns", "_reorder_ppm", "_troubled",
        "_up_ps", "jitter_ns", "latency_ns", "plain", "rto_ns", "rtt_ns",
    )  # fmt: skip

    def __init__(
        self, source: LinkProfile, from_region: str, target: LinkProfile, to_region: str
    ) -> None:
        self.rtt_ns = 2000 * (source.latency_us + target.latency_us)
        if from_region and to_region:  # who is in no region is right beside everybody
            self.rtt_ns += 1000 * rtt_us(from_region, to_region)
        self.latency_ns = self.rtt_ns // 2
        self.jitter_ns = _both(_table(source), _table(target))
        self.rto_ns = max(MIN_RTO_NS, 2 * self.rtt_ns)
        self._up_ps = _ps_per_byte(source.up_kbps)
        self._down_ps = _ps_per_byte(target.down_kbps)
        sent_ppm = _either(source.loss_ppm, source.up_loss_ppm)
        self._loss_ppm = _either(sent_ppm, target.loss_ppm)
        self._duplicate_ppm = _either(source.duplicate_ppm, target.duplicate_ppm)
        self._reorder_ppm = _either(source.reorder_ppm, target.reorder_ppm)
        reordering = [link.reorder_us for link in (source, target) if link.reorder_ppm]
        self._reorder_ns = 1000 * max(reordering, default=0)
        self._troubled = bool(self._loss_ppm or self._duplicate_ppm or self._reorder_ppm)
        self.plain = not (self._up_ps or self._down_ps or self._troubled)
        """True if `carry` is latency and jitter alone, whatever is sent."""

    def draw_ns(self, rng: Stream) -> int:
        """One way, with the jitter of this time."""
        table = self.jitter_ns
        return self.latency_ns + (table[rng.bits64() >> 64 - TABLE_BITS] if table else 0)

    def carry(self, depart_ns: int, size_bytes: int, rng: Stream, up: Uplink) -> tuple[int, int]:
        """When a message that is sent at `depart_ns` is at the receiver's own link, and how long it
        takes to get through that once it is its turn (0: no time, nor does it wait)."""
        due_ns = depart_ns + self.latency_ns
        wire_bytes = 0
        if not self.plain:
            segments = 1 + (size_bytes + RECORD_OVERHEAD_BYTES) // MTU_PAYLOAD_BYTES
            wire_bytes = size_bytes + RECORD_OVERHEAD_BYTES + segments * SEGMENT_OVERHEAD_BYTES
            if self._troubled:
                delay_ns, doubled = self._trouble(segments, rng)
                due_ns += delay_ns
                wire_bytes += doubled * wire_bytes // segments
        if self.jitter_ns:
            due_ns += self.jitter_ns[rng.bits64() >> 64 - TABLE_BITS]
        if self._up_ps:
            out_ns = wire_bytes * self._up_ps // 1000
            if up.up_free_ns > depart_ns:
                out_ns += up.up_free_ns - depart_ns
            up.up_free_ns = depart_ns + out_ns
            due_ns += out_ns
        return due_ns, wire_bytes * self._down_ps // 1000

    def _trouble(self, segments: int, rng: Stream) -> tuple[int, int]:
        """How much later a message comes, and how many of its segments come twice."""
        delay_ns = doubled = 0
        for _ in range(segments):
            if self._duplicate_ppm and rng.random() * 1_000_000 < self._duplicate_ppm:
                doubled += 1
            if self._reorder_ppm and rng.random() * 1_000_000 < self._reorder_ppm:
                delay_ns = max(delay_ns, self._reorder_ns)
            if self._loss_ppm:
                delay_ns = max(delay_ns, self._retransmission_ns(rng))
        return delay_ns, doubled

    def _retransmission_ns(self, rng: Stream) -> int:
        """How much later a segment comes for having been lost, as often as it is."""
        delay_ns, rto_ns = 0, self.rto_ns
        while rng.random() * 1_000_000 < self._loss_ppm:
            delay_ns += rto_ns
            rto_ns = min(2 * rto_ns, MAX_RTO_NS)
        return delay_ns

    def resumed_ns(self, first_ns: int, healed_ns: int) -> int:
        """When TCP sends again what it first sent at `first_ns`, once the way is open at
        `healed_ns`: at its next retransmission, not before."""
        due_ns, rto_ns = first_ns, self.rto_ns
        while due_ns < healed_ns:
            due_ns += rto_ns
            rto_ns = min(2 * rto_ns, MAX_RTO_NS)
        return due_ns


def _ps_per_byte(kbps: int) -> int:
    return 8_000_000_000 // kbps if kbps else 0


def _either(one_ppm: int, other_ppm: int) -> int:
    """The chance that at least one of two things happens."""
    return one_ppm + other_ppm - one_ppm * other_ppm // 1_000_000


def _table(link: LinkProfile) -> list[int]:
    """Jitter in ns at 2**TABLE_BITS equal steps of probability, with the mean that is asked for."""
    if not link.jitter_us:
        return []
    size = 1 << TABLE_BITS
    mean_ns = 1000 * link.jitter_us
    quantiles = [(2 * place + 1) / (2 * size) for place in range(size)]
    match link.jitter:
        case "constant":
            values = [1.0] * size
        case "uniform":
            values = [2 * q for q in quantiles]
        case "exponential":
            values = [-log(1 - q) for q in quantiles]
        case "lognormal":
            normal = NormalDist()
            values = [exp(normal.inv_cdf(q) - 0.5) for q in quantiles]
        case _:
            values = [1 / sqrt(1 - q) / 2 for q in quantiles]  # alpha 2 has a mean of 2 x least
    return [round(mean_ns * value) for value in values]


def _both(one: list[int], other: list[int]) -> list[int]:
    """The sum of two independent jitters: a fixed pairing of their tables stands for all pairs."""
    if not one or not other:
        return one or other
    size = len(one)
    return [one[place] + other[place * 0x9E5 % size] for place in range(size)]
