"""How far apart the regions of the world are.

The figures are the average latencies in milliseconds between the regions of one cloud, as IBM
publishes them monthly: "Network latency", 18 October to 16 November 2025, in the public source of
its documentation (github.com/ibm-cloud-docs/vpc, _include-segments/network-latency.md). They are
round trips: Dallas to London takes 112 ms, and light in fibre needs 38 ms one way. Between the
zones of one region the same page has 0.5 to 3 ms; LOCAL_RTT_US is in the middle of that.

Rule: data only.
"""

__all__ = ["LOCAL_RTT_US", "REGIONS", "RTT_MS", "rtt_us"]

REGIONS = (
    "dallas", "toronto", "washington", "frankfurt", "london", "madrid", "montreal", "chennai",
    "osaka", "sydney", "tokyo", "sao-paulo",
)  # fmt: skip
"""Where a node can be."""

LOCAL_RTT_US = 1_500
"""Between two machines of one region, in different zones."""

RTT_MS = (
    (34, 32, 122, 112, 117, 42, 246, 150, 185, 142, 142),
    (19, 93, 82, 106, 10, 222, 144, 216, 136, 127),
    (86, 75, 87, 16, 234, 147, 215, 139, 116),
    (13, 29, 89, 141, 235, 249, 224, 194),
    (27, 79, 144, 247, 260, 236, 185),
    (102, 150, 260, 274, 250, 204),
    (218, 152, 223, 145, 125),
    (111, 125, 100, 357),
    (125, 9, 289),
    (118, 323),
    (282,),
)
"""Row i has the round trips from region i to those after it, in the order of REGIONS."""


def rtt_us(one: str, other: str) -> int:
    """The round trip between two regions in microseconds.

    Raises:
        ValueError: there is no such region.
    """
    for name in (one, other):
        if name not in REGIONS:
            raise ValueError(f"no region {name!r}; there are {', '.join(REGIONS)}")
    low, high = sorted((REGIONS.index(one), REGIONS.index(other)))
    return LOCAL_RTT_US if low == high else 1000 * RTT_MS[low][high - low - 1]
