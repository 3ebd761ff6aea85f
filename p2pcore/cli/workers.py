"""`serve --workers`: several nodes, each in a process of its own, and who looks after them.

Theory of operation. Worker 0 begins the network, unless there is one to join, and the others join
through it. Each worker holds the read end of a pipe to this process: closing it asks the worker to
leave, and the kernel closes it if this process is killed (see `worker.py`). A worker that cannot
start ends all, with its own error. One that dies later is reported and started again on its port,
after a pause that doubles from FIRST_PAUSE_S to LONGEST_PAUSE_S and is forgotten once the worker
has served for STEADY_S. It then joins through the others; only worker 0 may begin a network anew,
and only if no other worker serves: there are never two networks where there was one.

Rule: no node runs in this process.
"""

import argparse
import asyncio
import dataclasses
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

import p2pcore
from p2pcore import errors
from p2pcore.address import split_address
from p2pcore.aio.files import read_allow_list
from p2pcore.cli.node_process import EXIT_S, Stop, at_hangup
from p2pcore.cli.output import OutputError, say, say_json
from p2pcore.cli.worker import GRACE_S
from p2pcore.config import CoordinatorConfig
from p2pcore.errors import BrokenError, ConfigError, P2PError

__all__ = ["Supervisor", "settings_of_worker"]

log = logging.getLogger("p2pcore.cli")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
MAX_JOINS = 3  # addresses of other workers to join through: one of them may be gone, too


def settings_of_worker(config: CoordinatorConfig, number: int) -> dict[str, Any]:
    """The settings of one worker, as JSON has them: its own port and data directory, and all else
    in common but the network key. Raises ConfigError if there is no such port."""
    settings = dataclasses.asdict(config)
    del settings["network_key"]
    for name in ("listen", "advertise"):
        if settings[name] is not None:
            settings[name] = _port_up(settings[name], number)
    if config.data_dir is not None:
        settings["data_dir"] = str(Path(config.data_dir) / f"worker-{number}")
    if config.allow_file is not None:
        settings["allow_file"] = str(config.allow_file)
    return settings


def _port_up(address: str, number: int) -> str:
    """The address with a port so much higher; port 0, which takes a free one, stays."""
    port = split_address(address)[1]
    if port + number > 65535:
        raise ConfigError(f"worker {number} would be at port {port + number}, the last is 65535")
    return f"{address.rpartition(':')[0]}:{port + number if port else 0}"


