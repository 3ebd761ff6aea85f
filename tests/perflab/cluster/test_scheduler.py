"""Which addresses are those of schedulers."""

import argparse
from pathlib import Path

import pytest

from perflab.cluster.addresses import open_scheduler
from perflab.cluster.options import add_scheduler_arguments, scheduler_of
from perflab.cluster.scheduler import SchedulerError, Tls


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("local:0", "takes 1 to 64 processes, not 0"),
        ("local:65", "takes 1 to 64 processes, not 65"),
        ("local:", "is local:N, tcp://HOST:PORT"),
        ("10.0.0.1:8786", "not '10.0.0.1:8786'"),
        ("tcp://host", "not 'tcp://host'"),
        ("tls://host:8786", "tls:// needs --tls-ca"),
    ],
)
def test_others_are_refused(address: str, words: str) -> None:
    with pytest.raises(SchedulerError, match=words):
        open_scheduler(address)


def test_local_seats_are_as_many_as_asked_for() -> None:
    with open_scheduler("local:3") as scheduler:
        assert [seat.name for seat in scheduler.seats] == ["local 0", "local 1", "local 2"]
        assert all(seat.here for seat in scheduler.seats)
        assert len({seat.about()["package"] for seat in scheduler.seats}) == 1


def test_tls_is_three_files_and_an_address_of_its_kind(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_scheduler_arguments(parser, "here")
    with pytest.raises(SchedulerError, match="needs all of"):
        scheduler_of(parser.parse_args(["--scheduler", "tls://h:1", "--tls-ca", "ca"]))
    with pytest.raises(SchedulerError, match="ca: no such file"):
        Tls(ca=tmp_path / "ca", cert=tmp_path / "cert", key=tmp_path / "key")
    for name in ("ca", "cert", "key"):
        (tmp_path / name).touch()
    tls = Tls(ca=tmp_path / "ca", cert=tmp_path / "cert", key=tmp_path / "key")
    for address in ("local:2", "tcp://h:1"):
        with pytest.raises(SchedulerError, match=r"TLS is for|and tcp:// none"):
            open_scheduler(address, tls)
    assert scheduler_of(parser.parse_args([])) is None
