"""What a Prometheus is asked over HTTP, and the errors that it may end with.

Rule: bounded in time, points and bytes; knows no metric. A query that an answer lacks is an empty
list here, for what that means depends on the question.
"""

from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MOST_POINTS",
    "Prometheus",
    "PrometheusError",
    "PrometheusRefusedError",
    "PrometheusUnreachableError",
    "QueriedSeries",
]

MOST_POINTS = 11_000  # of a series in one answer: Prometheus' own limit
MOST_BYTES = 32 << 20  # of an answer: some 1,000 series of 1,000 points
PATIENCE_S = 60.0  # for an answer; half of what a Prometheus takes by itself before it gives up
MOST_WORDS = 300  # of its own words, in an error of ours


class PrometheusError(ValueError):
    """A Prometheus that does not answer what it is asked; the message says which and why."""


class PrometheusUnreachableError(PrometheusError):
    """Nobody is there, or it is no Prometheus."""


class PrometheusRefusedError(PrometheusError):
    """It is there, and refuses: a query beyond its own limits, or a stranger."""


@dataclass(frozen=True, kw_only=True)
class QueriedSeries:
    """One series of an answer."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]
    """Seconds since 1970, and values; those that are no number are left out."""

    @property
    def value(self) -> float:
        """The last one; 0 if there is none."""
        return self.points[-1][1] if self.points else 0.0


class Prometheus:
    """The API of one server.

    Args:
        url: its address, as a browser has it: http://HOST:PORT, perhaps with a path.
        token: what it wants to see as `Authorization: Bearer`; "": nothing.

    Raises:
        PrometheusError: that is no such address.
    """

    def __init__(self, url: str, token: str = "") -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        except ValueError:  # brackets of no address, a port of letters
            parts, known = urllib.parse.SplitResult("", "", "", "", ""), None
        if not known or parts.query or parts.fragment:
            raise PrometheusError(f"{url!r} is no address like http://HOST:PORT")
        if parts.username is not None:
            raise PrometheusError(
                "an address with a password would stand in the record: use --token-file"
            )
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @property
    def version(self) -> str:
        """Its version."""
        found = self._ask("status/buildinfo", {})
        return str(found.get("version", "")) if isinstance(found, dict) else ""

    def at(self, expr: str, at_s: float) -> list[QueriedSeries]:
        """The values of an expression at one moment."""
        return _series(self._ask("query", {"query": expr, "time": f"{at_s:.3f}"}))

    def over(self, expr: str, begin_s: float, end_s: float, step_s: float) -> list[QueriedSeries]:
        """The values of an expression at each step from begin to end, both included."""
        if (end_s - begin_s) / step_s + 1 > MOST_POINTS:
            text = f"{(end_s - begin_s) / step_s + 1:,.0f} points of a series are asked"
            raise PrometheusError(f"{text}, at most {MOST_POINTS:,} are answered")
        asked = {"start": f"{begin_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"}
        return _series(self._ask("query_range", {"query": expr} | asked))

    def _ask(self, path: str, fields: Mapping[str, str]) -> Any:
        body = urllib.parse.urlencode(fields).encode() or None  # a long query fits in no address
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}", data=body, headers=self._headers
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                data = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(MOST_BYTES)) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            words = f"no answer within {PATIENCE_S:g} s" if _late(reason) else f"{reason}"
            raise PrometheusUnreachableError(f"{self.url}: {words}") from None
        if len(data) > MOST_BYTES:
            words = f"an answer of more than {MOST_BYTES >> 20} MiB: ask for a shorter window"
            raise PrometheusRefusedError(f"{self.url}: {words}")
        found = _decoded(data)
        if found.get("status") != "success":
            raise PrometheusUnreachableError(f"{self.url}: what answers there is no Prometheus")
        return found.get("data")

    def _refused(self, status: int, body: bytes) -> PrometheusError:
        said = _decoded(body).get("error")
        if not isinstance(said, str) and status not in (401, 403):
            words = f"what answers there is no Prometheus (HTTP status {status})"
            return PrometheusUnreachableError(f"{self.url}: {words}")
        told = said if isinstance(said, str) else "it wants to know who asks: --token-file"
        words = " ".join(told.split())[:MOST_WORDS]
        return PrometheusRefusedError(f"{self.url} refuses (HTTP status {status}): {words}")


def _late(reason: object) -> bool:
    return isinstance(reason, TimeoutError)


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _series(data: Any) -> list[QueriedSeries]:
    """An answer's series; one that is none of the API is a bug of its server, told as such."""
    try:
        return [
            QueriedSeries(
                labels={str(name): str(value) for name, value in each["metric"].items()},
                points=_points(each["values"] if "values" in each else [each["value"]]),
            )
            for each in data["result"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PrometheusUnreachableError(f"an answer that no Prometheus gives: {error!r}") from None


def _points(found: Any) -> list[tuple[float, float]]:
    points = [(float(at), float(value)) for at, value in found]
    return [each for each in points if math.isfinite(each[1])]