class _Worker:
    """One worker, over all its processes."""

    def __init__(self, number: int, settings: dict[str, Any], metrics: str | None) -> None:
        self.number = number
        self.settings = settings
        self.metrics = metrics  # where its endpoint listens
        self.process: asyncio.subprocess.Process | None = None
        self.address: str | None = None  # where it served last
        self.serving = False

    def reload(self) -> None:
        """Have it read its allow list anew; one that is only starting does so anyway."""
        process = self.process
        if process is not None and process.returncode is None and process.stdin is not None:
            process.stdin.write(b"reload\n")

    def close_pipe(self) -> None:
        """Ask it to leave."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()


class Supervisor:
    """All workers of one `serve`.

    Args:
        config: the settings that they have in common.
        args: the words of the command line.

    Raises:
        ConfigError: there are not as many ports.
    """

    def __init__(self, config: CoordinatorConfig, args: argparse.Namespace) -> None:
        self._config = config
        self._args = args
        self._workers = [
            _Worker(
                number,
                settings_of_worker(config, number),
                _port_up(args.metrics, number) if args.metrics else None,
            )
            for number in range(args.workers)
        ]
        self._begun = asyncio.Event()  # there is a network that workers can join

    def run(self) -> None:
        """Run the workers until SIGINT or SIGTERM.

        Raises:
            BrokenError: a worker ended before it was ready, and left no word.
            P2PError: what it said, if it did.
        """
        asyncio.run(self._run())

    async def _run(self) -> None:
        """Start all, keep them running, and end them all together."""
        stop = Stop(asyncio.get_running_loop(), at_once=self._kill_all)
        if self._config.allow_file is not None:
            read_allow_list(Path(self._config.allow_file))  # one error, before there are workers
            at_hangup(asyncio.get_running_loop(), self._reload)
        if self._config.bootstrap:
            self._begun.set()
        tasks = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
        try:
            await asyncio.wait({stop.wanted, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # a worker could not start
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # of errors, the first is enough
            await self._end_all()

    async def _keep(self, worker: _Worker) -> None:
        """Start a worker, and start it again whenever it has died."""
        if worker.number:
            await self._begun.wait()
        await self._start(worker)
        loop = asyncio.get_running_loop()
        pause_s, since_s = FIRST_PAUSE_S, loop.time()
        while True:
            assert worker.process is not None
            end = await worker.process.wait()
            worker.serving = False
            if loop.time() - since_s >= STEADY_S:
                pause_s = FIRST_PAUSE_S
            text = "worker %d %s; starting it again in %g s"
            log.warning(text, worker.number, _words_of_end(end), pause_s)
            while True:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                try:
                    await self._start(worker)
                    since_s = loop.time()
                    break
                except P2PError as error:
                    log.warning("%s; trying again in %g s", error, pause_s)
                except OutputError as error:  # whoever read the first lines need not stay
                    log.warning("worker %d serves again, but %s", worker.number, error)
                    since_s = loop.time()
                    break

    async def _start(self, worker: _Worker) -> None:
        """One process of a worker, until it is ready. Raises why it is not."""
        settings = worker.settings | {"bootstrap": self._bootstrap_of(worker)}
        if worker.address is not None and self._config.advertise is None:
            settings["listen"] = worker.address  # others look for it there
        order = {
            "worker": worker.number,
            "settings": settings,
            "network_key": self._config.network_key.hex(),
            "loop": self._args.loop,
            "log_level": self._args.log_level,
            "json": self._args.json,
            "metrics": worker.metrics,
        }
        process = worker.process = await asyncio.create_subprocess_exec(
            *(*_python(), "-m", "p2pcore.cli.worker", str(worker.number)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await process.stdout.readline()
        if not line:
            end = _words_of_end(await process.wait())
            raise BrokenError(f"worker {worker.number} {end} before it was ready")
        said = json.loads(line)
        if "error" in said:
            await process.wait()
            raise getattr(errors, said["kind"])(f"worker {worker.number}: {said['error']}")
        worker.address, worker.serving = said["address"], True
        self._begun.set()
        self._announce(worker.number, said["address"], said["id"])

    def _bootstrap_of(self, worker: _Worker) -> list[str]:
        """Through whom a worker joins; nobody: it begins the network."""
        others = [other for other in self._workers if other is not worker and other.address]
        serving = [other.address for other in others if other.serving]
        if not (serving or self._config.bootstrap) and worker.number:
            serving = [other.address for other in others]  # one of them will come back
        addresses = [address for address in serving if address is not None]
        return [*self._config.bootstrap, *addresses[:MAX_JOINS]]

    def _announce(self, number: int, address: str, node_id: str) -> None:
        if self._args.json:
            contact = f"{address}#{node_id}"
            say_json({"worker": number, "address": address, "id": node_id, "contact": contact})
        else:
            say(f"worker {number} serving {address} as {node_id}")

    async def _end_all(self) -> None:
        """Let all leave side by side; who does not is killed."""
        processes = [worker.process for worker in self._workers if worker.process is not None]
        for worker in self._workers:
            worker.close_pipe()
        limit_s = self._config.leave_timeout_s + EXIT_S + 2 * GRACE_S
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(process.wait() for process in processes))
        except TimeoutError:
            log.warning("workers that have not left in %g s are killed", limit_s)
            self._kill_all()
            await asyncio.gather(*(process.wait() for process in processes))

    def _reload(self) -> None:
        for worker in self._workers:
            worker.reload()

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()


def _words_of_end(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _python() -> list[str]:
    """An interpreter that finds this very p2pcore: not the directory's where it is started, unless
    that is where this one comes from."""
    here = Path(p2pcore.__file__).parents[1] == Path.cwd()
    return [sys.executable] if here else [sys.executable, "-P"]
