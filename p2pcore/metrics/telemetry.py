"""How long operations take, told to OpenTelemetry: its API alone, so that whoever wants figures
brings an SDK and says where they go.

The histogram and its attributes are those of the semantic conventions for database clients, which
are stable: `db.client.operation.duration` in seconds, a batch as one operation. Bounds are those of
our own metrics, for the conventions' begin at 1 ms.

Rule: tells; keeps nothing.
"""

from typing import TYPE_CHECKING

from p2pcore.errors import ConfigError
from p2pcore.metrics.operations import result_of
from p2pcore.metrics.table import BOUNDS_S, EXCUSED, FAILED, NAMESPACE
from p2pcore.version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

__all__ = ["DURATION", "Telemetry"]

DURATION = "db.client.operation.duration"


class Telemetry:
    """The histogram of one node or client.

    Args:
        provider: whose meter tells; None: the application's global one.

    Raises:
        ConfigError: opentelemetry-api is not installed.
    """

    def __init__(self, provider: "MeterProvider | None") -> None:
        try:
            from opentelemetry import metrics
        except ImportError as error:
            text = "this needs opentelemetry-api: pip install 'p2pcore[otel]'"
            raise ConfigError(text) from error
        meter = metrics.get_meter(NAMESPACE, __version__, provider)
        self._durations = meter.create_histogram(
            DURATION,
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=BOUNDS_S,
        )

    def tell(self, op: str, outcome: object, seconds: float) -> None:
        """An operation has ended. What its caller did is left out, as in our own metrics."""
        result = "ok" if outcome is None else result_of(outcome)
        if result in EXCUSED:
            return
        attributes = {"db.system.name": NAMESPACE, "db.operation.name": op}
        if result in FAILED:
            attributes |= {"error.type": result, "db.response.status_code": result}
        self._durations.record(seconds, attributes)
