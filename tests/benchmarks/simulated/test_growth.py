"""What a settled client and members cost, where it can be counted by hand."""

from benchmarks.common.simulated.growth import members, settled


def test_a_settled_client_of_a_small_network_needs_no_more_than_the_replicas() -> None:
    found = settled(8, 1, warm_up=40, count=40)
    assert found["store_messages"] == 6  # three replicas, asked and answering
    assert 4 <= found["retrieve_messages"] < 4.5  # two, and hedges
    assert found["store_connections"] == found["retrieve_connections"] == 0
    assert found == settled(8, 1, warm_up=40, count=40)


def test_beyond_its_pool_a_client_opens_connections() -> None:
    found = settled(300, 1, warm_up=200, count=20)
    assert 0 < found["store_connections"] < 3
    assert found["store_messages"] > 6


def test_members_of_a_small_network_know_and_are_linked_to_all() -> None:
    found = members(8, 1, calm_s=5)
    assert found["known"] == found["links"] == 7
    assert 0 < found["calm_messages_per_s"] < 60
    assert found["join_messages"] > 7
