"""Commands against one running node, and what each kind of mistake is answered with."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pcore import OPEN_NETWORK_KEY
from p2pcore.cli import main
from p2pcore.cli.exits import MEANINGS, Exit, exit_of
from p2pcore.cli.output import one_line
from p2pcore.errors import P2PError
from p2pcore.version import __version__

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and file modes")


@pytest.fixture(autouse=True)
def no_key_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("P2PCORE_NETWORK_KEY_FILE", raising=False)


@pytest.fixture
def node(serve: Callable[..., Any]) -> str:
    return str(serve("--replicas", "1").address)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr, the warning about the open network left out."""
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if "warning: no --network-key" not in line]
    assert len(lines) == 1, said.err
    assert lines[0].startswith("p2pcore: ")
    return lines[0].removeprefix("p2pcore: ")


# What works


def test_a_value_comes_back_byte_for_byte(node: str, command: Callable[..., Any]) -> None:
    value = bytes(range(1, 256)) + b"\r\n"  # an argument holds every byte but 0
    stored = command("put", "--via", node, "bytes", value)
    assert (stored.returncode, stored.stdout[:36]) == (0, b"stored bytes: 1 of 1 replicas confir")
    got = command("get", "bytes", "--via", node)
    assert (got.returncode, got.stdout) == (0, value)
    got = json.loads(command("get", "bytes", "--via", node, "--json").stdout)
    assert base64.b64decode(got["value_base64"]) == value
    assert "text" not in got  # no UTF-8


