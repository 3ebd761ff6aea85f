"""Every test of this folder runs on both event loops, and leaves nothing behind."""

from tests.aio.conftest import nothing_left, pytest_asyncio_loop_factories

__all__ = ["nothing_left", "pytest_asyncio_loop_factories"]
