"""Whether plain asv can be believed: whole runs of it on commits of which the truth is known.

    python -m tests.continuous aa --runs 5 --neighbour     # two equal cores: what asv calls changed
    python -m tests.continuous ab --runs 10                # known defects: found, and how large
    python -m tests.continuous again --runs 20 --minutes 60 --neighbour   # one commit: its spread

Everything happens in a clone of HEAD that is removed afterwards; the suite is the clone's, too. A
`--neighbour` is a process that takes a core for random spells of 1 to 60 s, and leaves it for as
long; of `again` it has every other run. `--bench` is asv's own choice of benchmarks; by default it
is the whole suite, or what executes the defect. `--json` keeps every figure.

Exit code 0: as it must be; 1: more false alarms than one, a defect that was missed or has another
size, or figures that spread too far; 2: a run that could not be measured.
"""
