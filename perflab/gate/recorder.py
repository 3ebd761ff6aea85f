"""What a gate has measured of one commit so far, in the form of `perflab/gate/record.py`.

Rule: collects and writes; measures and judges nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from perflab.gate.record import FORMAT, Kind, Measured, parse
from perflab.results.checkout import Commit

__all__ = ["HasMeasured", "Recorder"]


class HasMeasured(Protocol):
    """Whatever a gate's decisions can be made on: a sheet, or a replay of recorded ones."""

    def measured(self) -> Measured:
        """What the verdict sees of it now."""


class Recorder:
    """One commit's measurements; metrics that are not `wanted` are left out."""

    def __init__(
        self,
        commit: Commit,
        about: Mapping[str, str] | None = None,
        wanted: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.wanted = wanted
        self._metrics: dict[str, dict[str, Any]] = {}
        self._about = dict(about or {})
        self._content = {
            "format": FORMAT,
            "commit": commit.hash,
            "subject": commit.subject,
            "about": self._about,
            "metrics": self._metrics,
        }

    @contextlib.contextmanager
    def taking(self, wanted: Callable[[str], bool]) -> Iterator[None]:
        """Take down these alone for a while, of those that are wanted."""
        whole = self.wanted
        self.wanted = lambda name: wanted(name) and whole(name)
        try:
            yield
        finally:
            self.wanted = whole

    def add(
        self, name: str, kind: Kind, unit: str, value: float | Sequence[float], stage: int = 0
    ) -> None:
        """One more round of a stage: its value, or its blocks. What went wrong once stays so."""
        if not self.wanted(name):
            return
        metric = self._metrics.setdefault(name, {"kind": kind.value, "unit": unit})
        if "failed" in metric or "skipped" in metric:
            return
        stages: list[Any] = metric.setdefault("stages", [])
        if len(stages) == stage:
            stages.append([])
        stages[stage].append(value if isinstance(value, int | float) else list(value))

    def lacks(
        self,
        name: str,
        kind: Kind,
        unit: str,
        why: Literal["skipped", "failed"],
        reason: str,
        *,
        unreached: bool = False,
    ) -> None:
        """There is no value, or the values there are don't count."""
        if not self.wanted(name):
            return
        self._metrics[name] = {"kind": kind.value, "unit": unit, why: reason}
        if unreached:
            self._metrics[name]["unreached"] = True

    def noted(self, name: str) -> str:
        """What there is to know about the measurements under this name; "" if nothing."""
        return self._about.get(name, "")

    def measured_by_another(self, own_figures: Iterable[str]) -> None:
        """Another ruler than the commit's own measures it, and its own has these figures."""
        self._content["own_figures"] = sorted(own_figures)

    def tell(self, notices: Sequence[str], problems: Sequence[str]) -> None:
        """What whoever reads the verdict has to know first, and what keeps it from a pass."""
        self._content |= {"notices": list(notices), "problems": list(problems)}

    def same(self) -> None:
        """The other side has the same core: there is nothing to measure."""
        self._content["same_core"] = True

    def fail(self, reason: str) -> None:
        """Nothing of the commit can be measured."""
        self._content["failed"] = reason

    def measured(self) -> Measured:
        """What the verdict sees of it now."""
        return parse(self._content)

    def write(self, file: Path) -> None:
        """Keep it: the file is whole at any moment."""
        new = file.with_suffix(".new")
        new.write_text(json.dumps(self._content), encoding="utf-8")
        os.replace(new, file)