def test_json(node: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["put", "ключ", "значение", "--via", node, "--json", "--ttl", "60"]) == 0
    stored = json.loads(capsys.readouterr().out)
    assert (stored["key"], stored["replicas"], stored["acks"]) == ("ключ", 1, 1)
    assert len(bytes.fromhex(stored["version"])) == 16
    assert main(["get", "ключ", "--via", node, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "значение"
    assert main(["delete", "ключ", "--via", node, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] > stored["version"]
    assert main(["get", "ключ", "--via", node, "--json"]) == Exit.NOT_FOUND
    warning, error = map(json.loads, capsys.readouterr().err.splitlines())
    assert "published" in warning["warning"]
    assert error == {"error": "no record under 'ключ'", "kind": "KeyNotFoundError", "exit_code": 1}


def test_keys_that_were_put_for_it_are_listed(
    node: str, command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("users/ann", "users/bob", "ключ", "a\nb"):
        assert main(["put", key, "value", "--listed", "--via", node]) == 0
    assert main(["put", "users/not", "value", "--via", node]) == 0
    command("put", b"\xff\xfe", "value", "--listed", "--via", node)
    capsys.readouterr()

    def said(*words: str) -> list[str]:
        assert main(["list", "--via", node, *words]) == 0
        return capsys.readouterr().out.splitlines()

    everything = said()
    assert sorted(everything) == sorted(
        ["users/ann", "users/bob", "ключ", "a\\nb", "\\udcff\\udcfe"]
    )
    assert sorted(said("--prefix", "users/")) == ["users/ann", "users/bob"]
    assert said("--prefix", "none") == []
    first, rest = said("--limit", "1"), everything[1:]
    assert first == everything[:1]
    if first[0].startswith("users/"):
        assert said("--after", first[0]) == rest
    one, other = said("--prefix", "users/")
    assert said("--prefix", "users/", "--after", one) == [other]
    assert said("--prefix", "users/", "--after", other) == []
    records = [json.loads(line) for line in said("--json")]
    assert {"key": "a\nb"} in records
    assert {"key_base64": base64.b64encode(b"\xff\xfe").decode()} in records
    assert main(["delete", one, "--via", node]) == 0
    capsys.readouterr()
    assert said("--prefix", "users/") == [other]


def test_the_key_file_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "open.key"
    file.write_text(OPEN_NETWORK_KEY.hex())
    file.chmod(0o644)
    monkeypatch.setenv("P2PCORE_NETWORK_KEY_FILE", str(file))
    assert main(["get", "k", "--via", "127.0.0.1:1"]) == Exit.USAGE
    assert f"{file} can be read by others" in complaint(capsys)


def test_keys_are_made_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", "network"]) == 0
    printed = capsys.readouterr().out
    assert len(bytes.fromhex(printed)) == 32
    file = tmp_path / "network.key"
    assert main(["keygen", "network", "-o", str(file)]) == 0
    content = file.read_text()
    assert len(bytes.fromhex(content)) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert content.strip() not in capsys.readouterr().out
    assert main(["keygen", "network", "-o", str(file)]) == Exit.USAGE
    assert "is there already; a key is never overwritten" in complaint(capsys)
    assert file.read_text() == content

    assert main(["keygen", "identity", str(tmp_path / "data")]) == 0
    assert len(bytes.fromhex(capsys.readouterr().out)) == 32
    assert main(["keygen", "identity", str(tmp_path / "data")]) == Exit.USAGE
    assert "an identity is never overwritten" in complaint(capsys)


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for line in ("p2pcore serve --listen", "p2pcore put greeting", "p2pcore get greeting"):
        assert line in text
    for code, meaning in MEANINGS.items():
        assert f"{code:<4} {meaning}" in text
    for name in ("serve", "put", "get", "delete", "list", "stats", "keygen"):
        assert main([name, "--help"]) == 0
        assert f"\n  p2pcore {name}" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"p2pcore {__version__}\n"


def test_help_loads_no_sockets() -> None:
    code = (
        "import sys; from p2pcore.cli import main; main(['--help']); "
        "print([m for m in ('asyncio', 'ssl', 'cryptography', 'uvloop') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_the_documentation_has_every_exit_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert f"| {code.value} | {meaning} |" in text


# What does not


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "required: COMMAND"),
        (["fetch"], "invalid choice: 'fetch'"),
        (["put", "k", "v"], "required: --via"),
        (["put", "k", "v", "--via", "here"], "an address is host:port or host:port#id, not 'here'"),
        (["list"], "required: --via"),
        (["list", "--via", "h:1", "--limit", "0"], "'0' is not a whole number of 1 or more"),
        (["list", "--via", "h:1", "--after", ""], "a key has 1 to 65536 bytes, this one has 0"),
        (["list", "--via", "h:1", "--prefix", "k" * 1025], "a prefix has up to 1024 bytes"),
        (["put", "k" * 1025, "v", "--via", "h:1", "--listed"], "a listed record has up to 1024"),
        (["get", "k", "--via", "h:1#ab"], "a node id has 64 hex digits: 'h:1#ab'"),
        (["get", "k", "--via", "h:70000"], "port 70000 is out of range, which is 0 to 65535"),
        (["get", "", "--via", "h:1"], "a key has 1 to 65536 bytes, this one has 0"),
        (["get", "k" * 65537, "--via", "h:1"], "1 to 65536 bytes, this one has 65537"),
        (["get", "k", "--via", "h:1", "--timeout", "soon"], "'soon' is not a number of seconds"),
        (["get", "k", "--via", "h:1", "--timeout", "0"], "timeout_s must be more than 0"),
        (["serve", "--replicas", "2", "--write-quorum", "3"], "write_quorum must be 1 to"),
        (["serve", "--replicas", "21"], "replication_factor must be 1 to 20"),
        (["serve", "--join-timeout", "inf"], "'inf' is not a number of seconds"),
        (["serve", "--max-store-bytes", "5T"], "'5T' is not a size such as"),
        (["serve", "--max-store-bytes", "0"], "max_store_bytes must be at least 1"),
        (["serve", "--repair-rate", "fast"], "'fast' is not a size such as"),
        (["serve", "--leave-timeout", "-1"], "'-1' is not a number of seconds"),
        (["serve", "--max-connections", "many"], "'many' is not a whole number of 1 or more"),
        (["serve", "--workers", "0"], "'0' is not a whole number of 1 or more"),
        (["serve", "--workers", "3", "--listen", "h:65534"], "worker 2 would be at port 65536"),
        (["keygen", "network", "-o", "/nowhere/key"], "/nowhere/key can't be written: No such"),
    ],
)
def test_wrong_usage(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == Exit.USAGE
    assert text in complaint(capsys)


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        ("ab" * 32, 0o644, "(mode 644); make it private: chmod 600"),
        ("ab" * 8, 0o600, "must hold one line of at least 32 hex digits"),
        ("not hex, and long enough to be a key, one could think", 0o600, "hex digits"),
        ("", 0o600, "hex digits"),
        ("ab" * 4096, 0o600, "hex digits"),
        (None, 0o600, "No such file or directory"),
    ],
)
def test_key_files(
    content: str | None,
    mode: int,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    assert main(["get", "k", "--via", "h:1", "--network-key-file", str(file)]) == Exit.USAGE
    said = complaint(capsys)
    assert f"network key file {file}" in said
    assert text in said
    assert not content or content not in said


def test_a_data_directory_that_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert main(["keygen", "identity", str(file)]) == Exit.USAGE
    assert f"data_dir: {file} is a file, not a directory" in complaint(capsys)


def test_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as silent:  # the kernel accepts; nobody ever speaks
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert main(["get", "k", "--via", address]) == Exit.NETWORK
        assert f"{address}: Connection refused" in complaint(capsys)
        silent.listen()
        assert main(["get", "k", "--via", address, "--timeout", "0.2"]) == Exit.NETWORK
        assert f"{address}: no answer in 0.2 s" in complaint(capsys)


def test_another_node_than_the_one_that_was_meant(
    node: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["get", "k", "--via", f"{node}#{'0' * 64}"]) == Exit.NETWORK
    assert f"not {'0' * 64}" in complaint(capsys)


def test_too_few_nodes_for_a_quorum(
    serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    address = serve().address
    assert main(["put", "k", "v", "--via", address]) == Exit.QUORUM
    assert "store needs 2 replicas, the network has 1 node(s)" in complaint(capsys)


def test_no_room(serve: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    address = serve("--replicas", "1", "--max-store-bytes", "1K").address
    assert main(["put", "k", "v" * 1024, "--via", address, "--timeout", "0.5"]) == Exit.REFUSED
    assert "of 1024 bytes are in use" in complaint(capsys)


# Output that nobody takes


def test_a_full_disk_and_a_closed_output() -> None:
    keygen = f"{sys.executable} -m p2pcore keygen network"
    for redirect, code, text in (
        ("> /dev/full", 6, "p2pcore: standard output: No space left on device\n"),
        (">&-", 6, "p2pcore: standard output: Bad file descriptor\n"),
    ):
        if redirect == "> /dev/full" and not Path("/dev/full").exists():
            continue
        run = subprocess.run(
            ["sh", "-c", f"{keygen} {redirect}"], capture_output=True, text=True, check=False
        )
        assert (run.returncode, run.stderr) == (code, text)


def test_a_reader_that_has_gone() -> None:
    for words in (["keygen", "network"], ["--help"]):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            run = subprocess.run(
                [sys.executable, "-m", "p2pcore", *words],
                stdout=writer,
                stderr=subprocess.PIPE,
                check=False,
            )
        finally:
            os.close(writer)
        assert (run.returncode, run.stderr) == (141, b"")


def test_an_interrupt_leaves_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "p2pcore", "get", "k", "--via", address, "--timeout", "60"],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            connection, _ = silent.accept()  # now it waits for an answer
            with connection:
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == Exit.INTERRUPTED
    assert [line for line in said.splitlines() if "warning" not in line] == []


def test_every_error_has_an_exit_code_and_one_printable_line() -> None:
    kinds, todo = [], [P2PError]
    while todo:
        kinds.append(todo.pop())
        todo += kinds[-1].__subclasses__()
    for kind in kinds:
        error = kind.__new__(kind)
        assert 0 < exit_of(error) <= 6
    assert one_line("a\nb\x1b[31m\udcff é") == "a\\nb\\x1b[31m\\udcff é"
