"""Values from files and pipes, and into files: byte for byte, whole or not at all."""

import json
import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from p2pcore.cli import main
from p2pcore.cli.exits import Exit
from p2pcore.cli.files import Destination
from p2pcore.cli.output import OutputError
from p2pcore.wire.limits import MAX_VALUE_BYTES
from tests.processes import PYTHON, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors and file modes")
NOBODY = "127.0.0.1:1"  # who connects there is refused: exit code 3, not 2
EVERY_BYTE = bytes(range(256)) * 16


@pytest.fixture(autouse=True)
def no_key_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2PCORE_NETWORK_KEY_FILE", raising=False)


@pytest.fixture
def node(serve: Callable[..., Any]) -> str:
    return str(serve("--replicas", "1").address)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def run(*words: str, data: bytes = b"", **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """One command as a process, with this on its standard input."""
    return subprocess.run(
        [*PYTHON, "-m", "p2pcore", *words],
        input=data,
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
        **options,
    )


def complaint(text: str) -> str:
    (line,) = (line for line in text.splitlines() if "warning: no --network-key" not in line)
    assert line.startswith("p2pcore: ")
    return line.removeprefix("p2pcore: ")


@pytest.mark.parametrize("value", [b"", b"-", EVERY_BYTE, os.urandom(MAX_VALUE_BYTES)],
                         ids=["empty", "dash", "every byte", "1 MiB"])  # fmt: skip
def test_every_way_in_and_out(node: str, tmp_path: Path, value: bytes) -> None:
    (tmp_path / "in").write_bytes(value)
    assert run("put", "piped", "-", "--via", node, data=value).returncode == 0
    assert run("put", "--file", "-", "dashed", "--via", node, data=value).returncode == 0
    assert run("put", "--file", str(tmp_path / "in"), "filed", "--via", node).returncode == 0
    for key in ("piped", "dashed", "filed"):
        assert run("get", key, "--via", node).stdout == value
        assert run("get", key, "-o", "-", "--via", node).stdout == value
        out = tmp_path / key
        said = run("get", key, "-o", str(out), "--via", node)
        assert (said.returncode, out.read_bytes()) == (0, value)
        assert said.stdout.decode() == f"wrote {len(value)} bytes to {out}\n"
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".log") == [
        "dashed", "filed", "in", "piped",
    ]  # fmt: skip


def test_a_pipe_as_a_file(node: str, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", f"printf abc > {fifo}; wait"]) as writer:
        assert run("put", "k", "--file", str(fifo), "--via", node).returncode == 0
        assert writer.wait(60) == 0
    assert run("get", "k", "--via", node).stdout == b"abc"


def test_json(node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["put", "k", "abc", "--via", node]) == 0
    capsys.readouterr()
    assert main(["get", "k", "--via", node, "-o", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key": "k", "size_bytes": 3, "file": out}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["put", "k"], "put needs either VALUE (- for standard input) or --file FILE"),
        (["put", "k", "v", "--file", "f"], "put needs either VALUE"),
        (["put", "k", "-", "--file", "f"], "put needs either VALUE"),
        (["put", "k", "--file", "/nowhere/f"], "/nowhere/f can't be read: No such file"),
        (["put", "k", "--file", "/"], "/ can't be read: Is a directory"),
        (["put", "k", "--file", ""], "can't be read: No such file"),
        (["put", "", "-"], "a key has 1 to 65536 bytes"),
        (["get", "k", "-o", "/"], "/ can't be written: it is a directory"),
        (["get", "k", "-o", "/nowhere/f"], "/nowhere/f can't be written: there is no such dir"),
        (["get", "k", "-o", "new/"], "new/ can't be written: there is no such directory"),
        (["get", "k", "-o", "/dev/null"], "it is no regular file; use `-o -`"),
        (["get", "k", "-o", "a" * 5000], "File name too long"),
        (["get", "k", "-o", "a\0b"], "b can't be written: "),
    ],
)
def test_what_is_refused_before_anybody_is_asked(
    words: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--via", NOBODY]) == Exit.USAGE
    assert text in complaint(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_too_long(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_bytes(bytes(MAX_VALUE_BYTES + 1))
    for words, data, name in (
        (["-"], long.read_bytes(), "standard input"),
        (["--file", str(long)], b"", str(long)),
    ):
        ended = run("put", "k", *words, "--via", NOBODY, data=data)
        assert ended.returncode == Exit.USAGE
        said = f"{name} has more than 1048576 bytes (1 MiB), the limit of a value"
        assert complaint(ended.stderr.decode()) == said


def test_an_argument_that_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["put", "k", "v" * (MAX_VALUE_BYTES + 1), "--via", NOBODY]) == Exit.USAGE
    assert "the value has more than 1048576 bytes" in complaint(capsys.readouterr().err)


def test_endless_input_is_not_read_to_its_end() -> None:
    with Path("/dev/zero").open("rb") as endless:
        ended = subprocess.run(
            [*PYTHON, "-m", "p2pcore", "put", "k", "-", "--via", NOBODY],
            stdin=endless, capture_output=True, env=environment(), timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == Exit.USAGE


def test_a_closed_standard_input() -> None:
    words = f"{sys.executable} -m p2pcore put k - --via {NOBODY} <&-"
    ended = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=False)
    assert ended.returncode == Exit.USAGE
    assert complaint(ended.stderr) == "standard input is closed"


# What is there already


def test_a_file_is_replaced_with_its_permissions_and_a_link_is_followed(
    tmp_path: Path, umask: None
) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old, and longer than what comes")
    file.chmod(0o604)
    link.symlink_to(file)
    Destination(str(link)).write(b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o604
    Destination(str(tmp_path / "made")).write(b"new")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o640  # as the umask says


def test_a_missing_record_leaves_the_file_as_it_was(node: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    assert run("get", "nothing", "-o", str(file), "--via", node).returncode == Exit.NOT_FOUND
    assert file.read_bytes() == b"old"
    missing = tmp_path / "missing"
    assert run("get", "nothing", "-o", str(missing), "--via", node).returncode == Exit.NOT_FOUND
    assert not missing.exists()


def test_a_disk_that_is_full_leaves_the_file_as_it_was(node: str, tmp_path: Path) -> None:
    """A limit of the file size stands for the full disk: the write fails half-way."""
    file = tmp_path / "file"
    file.write_bytes(b"old")
    assert run("put", "k", "-", "--via", node, data=bytes(100_000)).returncode == 0

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    ended = run("get", "k", "-o", str(file), "--via", node, preexec_fn=small_files)
    assert ended.returncode == Exit.OUTPUT
    assert complaint(ended.stderr.decode()) == f"{file}: File too large"
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.glob(".p2pcore*")] == []


def test_a_directory_that_has_gone_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    destination = Destination(str(tmp_path / "dir" / "file"))
    (tmp_path / "dir").rmdir()
    with pytest.raises(OutputError, match="No such file or directory") as error:
        destination.write(b"value")
    assert error.value.code is Exit.OUTPUT


def test_a_reader_that_has_enough(node: str) -> None:
    assert run("put", "k", "-", "--via", node, data=bytes(MAX_VALUE_BYTES)).returncode == 0
    reader, writer = socket.socketpair()
    with reader, writer:
        process = subprocess.Popen(
            [*PYTHON, "-m", "p2pcore", "get", "k", "--via", node],
            stdout=writer.fileno(), stderr=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        writer.close()
        assert reader.recv(1000) == bytes(1000)
        reader.close()
        _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.READER_GONE
    assert [line for line in said.splitlines() if b"warning" not in line] == []
