"""A process of ours on some machine, as whoever started it from elsewhere has it looked after.

Theory of operation. The process reads questions on its standard input, a JSON line each, answers a
line each, and writes files into a folder of its own, which it is told as its last argument. Nothing
is pushed: whoever started it looks again and again, names what it has already, and is given the
rest, so a look that was lost costs nothing. One who has not looked for ABANDONED_S is gone, and
the process ends with it; so does it if whoever holds the station is killed, since the kernel closes
its standard input then.

On this machine a thread holds the station, on others a worker's task. This module travels there by
value, so that a worker needs nothing of ours, and never uses what an earlier run has left.

Rule: the standard library only, and nothing of ours.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import IO, Any

__all__ = ["MOST_BYTES", "TREES", "Station", "Veiled", "about", "run_task", "travels", "unpack"]

TREES = ("p2pcore", "benchmarks", "perflab")

ABANDONED_S = 15.0  # looks come twice a second
GRACE_S = 20.0  # from the end of its input to that of the process; then it is killed
BEAT_S = 0.2
MOST_BYTES = 4 << 20  # of a file in one look
MOST_WORDS = 2000  # of its standard error
DEPENDENCIES = ("msgspec", "cryptography", "uvloop")  # whose versions decide what is measured


class Veiled(dict[str, str]):
    """Variables of an environment that no log is to show."""

    def __repr__(self) -> str:
        return f"<{len(self)} variables>"


class Station:
    """One process, from its start until `let_go`; `hold` has to be called by somebody who stays."""

    def __init__(
        self, root: str, module: str, core: str, arguments: list[str], environment: dict[str, str]
    ) -> None:
        """`root` holds the trees; `module` is one with `run_child`, which imports p2pcore from the
        folder `core`."""
        self.folder = Path(tempfile.mkdtemp(prefix="p2pcore-share-"))
        entry = Path(root) / "benchmarks" / "common" / "entry.py"
        self._errors: IO[bytes] = (self.folder / "stderr").open("wb+")
        clean = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(entry), module, core, *arguments, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=clean | environment,
            process_group=0,
        )
        self.pid = self._process.pid
        self._said: deque[bytes] = deque()
        self._forgotten = 0  # lines that were given and are no longer kept
        self._looked_s = time.monotonic()
        self._ended_s: float | None = None
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def look(self, lines: int, sizes: dict[str, int], tell: bytes = b"") -> dict[str, Any]:
        """What is new since so many lines and so many bytes of each file: "lines", "files",
        "exit" (None while it runs) and "words" (of its standard error, once it has ended). `tell`
        is written to the process first; one that has ended does not mind."""
        self._looked_s = time.monotonic()
        if tell:
            assert self._process.stdin is not None
            with suppress(OSError, ValueError):
                self._process.stdin.write(tell)
                self._process.stdin.flush()
        code = self._process.poll()  # first: what it has written by then is in the files
        while self._forgotten < lines and self._said:
            self._said.popleft()
            self._forgotten += 1
        files = {}
        for path in sorted(self.folder.glob("*-*.*")):
            with path.open("rb") as file:
                file.seek(sizes.get(path.name, 0))
                data = file.read(MOST_BYTES)
            if data:
                files[path.name] = data
        words = ""
        if code is not None:
            words = (self.folder / "stderr").read_text(errors="replace").strip()[-MOST_WORDS:]
        return {"lines": list(self._said), "files": files, "exit": code, "words": words}

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file."""
        found = {}
        for path in sorted(self.folder.glob("*-*.*")):
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
        return found

    def end(self) -> None:
        """Let the process end; its files stay until `let_go`."""
        if self._ended_s is None:
            self._ended_s = time.monotonic()
            assert self._process.stdin is not None
            with suppress(OSError):
                self._process.stdin.close()

    def let_go(self) -> None:
        """Nobody looks any more: a process that has not ended is killed."""
        self.end()
        self._over.set()

    def hold(self) -> int:
        """Wait until it has ended and is let go, or nobody looks any more; its exit code."""
        try:
            while self._process.poll() is None or not self._over.is_set():
                now_s = time.monotonic()
                if now_s - self._looked_s > ABANDONED_S:
                    self.let_go()
                late = self._ended_s is not None and now_s - self._ended_s > GRACE_S
                if late or self._over.is_set():
                    self._process.kill()
                if self._process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(BEAT_S)
                else:
                    self._over.wait(BEAT_S)
        finally:
            self.let_go()
            self._process.kill()  # a no-op for one that has ended
            code = self._process.wait()
            self._listener.join()
            self._errors.close()
            shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                self._said.append(line)


def about(root: str, core: str) -> dict[str, str]:
    """What has to be equal where parts of one measurement are made, and which machine this is.

    "package" is the SHA-256 of all that travels. "boot" tells whether two processes have the same
    clock: Linux gives each of its starts a number.
    """
    versions = {}
    for name in DEPENDENCIES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    boot = Path("/proc/sys/kernel/random/boot_id")
    digest = hashlib.sha256()
    for name, path in travels(root, core):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return {
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() if boot.exists() else "",
        "package": digest.hexdigest(),
        "python": platform.python_version(),
    } | versions


def travels(root: str, core: str) -> Iterator[tuple[str, Path]]:
    """The files of the three trees by their names in the archive, in order."""
    for tree in TREES:
        above = Path(core if tree == "p2pcore" else root)
        for path in sorted((above / tree).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(above).as_posix(), path


def run_task(root: str, core: str, module: str, arguments: list[str], stop: threading.Event) -> str:
    """What a module's `run_child` prints; RuntimeError with its words if it fails. It has to end
    when its standard input does: when `stop` is set, or this process gone."""
    entry = Path(root) / "benchmarks" / "common" / "entry.py"
    clean = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        [sys.executable, "-P", str(entry), module, core, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean,
        process_group=0,
    ) as process:
        assert process.stdin is not None
        said: list[str] = []
        words: list[str] = []
        readers = [
            threading.Thread(target=lambda: said.extend(process.stdout or ()), daemon=True),
            threading.Thread(target=lambda: words.extend(process.stderr or ()), daemon=True),
        ]
        for reader in readers:
            reader.start()
        while process.poll() is None:
            if stop.wait(BEAT_S):
                process.stdin.close()
                break
        code = process.wait()
        for reader in readers:
            reader.join()
    if code:
        told = "".join(words[-20:]).strip()[-MOST_WORDS:]
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {code}: {told}")
    return "".join(said)


def unpack(archive: bytes, name: str, below: str) -> str:
    """The folder of an archive, which is unpacked unless it was before."""
    import io
    import zipfile

    folder = Path(below) / f"p2pcore-{name}"
    if not folder.exists():
        unfinished = Path(tempfile.mkdtemp(prefix="p2pcore-", dir=below))
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            file.extractall(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:  # another was quicker
            shutil.rmtree(unfinished, ignore_errors=True)
    return str(folder)
