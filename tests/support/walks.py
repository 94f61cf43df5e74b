"""Walks: records of several nodes, played on a cluster until each call prints what is recorded.

`=== sh stop-broker N`, `start-broker N`, and `fill TOPIC` with 10 MB, are done to the cluster. A describe, or a look at
a reassignment, is repeated until it prints what is recorded, since an ISR takes its time; what it prints at the end
counts. <logdir>/N is the log directory of broker N; <placed> a partition that is as placement makes it.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.support import records
from tests.support.clients import produce

PATIENCE_S = 30
VALUES = [b"%06d" % n + b"." * 10_000 for n in range(1000)]
REPEATED = ("--describe", "--verify")
LOG_DIR = re.compile(r"<(?:work|top)>/[^\"]*?(\d+)/data")
PLACED = re.compile(r"Leader: (\d+)\tReplicas: ([\d,]+)\tIsr: ([\d,]+)")
Actions = Mapping[str, Callable[[str], object]]


def play(steps: Sequence[records.Step], place: records.Place, run: records.Run, actions: Actions) -> int:
    """Play a walk; returns how many calls it made. AssertionError: one does not print what is recorded.

    actions  what the words of sh lines do, besides fill
    """
    calls = 0
    for step in steps:
        if step.kind == "sh":
            word, subject = step.words.split()
            ({"fill": lambda topic: fill(place.bootstrap, topic)} | dict(actions))[word](subject)
        elif step.kind == "file":
            (place.work / step.words).write_bytes(step.stdin)
        else:
            calls += 1
            _call(step, place, run)
    return calls


def fill(bootstrap: str, topic: str) -> None:
    """Write so much that a throttled move of it lasts."""
    sent = produce(bootstrap, topic, VALUES, config={"acks": "all"})
    assert not sent.errors, sent.errors


def _call(step: records.Step, place: records.Place, run: records.Run) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        ((_, got),) = records.play([step], place, run)
        assert got
        got = replace(got, out=LOG_DIR.sub(r"<logdir>/\1", got.out))
        wrong = records.complaints(step, unplaced(step, got))
        if not wrong or not any(word in step.words for word in REPEATED) or time.monotonic() > deadline:
            break
    assert not wrong, f"{step.words}: {'; '.join(wrong)}\n{got.out}{got.err}"


def unplaced(step: records.Step, got: records.Printed) -> records.Printed:
    """What was printed, with <placed> for rows that are as placement makes them; only where the record has it so."""
    if not step.kafka or "<placed>" not in step.kafka.out:
        return got
    rows = [(leader, replicas, isr) for leader, replicas, isr in PLACED.findall(got.out)]
    spread = set(Counter(leader for leader, _, _ in rows).values())
    as_made = all(
        replicas.split(",")[0] == leader and isr == replicas and len({*replicas.split(",")}) == 3
        for leader, replicas, isr in rows
    )
    return replace(got, out=PLACED.sub("<placed>", got.out)) if as_made and len(spread) == 1 else got
