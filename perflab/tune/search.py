"""The search: Optuna draws configurations, a bench measures them, a file keeps the study.

Theory of operation. The study is a journal that is only appended to. Whoever asks the same again
goes on after the last trial that was told; one that was cut off is drawn again. Each draw is made
by a sampler (TPE) of its own, seeded by the plan's seed and the number of trials before it, so that
a search that was interrupted draws what one in a single piece draws. The first trial is the base
itself. A trial that breaks a rail keeps its score, and counts as worse than any that breaks none.

After the search, the best trial that keeps the rails on a second set of seeds is taken, and each
value that differs from the base is put back alone there. One that brought nothing goes back for
good: what is left is what has to be explained. The verdict is then made on seeds that neither the
search nor this has seen.

Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011 (TPE); Watanabe et al.,
"PED-ANOVA", 2023 (importance).

Rule: knows neither files' names nor words; Optuna is imported when it is needed.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from perflab.tune.objective import TuneObjective
from perflab.tune.objective import score as score_of
from perflab.tune.record import TuneError
from perflab.tune.situations import Bench, Measured, Side
from perflab.tune.tunables import Configuration, Value, of_side, suggested

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

__all__ = ["Seeds", "SettingSearch", "TrialRow", "Worth", "importance_of", "open_study"]

START_UP = 12  # trials that are drawn evenly before TPE learns from them
IMPORTANCE_FROM = 20  # trials
MOST_LOOKED_AT = 12  # on the second set of seeds
NOTHING = 0.01  # of the objective: a value that brings less, or not on every seed, is put back
RAILS, DRAWN = "rails", "configuration"  # what a trial remembers beside its score


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """Which seeds serve what; no seed serves twice."""

    search: tuple[int, ...]
    worth: tuple[int, ...]
    """For what each value is worth."""
    fresh: tuple[int, ...]
    """For the verdict."""

    @staticmethod
    def of(seed: int, search: int, worth: int, fresh: int) -> Seeds:
        first = 1_000_000 + 1000 * seed  # far from what suites and gates play
        ends = (first, first + search, first + search + worth, first + search + worth + fresh)
        parts = [tuple(range(ends[n], ends[n + 1])) for n in range(3)]
        return Seeds(search=parts[0], worth=parts[1], fresh=parts[2])


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as the study has it."""

    number: int
    score: float
    """Mean over the seeds of the search, beside the reference; below 0 is better."""
    rails: dict[str, float]
    """Those that it broke, and how far it was beyond each."""
    configuration: dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What a value of the found configuration brings."""

    name: str
    base: Value
    found: Value
    lost: tuple[float, ...]
    """By how much the score is worse without it, for each seed of its own."""
    rails: list[str]
    """Rails that break without it."""
    kept: bool


def open_study(file: Path) -> Study:
    """The study in this file, or a new one. Raises TuneError: Optuna is not here, or the file is
    none of its own."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise TuneError(f"tune needs Optuna: pip install 'p2pcore[tune]' ({error})") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
        study = optuna.create_study(study_name="tune", storage=storage, load_if_exists=True)
    except (ValueError, KeyError, TypeError) as error:
        raise TuneError(f"{file.name}: it is no study of Optuna's: {error}") from error
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():  # cut off
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


