"""What is told of outlooks, and to whom."""

from perflab.capacity.command import _alert
from perflab.capacity.forecast import Outlook
from perflab.capacity.outlooks import TargetOutlook, said, soonest


def target_outlook(state: str, days: tuple[float, float] | None = None) -> TargetOutlook:
    return TargetOutlook(
        target="P99 under load", set="goals", threshold="p(99) <= 5", figure="latency p99",
        place="reference", unit="seconds", limit=0.005, newest="abcdef12",
        outlook=Outlook(state=state, points=20, level=0.004, per_day=(1e-5, 5e-6, 2e-5), days=days),
    )  # fmt: skip


def test_the_nearest_come_first_and_the_far_ones_not_at_all() -> None:
    near, nearer = target_outlook("crosses", (50, 200)), target_outlook("crosses", (9, 20))
    far, none = target_outlook("crosses", (91, 300)), target_outlook("no trend")
    assert soonest([near, far, none, nearer], 90) == [nearer, near]
    assert said(near) == (
        "80 % of the limit, +0.2 (+0.1 to +0.4) a day: crosses it in 50 to 200 days"
    )
    assert said(none).endswith("no trend")


def test_an_alert_names_target_and_machine() -> None:
    alert = _alert(target_outlook("crosses", (50, 200)))
    assert alert["labels"]["alertname"] == "P2pcoreTargetForecast"
    assert alert["labels"]["target"] == "P99 under load"
    assert "50 to 200 days" in alert["annotations"]["summary"]
