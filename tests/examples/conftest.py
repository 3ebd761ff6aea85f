"""Real nodes for the examples."""

from collections.abc import Callable

import pytest

from tests.processes import Serving, command, launch, serve

__all__ = ["command", "launch", "serve"]


@pytest.fixture
def members(serve: Callable[..., Serving]) -> list[str]:
    """The addresses of three nodes of the open network."""
    first = serve().address
    return [first, *(serve("--join", first).address for _ in range(2))]
