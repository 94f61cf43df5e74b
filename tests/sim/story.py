"""The short story of a world that failed: who led what, what befell it, and what came last.

    tell(seed, kind, error, lines)      # lines: the whole trace

A trace has a line for each message; the story leaves out what only carries the rest (bytes, ends of connections), and
keeps what is said of leaders, of trouble and of logs. An anomaly knows its time, so the story can end there.
"""

import re
import traceback
from collections.abc import Sequence

from tests.support.history import FOUND_AT

CARRIED = re.compile(r" \d+ bytes$| ends( \[Errno .*)?$")
LEADERS = re.compile(r"leader |leads ")
LAST = 24  # lines before the anomaly
REIGNS = 12  # lines about who led


def tell(seed: int, kind: str, error: BaseException, lines: Sequence[str]) -> str:
    """A screenful at most."""
    told = [line for line in lines if not CARRIED.search(line)]
    at_s = _time_of(error)
    before = told if at_s is None else [line for line in told if _seconds(line) <= at_s]
    led = [line for line in before if LEADERS.search(line)]
    text = [f"seed {seed} ({kind}): {_anomaly(error)}"]
    if len(before) > LAST and led:
        text += ["  who led:", *(f"    {line}" for line in led[-REIGNS:])]
    when = "to the end" if at_s is None else f"to {at_s:.6f} s"
    text += [f"  the last of {len(before)} events up {when}:", *(f"    {line[:200]}" for line in before[-LAST:])]
    text += [f"  raised at {_place(error)}", f"  again: python -m tests.sim --world {kind} --seed {seed} --trace"]
    return "\n".join(text)


def _anomaly(error: BaseException) -> str:
    text = str(error).strip()
    name = "" if isinstance(error, AssertionError) and text else type(error).__name__ + " "
    return name + "\n  ".join(line[:300] for line in text.splitlines()[:5])


def _time_of(error: BaseException) -> float | None:
    found = re.search(FOUND_AT, str(error))
    return float(found[1]) if found else None


def _seconds(line: str) -> float:
    first = line.partition(" ")[0]
    return float(first) if re.fullmatch(r"\d+\.\d+", first) else 0.0


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "?"
    last = frames[-1]
    return f"{last.filename.rpartition('/tests/')[2] or last.filename}:{last.lineno} ({last.line})"
