"""Real nodes for the blocking client: each a process of its own, since a test's thread waits."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from p2pcore import ClientConfig
from p2pcore.blocking import Client
from tests.processes import Serving, launch, serve

__all__ = ["launch", "serve"]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Serving]]:
    """Four nodes that the tests of a module share."""
    folder: Path = tmp_path_factory.mktemp("nodes")
    started: list[Serving] = []
    try:
        for number in range(4):
            join = ["--join", started[0].address] if started else []
            node = Serving(folder / f"{number}.log", *join)
            started.append(node)
            node.wait_ready()
        yield started
    finally:
        for node in started:
            node.end()


@pytest.fixture
def client(nodes: list[Serving]) -> Iterator[Client]:
    with Client(ClientConfig(bootstrap=[node.address for node in nodes])) as client:
        yield client


@pytest.fixture
def network(serve: Callable[..., Serving]) -> list[Serving]:
    """Four nodes of a test's own, which it may kill."""
    first = serve()
    return [first, *(serve("--join", first.address) for _ in range(3))]
