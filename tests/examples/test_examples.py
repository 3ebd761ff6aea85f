"""The examples run as they stand, and are as typed as what they use."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from tests.processes import PATIENCE_S, environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"


EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def running(name: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(FOLDER / f"{name}.py"), *words],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_every_example_is_told_of() -> None:
    told = (FOLDER / "README.md").read_text()
    for path in FOLDER.iterdir():
        if path.suffix in (".py", ".ipynb"):
            assert f"[{path.name}]({path.name})" in told


def test_the_line_service() -> None:
    def ask(address: str, *lines: str) -> list[str]:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as user:
            user.sendall("".join(f"{line}\n" for line in lines).encode())
            user.shutdown(socket.SHUT_WR)
            with user.makefile() as answers:
                return answers.read().splitlines()

    with running("line_service") as first:
        _, at, _, node = line_of(first).split()
        at = at.rstrip(",")
        with running("line_service", "--join", node) as second:
            other = line_of(second).split()[1].rstrip(",")
            said = ask(at, "set colour light blue", "get colour", "get shape", "dance")
            assert said[:3] == ["ok 2", "value light blue", "none"]
            assert said[3].startswith("error: set KEY VALUE")
            assert ask(other, "get colour", "del colour", "get colour") == [
                "value light blue",
                "ok",
                "none",
            ]
            assert ask(other, f"set {'k' * 70000} v") == ["error: a line is too long"]
            for each in (second, first):
                each.send_signal(signal.SIGTERM)
                assert each.wait(PATIENCE_S) == 0


def test_the_web_application(members: list[str]) -> None:
    pytest.importorskip("flask")
    app, connection = example("web_application").application(members)
    try:

        def visit(number: int) -> None:
            user = app.test_client()
            path = f"/notes/note {number}"
            assert user.get(path).status_code == 404
            put = user.put(path, data=b"%d" % number)
            assert (put.status_code, len(put.headers["Version"])) == (204, 32)
            assert user.get(path).data == b"%d" % number
            assert user.delete(path).status_code == 204
            assert user.get(path).status_code == 404

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(visit, range(40)))
        assert app.test_client().put("/notes/large", data=bytes(2 << 20)).status_code == 413
    finally:
        connection.close()


def test_the_web_application_without_a_network() -> None:
    pytest.importorskip("flask")
    app, _ = example("web_application").application(["127.0.0.1:1"])
    answer = app.test_client().get("/notes/any")
    assert answer.status_code == 503
    assert b"Connection refused" in answer.data


def test_the_service_registry(members: list[str]) -> None:
    via = [word for member in members for word in ("--via", member)]
    with running("service_registry", *via, "serve", "mail", "3", "10.0.0.7:25") as staying:
        assert line_of(staying) == "registered mail 3 at 10.0.0.7:25"
        find = [sys.executable, str(FOLDER / "service_registry.py"), *via, "find", "mail"]
        found = subprocess.run(find, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
        assert found.stdout == "3 10.0.0.7:25\n"
        staying.send_signal(signal.SIGINT)
        assert staying.wait(PATIENCE_S) == 0
        found = subprocess.run(find, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
        assert found.stdout == ""


def test_the_application_in_simulated_networks() -> None:
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*run, str(FOLDER / "test_service_registry.py")],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S * 3,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout


@pytest.mark.slow
def test_the_notebook(members: list[str], tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, FOLDER / "notebook.ipynb", tmp_path / "done.ipynb"],
        env={**environment(), "P2PCORE_VIA": ",".join(members)},
        capture_output=True, text=True, check=False, timeout=PATIENCE_S * 3,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "done.ipynb").read_text())["cells"]
    said = "".join(
        "".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ())
    )
    assert all(member in said for member in members)
    assert "records stored per second" in said
    assert "P99" in said


def test_the_notebook_is_kept_without_what_it_said() -> None:
    for cell in json.loads((FOLDER / "notebook.ipynb").read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
def test_they_are_typed(tmp_path: Path) -> None:
    pytest.importorskip("flask")
    words = ["--strict", "--no-error-summary", f"--cache-dir={tmp_path}", str(FOLDER)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S * 5,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
