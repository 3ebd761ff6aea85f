"""The table of metrics: names by Prometheus' rules, and buckets that answer the targets."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest

from p2pcore.metrics.table import (
    BOUNDS_S,
    EXCUSED,
    FAILED,
    FAMILIES,
    RESULTS,
    SERVED,
    TARGETS_S,
    Family,
    FamilyKind,
    families,
)

ROOT = Path(__file__).parents[2]
IN_SECONDS = {"s": 1.0, "ms": 1e-3}
MOST_SERIES = 500  # from one process: what Prometheus keeps of a thousand nodes is half a million


def named(family: Family) -> str:
    return family.name


def test_every_latency_target_is_a_bound() -> None:
    text = (ROOT / "perflab" / "readiness" / "targets.toml").read_text(encoding="utf-8")
    targets = [each for each in tomllib.loads(text)["target"] if each["metric"] == "latency"]
    thresholds = {
        round(float(each["threshold"].split()[-1]) * IN_SECONDS[each["unit"]], 9)
        for each in targets
    }
    assert thresholds
    assert thresholds == set(TARGETS_S)
    assert thresholds <= set(BOUNDS_S)


def test_bounds_double_from_100_us_to_10_s() -> None:
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))
    assert BOUNDS_S[0] == 0.0001
    assert BOUNDS_S[-1] == 10.0
    assert {0.0002, 0.0004, 0.1024, 6.5536} <= set(BOUNDS_S)
    assert all(upper <= 2 * lower for lower, upper in itertools.pairwise(BOUNDS_S))


@pytest.mark.parametrize("family", FAMILIES, ids=named)
def test_names_kinds_and_labels_keep_to_the_rules_of_prometheus(family: Family) -> None:
    assert re.fullmatch(r"p2pcore(_[a-z]+)+", family.name)
    assert (family.kind is FamilyKind.COUNTER) == family.name.endswith("_total")
    assert (family.kind is FamilyKind.INFO) == family.name.endswith("_info")
    assert (family.kind is FamilyKind.HISTOGRAM) == bool(family.bounds_s)
    assert bool(family.bounds_s) == family.name.endswith("_seconds")
    assert family.help.endswith(".")
    assert family.on_node or family.on_client
    for label, values in family.labels.items():
        assert re.fullmatch(r"[a-z]+", label)
        assert label not in ("le", "quantile", "job", "instance")
        assert len(set(values)) == len(values)
        assert bool(values) != (family.kind is FamilyKind.INFO)


def test_the_series_of_a_process_are_bounded() -> None:
    assert len({each.name for each in FAMILIES}) == len(FAMILIES)
    assert sum(each.series for each in FAMILIES) <= MOST_SERIES


def test_each_result_is_judged_in_one_way() -> None:
    assert len({*SERVED, *FAILED, *EXCUSED}) == len(RESULTS)


def test_clients_and_nodes_in_memory_tell_less() -> None:
    node, memory, client = (
        {each.name for each in families(node=on_node, disk=disk)}
        for on_node, disk in ((True, True), (True, False), (False, False))
    )
    assert node == {each.name for each in FAMILIES}
    assert node - memory == {"p2pcore_wal_sync_duration_seconds"}
    assert "p2pcore_store_records" not in client
    assert client < memory
