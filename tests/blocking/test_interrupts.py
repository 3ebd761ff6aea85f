"""Ctrl-C and other exceptions out of nowhere: the client stays whole, or makes itself whole.

Each script is a process of its own: a signal that comes late must not hit pytest.
"""

import signal
import subprocess
import sys

import pytest

from p2pcore import P2PError, UsageError
from p2pcore.blocking.interrupts import Interrupts, Section
from tests.processes import PATIENCE_S, Serving

HEAD = """
import os, signal, sys, threading, time
from random import Random
from p2pcore import BrokenError, ClientConfig, P2PError, UsageError
from p2pcore.blocking import Client

random = Random(22)
client = Client(ClientConfig(bootstrap=[sys.argv[1]], timeout_s=30))
client.connect()
"""

STORM = """
inside, interrupted = False, 0

def interrupt(number, frame):
    global inside, interrupted
    if inside:  # not within the script's own bookkeeping
        inside = False
        interrupted += 1
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, interrupt)
over = threading.Event()
done = [0, 0, 0]

def other(mine):
    while not over.is_set():
        key, value = f"other {mine} {done[mine] % 20}", b"%d" % done[mine]
        client.store(key, value)
        assert client.retrieve(key) == value
        done[mine] += 1

def bombard():
    while not over.is_set():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(random.random() / 300)

others = [threading.Thread(target=other, args=(mine,)) for mine in range(2)]
bomber = threading.Thread(target=bombard)
for each in (*others, bomber):
    each.start()
while interrupted < 400:
    try:
        inside = True
        while True:
            key, value = f"key {done[2] % 20}", b"%d" % done[2]
            client.store(key, value)
            assert client.retrieve(key) == value
            done[2] += 1
    except KeyboardInterrupt:
        pass
over.set()
for each in (*others, bomber):
    each.join()
driver = client._driver
assert driver.broken is None, driver.broken
assert driver.in_flight == 0, driver.in_flight
assert min(done[:2]) > 0, done
client.store("key", b"value")
assert client.retrieve("key") == b"value"
assert signal.getsignal(signal.SIGINT) is interrupt
client.close()
print("whole")
"""

ALARMS = """
class TooLong(Exception):
    pass

def too_long(number, frame):
    raise TooLong

signal.signal(signal.SIGALRM, too_long)
alarms = broken = 0
while alarms < 200:
    try:
        signal.setitimer(signal.ITIMER_REAL, random.random() / 200)
        due = time.monotonic() + 1  # Python swallows one that hits a finalizer: then another
        while time.monotonic() < due:
            client.store("key", b"value")
            assert client.retrieve("key") == b"value"
    except TooLong:
        alarms += 1
        broken += client._driver.broken is not None
signal.setitimer(signal.ITIMER_REAL, 0)
client.store("key", b"value")
assert client.retrieve("key") == b"value"
client.close()
assert broken > 0
print("whole")
"""

CALLS = """
said = []

def ask(number, frame):
    try:
        said.append(client.retrieve("key", timeout_s=5))
    except UsageError as error:
        said.append(error)

client.store("key", b"value")
signal.signal(signal.SIGALRM, ask)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
while len(said) < 50:
    client.store("other", b"value")
signal.setitimer(signal.ITIMER_REAL, 0)
told = [str(each) for each in said if isinstance(each, UsageError)]
assert told and all("below this very call" in each for each in told), told
assert all(each == b"value" for each in said if not isinstance(each, UsageError))
signal.signal(signal.SIGALRM, lambda *_: client.close())
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
try:
    while True:
        client.store("other", b"value")
except P2PError as error:
    signal.setitimer(signal.ITIMER_REAL, 0)
client.close()
print("whole")
"""

BETWEEN = """
from p2pcore.blocking import interrupts

class TooLong(Exception):
    pass

def raised_at(function, event):
    hit = []
    def trace(frame, what, _):
        if frame.f_code is function.__code__:
            if what == event and not hit:
                hit.append(what)
                raise TooLong
            return trace
    sys.settrace(trace)
    try:
        client.store("key", b"value")
    except TooLong:
        pass
    finally:
        sys.settrace(None)
    assert hit, (function, event)
    client.store("key", b"value")
    assert client.retrieve("key") == b"value"

raised_at(interrupts.Section.enter, "call")
raised_at(interrupts.Section.enter, "return")
raised_at(interrupts._Inside.__enter__, "return")
raised_at(interrupts._Inside.__exit__, "call")
raised_at(interrupts.Section.leave, "call")
raised_at(interrupts.Section.leave, "return")
client.close()
print("whole")
"""


@pytest.mark.parametrize(
    "script", [STORM, ALARMS, CALLS, BETWEEN], ids=["storm", "alarms", "calls", "between"]
)
def test_exceptions_out_of_nowhere(script: str, nodes: list[Serving]) -> None:
    # An alarm may hit between two steps of the standard library that make a socket.
    warnings = ["-W", "error", *(["-W", "ignore::ResourceWarning"] if script is ALARMS else [])]
    run = [sys.executable, *warnings, "-c", HEAD + script, nodes[0].address]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=PATIENCE_S * 2)
    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


def test_a_section_puts_it_off_to_its_end() -> None:
    section = Section(lambda error: None)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    steps = []

    def interrupted() -> None:
        with Interrupts() as interrupts:
            with section(interrupts):
                signal.raise_signal(signal.SIGINT)
                steps.append("within")
            steps.append("after")

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert steps == ["within"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with section(Interrupts()):  # the lock is free
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_ignored_sigint_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_breaks_a_section_and_what_does_not() -> None:
    broken: list[BaseException] = []
    section = Section(broken.append)
    with pytest.raises(P2PError), section(Interrupts()):
        raise P2PError("said on purpose")
    assert not broken
    with pytest.raises(MemoryError), section(Interrupts()):
        raise MemoryError
    assert [type(error) for error in broken] == [MemoryError]
    with section(Interrupts()), pytest.raises(UsageError, match="below this very call"):
        section(Interrupts())
