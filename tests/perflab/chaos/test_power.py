"""A cut of the power takes what was not synced, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from perflab.chaos.power import NoCompilerError, PowerLayer, cut

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux",
    reason="the layer below a process is written in C, for Linux",
)
DEAD = "os.kill(os.getpid(), signal.SIGKILL)"


class AllLost(Random):
    """Chance that takes whatever it can."""

    def choice(self, seq):  # type: ignore[no-untyped-def]
        return seq[0]

    def random(self) -> float:
        return 0.5


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> PowerLayer:
    return PowerLayer(tmp_path_factory.mktemp("layer"))


def run(layer: PowerLayer, folder: Path, script: str) -> None:
    """A script that works in the folder, with the layer below it, and is killed at its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"import os, signal\n{script}\n{DEAD}"],
        env=os.environ | layer.environment(folder), cwd=folder, timeout=60,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("os.write(f, b'one'); os.fsync(f); os.write(f, b'two')", b"one"),
        ("os.write(f, b'one'); os.fdatasync(f); os.pwrite(f, b'!', 1)", b"one"),
        ("os.write(f, b'one'); os.fdatasync(f); os.pwrite(f, b'!!!', 2)", b"one"),
        ("os.write(f, b'one'); os.fsync(f); os.ftruncate(f, 1)", b"one"),
        ("os.write(f, b'one'); os.fsync(f); os.ftruncate(f, 9)", b"one"),
        ("os.write(f, b'one'); os.fsync(f); os.ftruncate(f, 0); os.pwrite(f, b'xy', 0)", b"one"),
        ("os.write(f, b'one'); os.write(f, b'two')", b""),
        ("os.write(f, b'one'); os.fsync(f); g = os.open('it', os.O_WRONLY); os.write(g, b'!')",
         b"one"),
        ("os.write(f, b'one'); os.close(f); f = os.open('it', os.O_RDWR); os.pwrite(f, b'2', 0);"
         "os.fsync(f); os.pwrite(f, b'3', 1)", b"2ne"),
        ("os.write(f, b'one'); os.fsync(f)", b"one"),
    ],
)  # fmt: skip
def test_what_was_synced_last_is_there(
    layer: PowerLayer, tmp_path: Path, script: str, found: bytes
) -> None:
    run(layer, tmp_path, f"f = os.open('it', os.O_RDWR | os.O_CREAT)\n{script}")
    inode = (tmp_path / "it").stat().st_ino
    cut(tmp_path, AllLost())
    assert (tmp_path / "it").read_bytes() == found
    assert (tmp_path / "it").stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_appends_are_taken_from_the_end(layer: PowerLayer, tmp_path: Path) -> None:
    script = (
        "f = os.open('it', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "os.write(f, b'one'); os.fdatasync(f); os.write(f, b'two'); os.write(f, b'three')"
    )
    run(layer, tmp_path, script)
    assert (tmp_path / "it").read_bytes() == b"onetwothree"
    assert cut(tmp_path, AllLost()) == 2
    assert (tmp_path / "it").read_bytes() == b"one"


def test_some_of_it_may_stay_and_what_was_synced_always_does(
    layer: PowerLayer, tmp_path: Path
) -> None:
    script = (
        "f = os.open('it', os.O_RDWR | os.O_CREAT)\n"
        "os.pwrite(f, b's' * 4096, 0); os.fsync(f)\n"
        "for n in range(8): os.pwrite(f, b'%d' % n * 4096, 4096 + n * 4096)"
    )
    seen = set()
    for seed in range(12):
        place = tmp_path / str(seed)
        place.mkdir()
        run(layer, place, script)
        cut(place, Random(seed))
        data = (place / "it").read_bytes()
        assert data[:4096] == b"s" * 4096
        for n in range(8):
            block = data[4096 + n * 4096 :][:4096]
            assert set(block) <= {0, ord(str(n))}
        seen.add(data)
    assert len(seen) > 4


def test_what_lies_elsewhere_is_left_alone(layer: PowerLayer, tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    run(layer, inside, "f = os.open('../out/it', os.O_RDWR | os.O_CREAT); os.write(f, b'one')")
    assert [path.name for path in outside.iterdir()] == ["it"]
    assert cut(tmp_path, AllLost()) == 0
    assert (outside / "it").read_bytes() == b"one"


def test_without_a_compiler_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoCompilerError, match="needs Linux and a C compiler"):
        PowerLayer(tmp_path)
