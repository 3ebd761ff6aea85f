"""The public names: all there, and loaded only when they are used."""

import subprocess
import sys

import pytest

import p2pcore


@pytest.mark.parametrize("name", p2pcore.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(p2pcore, name) is not None
    assert name in dir(p2pcore)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = p2pcore.nonsense  # type: ignore[attr-defined]


def test_a_part_of_the_core_loads_neither_sockets_nor_cryptography() -> None:
    code = (
        "import sys, p2pcore.node; "
        "print([m for m in ('asyncio', 'ssl', 'cryptography') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
