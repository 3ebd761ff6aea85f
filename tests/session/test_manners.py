"""Requests that are refused are answered with the reason, and counted."""

from p2pcore.effects import LinkId, Send
from p2pcore.session.manners import for_nodes, refuse_unread
from p2pcore.wire import messages as m
from tests.session.harness import CLIENT_READY, Harness


def refusal(harness: Harness, link: int = 1) -> m.Failed:
    [effect] = harness.drain()
    assert isinstance(effect, Send)
    assert effect.links == (LinkId(link),)
    assert isinstance(effect.message, m.Failed)
    return effect.message


def test_whoever_does_not_read_is_told_so() -> None:
    harness = Harness()
    harness.greeted(1, ready=CLIENT_READY)
    links = harness.links
    refuse_unread(links, links.by_id[LinkId(1)], m.Ping(7))
    failed = refusal(harness)
    assert (failed.id, failed.reason) == (7, m.Reason.BUSY)
    assert links.counters.requests_refused == 1


def test_a_client_is_not_answered_what_nodes_ask() -> None:
    harness = Harness()
    harness.greeted(1, ready=CLIENT_READY)
    asked: list[object] = []
    handle = for_nodes(harness.links, lambda link, request, now: asked.append(request))
    handle(harness.links.by_id[LinkId(1)], m.Ping(8), harness.now)
    failed = refusal(harness)
    assert (failed.id, failed.reason) == (8, m.Reason.MISBEHAVED)
    assert (asked, harness.links.counters.requests_refused) == ([], 1)
    handle(harness.links.own.link, m.Ping(9), harness.now)
    assert (asked, harness.drain()) == ([m.Ping(9)], [])
    assert harness.links.counters.requests_refused == 1
