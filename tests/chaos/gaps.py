"""How long nobody was acknowledged: the gap that each fault tore, and what the kinds of fault are allowed.

A gap is the longest time between two acknowledgements in a row of one partition; a fault's gap is that of the partition
which it hit hardest.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median

from tests.support.history import Event

# (median, maximum) in seconds, by kind of fault; where nothing is said, it depends on the session or on the restart
ALLOWED = {
    "kill leader": (1.5, 4.0),
    "kill follower": (1.5, 4.0),
    "kill controller": (1.5, 4.0),
    "kill lone controller": (0.5, 0.5),
    "stop": (1.0, 1.0),
    "admin, kill controller": (3.0, 3.0),
    "admin, kill lone controller": (3.0, 3.0),
}
ADMIN_AFTER = ("kill controller", "kill lone controller")  # how long an admin operation takes then is told too


def acknowledgements(events: Iterable[Event]) -> dict[str, list[int]]:
    """When each partition acknowledged something, in order, ns."""
    times: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.kind == "ok" and event.operation == "send":
            times[event.partition].append(event.time_ns)
    return {partition: sorted(each) for partition, each in times.items()}


def longest(times: Mapping[str, Sequence[int]], start_ns: int, end_ns: int) -> tuple[float, str]:
    """(seconds, partition) of the longest gap that touches [start, end), as far as it lies before the end."""
    found = [(_longest(each, start_ns, end_ns), partition) for partition, each in times.items()]
    return max(found, default=(0.0, ""))


def _longest(times: Sequence[int], start_ns: int, end_ns: int) -> float:
    first, last = max(bisect_left(times, start_ns) - 1, 0), bisect_left(times, end_ns)
    around = times[first : last + 1]
    return max((min(after, end_ns) - before for before, after in pairwise([*around, end_ns])), default=0) / 1e9


def table(gaps: Mapping[str, Sequence[float]]) -> list[str]:
    """A line for each kind of fault: how many, median, maximum, and whether that is allowed."""
    width = max(map(len, gaps), default=0)
    return [f"  {kind.ljust(width)}  {_row(kind, sorted(gaps[kind]))}" for kind in sorted(gaps)]


def over(gaps: Mapping[str, Sequence[float]]) -> list[str]:
    """The kinds whose median or maximum is above what is allowed."""
    return [
        kind
        for kind, (middle, most) in ALLOWED.items()
        if gaps.get(kind) and (median(gaps[kind]) > middle or max(gaps[kind]) > most)
    ]


def _row(kind: str, values: Sequence[float]) -> str:
    told = f"{len(values):3d} measured  p50 {median(values):6.2f} s  max {values[-1]:6.2f} s"
    if kind not in ALLOWED:
        return told
    middle, most = ALLOWED[kind]
    return f"{told}  {'over' if over({kind: values}) else 'within'} p50 {middle} s, max {most} s"