class SettingSearch:
    """One search, on one bench."""

    def __init__(
        self,
        objective: TuneObjective,
        bench: Bench,
        *,
        base: Configuration,
        reference: Configuration,
        seeds: Seeds,
        seed: int,
    ) -> None:
        self.objective, self.seeds = objective, seeds
        self.base, self.reference = dict(base), dict(reference)
        self._bench, self._seed = bench, seed
        self._names = [name for name in self.base if name in (objective.settings or self.base)]

    def run(
        self, study: Study, trials: int, ends_s: float, say: Callable[[TrialRow, int], None]
    ) -> list[TrialRow]:
        """Go on until there are so many trials, or until `ends_s` of the monotonic clock."""
        from optuna.samplers import TPESampler

        rows = [_row(each) for each in _complete(study)]
        while len(rows) < trials and time.monotonic() < ends_s:
            study.sampler = TPESampler(
                seed=1000 * self._seed + len(rows),
                n_startup_trials=START_UP,
            )
            if not rows:
                study.enqueue_trial({name: self.base[name] for name in self._names})
            trial = study.ask()
            rows.append(self._tried(study, trial, self._drawn(trial)))
            say(rows[-1], len(rows))
        return rows

    def _drawn(self, trial: Trial) -> dict[str, Value]:
        return {**self.base, **suggested(trial, self._names)}

    def _tried(self, study: Study, trial: Trial, drawn: dict[str, Value]) -> TrialRow:
        found, reference = self.measured([drawn, self.reference], self.seeds.search)
        broken = self.objective.broken(found, reference)
        score = fmean(self.scores(found, reference))
        for rail in self.objective.rails:
            trial.set_constraint(rail.figure, broken.get(rail.figure, -1.0))
        trial.set_user_attr(RAILS, broken)
        trial.set_user_attr(DRAWN, drawn)
        study.tell(trial, score)
        return TrialRow(number=trial.number, score=score, rails=broken, configuration=drawn)

    def measured(
        self, configurations: Sequence[Configuration], seeds: Sequence[int]
    ) -> list[list[Measured]]:
        """The figures of each, for each seed."""
        sides: list[Side] = [
            {"nodes": of_side(each, "nodes"), "clients": of_side(each, "clients")}
            for each in configurations
        ]
        return self._bench(sides, seeds)

    def scores(self, found: Sequence[Measured], reference: Sequence[Measured]) -> list[float]:
        """For each seed."""
        pairs = zip(found, reference, strict=True)
        return [score_of(self.objective, each, beside) for each, beside in pairs]

    def sound(self, rows: Sequence[TrialRow]) -> TrialRow | None:
        """The best that keeps the rails on the second set of seeds too: with few seeds a search
        finds what breaks a rail seldom. None: none of the best `MOST_LOOKED_AT`."""
        kept = sorted((each for each in rows if not each.rails), key=lambda each: each.score)
        tried: list[dict[str, Value]] = []
        for row in kept:
            if row.configuration in tried:
                continue
            tried.append(row.configuration)
            found, reference = self.measured([row.configuration, self.reference], self.seeds.worth)
            if not self.objective.broken(found, reference):
                return row
            if len(tried) == MOST_LOOKED_AT:
                break
        return None

    def simplified(self, best: Configuration) -> tuple[dict[str, Value], list[Worth]]:
        """The configuration without the values that bring nothing, and what each is worth."""
        changed = [name for name, value in best.items() if value != self.base[name]]
        without = [{**best, name: self.base[name]} for name in changed]
        seeds = self.seeds.worth
        whole, reference, *measured = self.measured([best, self.reference, *without], seeds)
        with_it = self.scores(whole, reference)
        worth = []
        for name, found in zip(changed, measured, strict=True):
            pairs = zip(self.scores(found, reference), with_it, strict=True)
            lost = tuple(each - beside for each, beside in pairs)
            rails = list(self.objective.broken(found, reference))
            worth.append(
                Worth(
                    name=name,
                    base=self.base[name],
                    found=best[name],
                    lost=lost,
                    rails=rails,
                    kept=bool(rails) or (fmean(lost) > NOTHING and min(lost) > 0),
                )
            )
        left = {**best, **{each.name: each.base for each in worth if not each.kept}}
        if left != dict(best):
            found, reference = self.measured([left, self.reference], seeds)
            if self.objective.broken(found, reference) or (
                fmean(self.scores(found, reference)) > fmean(with_it) + NOTHING
            ):  # together they do bring something
                return dict(best), [replace(each, kept=True) for each in worth]
        return left, sorted(worth, key=lambda each: -fmean(each.lost))


def importance_of(study: Study) -> dict[str, float]:
    """Which settings decide whether a trial is among the best, as shares of one; {} if there are
    too few trials."""
    import optuna

    if len(_complete(study)) < IMPORTANCE_FROM:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _complete(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return list(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def _row(trial: FrozenTrial) -> TrialRow:
    assert trial.value is not None
    return TrialRow(
        number=trial.number,
        score=trial.value,
        rails=trial.user_attrs[RAILS],
        configuration=trial.user_attrs[DRAWN],
    )
