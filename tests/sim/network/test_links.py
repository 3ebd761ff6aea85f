from statistics import mean
from typing import Any

import pytest

from p2pcore.errors import ConfigError
from p2pcore.sim import IDEAL, LAN, MOBILE, REGIONS, WAN, LinkProfile
from p2pcore.sim.network.links import JITTERS, Path, Uplink
from p2pcore.sim.network.regions import LOCAL_RTT_US, RTT_MS, rtt_us
from p2pcore.sim.streams import Stream


def arrivals(
    link: LinkProfile, count: int = 2000, size: int = 100, gap_ns: int = 10**9
) -> list[int]:
    """How long each of some messages took that were sent with a gap between them."""
    path, rng, up = Path(link, "", IDEAL, ""), Stream("links"), Uplink()
    return [path.carry(turn * gap_ns, size, rng, up)[0] - turn * gap_ns for turn in range(count)]


def test_latency_alone_is_exact() -> None:
    assert set(arrivals(LinkProfile(latency_us=70))) == {70_000}


@pytest.mark.parametrize("jitter", JITTERS)
def test_jitter_has_its_mean(jitter: str) -> None:
    delays = arrivals(LinkProfile(latency_us=1000, jitter_us=500, jitter=jitter))
    assert min(delays) >= 1_000_000
    assert 1_400_000 < mean(delays) < 1_600_000
    assert (max(delays) == min(delays)) == (jitter == "constant")


def test_bandwidth_is_shared_by_what_is_sent_at_once() -> None:
    link = LinkProfile(latency_us=0, up_kbps=8)  # 1000 bytes per second
    path, rng, up = Path(link, "", IDEAL, ""), Stream("links"), Uplink()
    due = [path.carry(0, 912, rng, up) for _ in range(3)]
    assert due == [(10**9, 0), (2 * 10**9, 0), (3 * 10**9, 0)]  # 912 + 22 of TLS + 66 of a segment


def test_the_receiver_has_a_bandwidth_too() -> None:
    path = Path(IDEAL, "", LinkProfile(latency_us=70, down_kbps=8), "")
    assert path.carry(0, 912, Stream("links"), Uplink()) == (70_000, 10**9)


def test_loss_is_a_delay_of_retransmissions() -> None:
    delays = arrivals(LinkProfile(latency_us=1000, loss_ppm=100_000), 20_000)
    late = sorted({delay for delay in delays if delay > 1_000_000})
    assert late[:2] == [201_000_000, 601_000_000]  # 200 ms, then 400 ms more
    share = sum(delay > 1_000_000 for delay in delays) / len(delays)
    assert 0.09 < share < 0.11


def test_longer_messages_are_more_often_hit() -> None:
    link = LinkProfile(latency_us=1000, loss_ppm=10_000)
    short = sum(delay > 1_000_000 for delay in arrivals(link, 5000))
    long = sum(delay > 1_000_000 for delay in arrivals(link, 5000, size=14_000))
    assert 7 * short < long


def test_duplicates_cost_bandwidth_only() -> None:
    link = LinkProfile(latency_us=0, up_kbps=8, duplicate_ppm=500_000)
    delays = arrivals(link, 1000, size=912, gap_ns=10**10)
    assert set(delays) == {10**9, 2 * 10**9}


def test_reordering_holds_up_what_was_overtaken() -> None:
    delays = arrivals(LinkProfile(latency_us=1000, reorder_ppm=500_000, reorder_us=3000), 1000)
    assert set(delays) == {1_000_000, 4_000_000}


def test_resumes_at_a_retransmission() -> None:
    path = Path(IDEAL, "", IDEAL, "")
    assert path.resumed_ns(0, 0) == 0
    assert path.resumed_ns(0, 1) == 200_000_000
    assert path.resumed_ns(0, 300_000_000) == 600_000_000
    assert path.resumed_ns(0, 10**12) - 10**12 <= 120 * 10**9


def test_regions_are_as_far_apart_as_published() -> None:
    assert rtt_us("dallas", "london") == 112_000
    assert rtt_us("london", "dallas") == 112_000
    assert rtt_us("tokyo", "osaka") == 9_000
    assert rtt_us("sydney", "sao-paulo") == 323_000
    assert rtt_us("madrid", "madrid") == LOCAL_RTT_US
    assert [len(row) for row in RTT_MS] == list(range(len(REGIONS) - 1, 0, -1))
    with pytest.raises(ValueError, match="no region 'atlantis'"):
        rtt_us("tokyo", "atlantis")


def test_a_path_adds_up_links_and_regions() -> None:
    path = Path(LinkProfile(latency_us=100), "dallas", LinkProfile(latency_us=300), "london")
    assert path.rtt_ns == 112_800_000
    assert path.rto_ns == 225_600_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("latency_us", -1), ("loss_ppm", 1_000_000), ("jitter", "gaussian"), ("up_kbps", -5)],
)
def test_bad_links_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        LinkProfile(**{field: value})


def test_profiles_are_links() -> None:
    assert IDEAL.latency_us < LAN.latency_us < WAN.latency_us < MOBILE.latency_us
