"""Shares and tasks on a real scheduler of Dask with real workers, over TLS."""

import datetime
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.common import subject
from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import SchedulerError, Tls
from perflab.load.command import INCOMPLETE, conclude
from perflab.load.plan import LoadPlan
from perflab.load.scenario import scenario_of
from perflab.load.shared_run import SharedRun
from perflab.load.target import Nobody
from perflab.sweep.record import SweepPlan
from perflab.sweep.run import run_sweep
from tests.perflab.cluster.dask_cluster import DaskCluster
from tests.perflab.load.test_shared_run import ActingView

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Dask's own
WORKERS, RATE, SECONDS = 3, 300, 6


def certificate(folder: Path) -> Tls:
    """One that signs itself: authority and party."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Tls(ca=cert, cert=cert, key=secret)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DaskCluster, Tls]]:
    tls = certificate(tmp_path_factory.mktemp("tls"))
    words = ["--tls-ca-file", str(tls.ca), "--tls-cert", str(tls.cert), "--tls-key", str(tls.key)]
    with DaskCluster(WORKERS, words) as made:
        deadline_s = time.monotonic() + 120
        while time.monotonic() < deadline_s:
            try:
                with open_scheduler(made.address, tls) as scheduler:
                    if len(scheduler.seats) == WORKERS:
                        break
            except SchedulerError:
                continue  # no worker yet
        yield made, tls


def plan(directory: Path) -> LoadPlan:
    phase = {"pattern": "constant", "rate": RATE, "seconds": SECONDS}
    table = {"name": "far", "phase": [phase], "load": {"clients": WORKERS, "records": 50}}
    directory.mkdir()
    return LoadPlan(
        scenario=scenario_of(table),
        directory=directory,
        loop=subject.default_loop(),
        command="test",
    )


def test_a_killed_worker_is_told_and_nothing_runs_again(
    cluster: tuple[DaskCluster, Tls], tmp_path: Path
) -> None:
    made, tls = cluster
    killed_s: list[float] = []
    shares = set[psutil.Process]()

    def kill(run: SharedRun) -> None:
        shares.update(psutil.Process(client.child.pid) for client in run.clients)
        worker = psutil.Process(run.clients[1].child.pid).parent()
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        killed_s.append(run.now_s)

    with open_scheduler(made.address, tls) as scheduler, Nobody() as target:
        record = SharedRun(plan(tmp_path / "run"), target, ActingView(kill), scheduler).run()
    assert record.result is not None
    assert conclude(record) == INCOMPLETE
    (lost,) = record.result.missing
    assert lost.process == 1
    counts = [(record.rows["process"] == process).sum() for process in range(WORKERS)]
    assert counts[0] == counts[2] == SECONDS * RATE / WORKERS
    assert 0 < counts[1] == SECONDS * RATE / WORKERS - lost.operations
    (told,) = [event.at_ns / 1e9 for event in record.events if event.kind == "missing"]
    assert told - killed_s[0] <= 5.0
    deadline_s = time.monotonic() + 30
    while any(share.is_running() for share in shares):  # also that of the worker that was killed
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_seeds_are_played_once_though_a_worker_is_killed(
    cluster: tuple[DaskCluster, Tls], tmp_path: Path
) -> None:
    made, tls = cluster
    with open_scheduler(made.address, tls) as scheduler:
        asked = SweepPlan(
            kind="removals",
            settings={"nodes": 3, "minutes": 1},
            package=scheduler.seats[0].about()["package"],
            first=1,
            seeds=12,
        )

        def kill_one(text: str) -> None:
            living = [each for each in made.workers if each.poll() is None]
            if len(living) == len(scheduler.seats):
                living[0].kill()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("perflab.sweep.run.PROGRESS_S", 0.0)
            result = run_sweep(asked, tmp_path / "sweep", scheduler, 2, kill_one)
    assert result.played == set(range(1, 13))
    assert (result.failed, result.broken) == ({}, {})
    lines = (tmp_path / "sweep" / "results.jsonl").read_text().splitlines()
    assert len(lines) == 12


def test_who_has_no_certificate_is_not_let_in(
    cluster: tuple[DaskCluster, Tls], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = cluster
    monkeypatch.setattr("perflab.cluster.on_dask.CONNECT_S", 3.0)
    for address, tls in (
        (made.address, certificate(tmp_path)),
        (made.address.replace("tls:", "tcp:"), None),
    ):
        with pytest.raises(SchedulerError, match="cannot be reached"), open_scheduler(address, tls):
            pass
