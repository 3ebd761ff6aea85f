from collections import Counter

from p2pcore.sim.streams import Stream, streams_of


def test_is_splitmix64() -> None:
    """The first outputs for the state 1234567, as other SplitMix64 have them."""
    stream = Stream("any")
    stream._state = 1234567
    assert [stream.bits64() for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_names_tell_streams_apart() -> None:
    draws = {name: Stream(name).bits64() for name in ("1/n1/sync", "1/n2/sync", "2/n1/sync")}
    assert len(set(draws.values())) == 3
    assert streams_of(1, "n1")("sync").getrandbits(64) == draws["1/n1/sync"]


def test_draws_are_in_range_and_even() -> None:
    stream = Stream("even")
    counts = Counter(stream.below(6) for _ in range(6000))
    assert sorted(counts) == list(range(6))
    assert all(850 < count < 1150 for count in counts.values())
    assert all(0 <= stream.random() < 1 for _ in range(1000))
    assert all(2 <= stream.uniform(2, 3) < 3 for _ in range(1000))
    assert 0.9 < sum(stream.expovariate(1) for _ in range(5000)) / 5000 < 1.1


def test_bits_of_any_width() -> None:
    stream = Stream("bits")
    for width in (0, 1, 63, 64, 65, 255):
        assert max(stream.getrandbits(width).bit_length() for _ in range(200)) == width
    assert len(stream.randbytes(33)) == 33


def test_shuffle_and_sample_keep_the_items() -> None:
    stream = Stream("order")
    items = list(range(50))
    stream.shuffle(items)
    assert items != list(range(50))
    assert sorted(items) == list(range(50))
    chosen = stream.sample(items, 10)
    assert len(set(chosen)) == 10
    assert set(chosen) <= set(items)
