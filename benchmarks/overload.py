"""What clients get of a network that is asked for more than it can do: eight simulated nodes.

Clients begin operations at two, five and ten times the rate that all nodes can serve, whatever
becomes of the others, with half a second each (`common.simulated.overload`); with the overload
control of clients switched on, as by default, and off. Then they ask for 70 % again. In another
world, something goes wrong at 70 %: all nodes stand still for a second, half of them are started
again, or all clients start anew. In a third, one of ten clients wants a hundred times its share, or
two keep to no rule (`common.simulated.neighbours`). Everything follows from the seeds, so the
figures are the same on any machine.
"""

from __future__ import annotations

from typing import Any

from benchmarks.common.sampling import Record, Samples, as_samples, few, read, record

TIMES = ["2", "5", "10"]
SWITCHES = ["on", "off"]
TRIGGERS = ["pause", "restarts", "cold"]
NEIGHBOURS = ["greedy", "rude"]
WHEN = ["alone", "beside"]
SEEDS = few(1)


def _figures() -> Record:
    from benchmarks.common.simulated.lab import Question, play

    questions: list[Question] = [
        {"play": "overload", "times": int(times), "switch": switch, "seed": seed}
        for times in TIMES
        for switch in SWITCHES
        for seed in SEEDS
    ]
    questions += [
        {"play": "trigger", "trigger": trigger, "switch": switch, "seed": seed}
        for trigger in TRIGGERS
        for switch in SWITCHES
        for seed in SEEDS
    ]
    questions += [
        {"play": "neighbours", "case": case, "seed": seed} for case in NEIGHBOURS for seed in SEEDS
    ]
    found: Record = {}
    for question, figures in zip(questions, play(questions), strict=True):
        place = str(question.get("times") or question.get("trigger") or question["case"])
        for what, value in figures.items():
            found.setdefault((what, place, question.get("switch", "on")), []).append(value)
    return found


class _Overload:
    """The record that all classes share."""

    kind = "seeded"
    layout = "S"
    timeout = 300
    key = ""  # of its values in the record
    params: tuple[list[str], ...] = (TIMES, SWITCHES)
    param_names: tuple[str, ...] = ("times", "control")

    def setup_cache(self) -> object:
        return record(_figures, "simulator")

    def setup(self, found: Record, place: str, switch: str) -> None:
        self._values(found, place, switch)

    def _values(self, found: Record, place: str, switch: str) -> list[Any]:
        return read(found, self.key, place, switch)


class Lost(_Overload):
    """Catches: nodes that are busy with what comes too late: the part that nobody gets anything of.

    Cannot see: who gets what is left.
    """

    key = "lost_ppm"
    version = "1"
    unit = "ppm"

    def track_goodput_lost(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class Accepted(_Overload):
    """Catches: answers that come in time, and late: the P99 of operations that are served.

    Cannot see: those that are not.
    """

    key = "good_s_p99"
    version = "1"
    unit = "seconds"

    def track_accepted(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class Refused(_Overload):
    """Catches: callers that wait in vain: the P99 of the time until an operation fails.

    Cannot see: what they make of it.
    """

    key = "refused_s_p99"
    version = "1"
    unit = "seconds"

    def track_time_to_refuse(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class Extra(_Overload):
    """Catches: retries that make busy nodes busier: messages for each request that was needed.

    Cannot see: messages between nodes.
    """

    key = "sent_per_needed"
    version = "1"
    unit = "messages"

    def track_sent(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class Back(_Overload):
    """Catches: an overload that goes on when its cause is over; 2 s: not over within them.

    Cannot see: what is less than a tenth of a second.
    """

    key = "back_s"
    version = "1"
    unit = "seconds"

    def track_after_overload(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class Metastable(_Overload):
    """Catches: a load that is served as long as nothing happens, and never again afterwards.

    Cannot see: other triggers.
    """

    key = "back_s"
    version = "1"
    unit = "seconds"
    params = (TRIGGERS, SWITCHES)
    param_names = ("trigger", "control")

    def track_after_trigger(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class OthersLost(_Overload):
    """Catches: a client that gets more at the cost of others: what these lose beside it.

    Cannot see: one with several identities, each of which has a share; how the edge on sockets
    takes turns, which the simulator has to be told.
    """

    key = "others_lost_ppm"
    version = "1"
    unit = "ppm"
    params = (NEIGHBOURS, SWITCHES[:1])
    param_names = ("neighbour", "control")

    def track_others_lost(self, found: Record, place: str, switch: str) -> Samples:
        return as_samples(self._values(found, place, switch))


class OthersAccepted(_Overload):
    """Catches: a client for which others wait: the P99 of what they are answered, with and without.

    Cannot see: what is not answered.
    """

    key = "_s_p99"
    version = "1"
    unit = "seconds"
    params = (NEIGHBOURS, WHEN)
    param_names = ("neighbour", "when")

    def _values(self, found: Record, place: str, switch: str) -> list[Any]:
        return read(found, switch + self.key, place, SWITCHES[0])

    def track_others_accepted(self, found: Record, place: str, when: str) -> Samples:
        return as_samples(self._values(found, place, when))
