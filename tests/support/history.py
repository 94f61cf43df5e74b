"""Did a cluster keep its promises? Judges what clients saw, from a list of events.

An event is one JSON object. Clients write `invoke` before they ask, and afterwards `ok` only when the server
acknowledged, `fail` only when it certainly did not happen, and `info` when nobody knows (a time-out, a lost
connection). A value is written once, by one send, so that it tells where it is found again. Operations:

    send        value, and with `ok` its offset            (client, partition)
    poll        with `ok` rows: (offset, value) in the order in which they came; `start`: the offset asked for
    end         with `ok` offset: the partition's end, exclusive, as ListOffsets tells it
    power-cut   `info` by the world: what was acknowledged before may be gone, except in `durable` partitions

The same checker judges simulated worlds and real processes. A complete poll from the log's start by the client FINAL,
when all is quiet, is what the history is held against.

Anomalies, in Jepsen's words: lost-write (acknowledged, and a later record was read, but not this one), unseen
(acknowledged, and nothing at its offset or behind it was read), duplicate, inconsistent-offsets (one offset, two
values, or an acknowledged offset where another value is), aborted-read (a failed send was read), unwritten-read
(nobody sent it), nonmonotonic-send (one client's sends of one partition, out of order), nonmonotonic-poll, poll-skip,
end-offset-regression, and hole (a power cut lost a record and kept one behind it).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

FINAL = "final"
FOUND_AT = r"\(at (\d+\.\d+) s\)"  # in an anomaly's words: when what it is about was seen or promised
Partition = str
Row = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Event:
    kind: Literal["invoke", "ok", "fail", "info"]
    operation: Literal["send", "poll", "end", "power-cut"]
    time_ns: int
    client: str = ""
    partition: Partition = ""
    value: str = ""
    offset: int = -1
    rows: tuple[Row, ...] = ()
    start: int = -1

    def json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def parse(line: str) -> "Event":
        fields = json.loads(line)
        return Event(**fields | {"rows": tuple((offset, value) for offset, value in fields["rows"])})


@dataclass(frozen=True, slots=True, order=True)
class Anomaly:
    """time_ns: of the event that shows it, or of the promise that was broken."""

    name: str
    partition: Partition
    what: str
    time_ns: int = field(default=-1, compare=False)

    def __str__(self) -> str:
        when = f" (at {self.time_ns / 1e9:.6f} s)" if self.time_ns >= 0 else ""
        return f"{self.name} in {self.partition}: {self.what}{when}"


@dataclass
class _Seen:
    """What is known of one partition between two power cuts (an era), and of the last state of all."""

    at: dict[int, str] = field(default_factory=dict)  # offset -> value, as acknowledged or read
    acknowledged: dict[int, str] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)  # offset -> when it was known first


def check(events: Sequence[Event], durable: frozenset[Partition] = frozenset()) -> list[Anomaly]:
    """Every anomaly in a history, ordered by time. `durable`: partitions that sync before they acknowledge."""
    events = sorted(events, key=lambda event: event.time_ns)
    found: set[Anomaly] = set()
    partitions = sorted({event.partition for event in events if event.partition})
    for partition in partitions:
        own = [event for event in events if event.partition == partition or event.operation == "power-cut"]
        found.update(_check_offsets(partition, own, survives=partition in durable))
        found.update(_check_values(partition, own))
        found.update(_check_order(partition, own))
        found.update(_check_ends(partition, own, survives=partition in durable))
    return sorted(found)


def short(value: str) -> str:
    """A value without its filler of dots."""
    return repr(value.rstrip("."))


def acknowledged(events: Iterable[Event]) -> int:
    return sum(event.operation == "send" and event.kind == "ok" for event in events)


def _eras(events: list[Event]) -> list[_Seen]:
    """What each era knew. A poll counts for the era in which it ended."""
    eras = [_Seen()]
    for event in events:
        if event.operation == "power-cut":
            eras.append(_Seen())
        elif event.kind == "ok" and event.operation == "send":
            eras[-1].acknowledged[event.offset] = event.value
    return eras


def _check_offsets(partition: Partition, events: list[Event], *, survives: bool) -> Iterator[Anomaly]:
    eras = _eras(events)
    era = 0
    for event in events:
        if event.operation == "power-cut":
            era += 1
        rows = ((event.offset, event.value),) if event.operation == "send" else event.rows
        for offset, value in rows if event.kind == "ok" else ():
            before = eras[era].at.setdefault(offset, value)
            eras[era].times.setdefault(offset, event.time_ns)
            if before != value:
                what = f"offset {offset} is {short(before)} and {short(value)}"
                yield Anomaly("inconsistent-offsets", partition, what, event.time_ns)
    final, start = _final(events)
    if start is None:
        return
    for number, seen in enumerate(eras):
        last = number == len(eras) - 1
        yield from _check_kept(partition, seen, final, start, must=last or survives)


def _check_kept(
    partition: Partition, seen: _Seen, final: dict[int, str], start: int, *, must: bool
) -> Iterator[Anomaly]:
    """Hold an era's knowledge against the end. `must`: all that was acknowledged has to be there; else a prefix."""
    end = max(final, default=-1) + 1
    lost_from: int | None = None
    for offset, value in sorted({**seen.at, **seen.acknowledged}.items()):
        if offset < start:
            continue
        kept, time_ns = final.get(offset) == value, seen.times.get(offset, -1)
        if kept and lost_from is not None:
            yield Anomaly("hole", partition, f"offset {offset} {short(value)} outlived offset {lost_from}", time_ns)
        if kept or not must:
            lost_from = lost_from if kept or lost_from is not None else offset
            continue
        if offset in final:
            what = f"offset {offset} is {short(value)} and {short(final[offset])}"
            yield Anomaly("inconsistent-offsets", partition, what, time_ns)
        if value not in final.values():
            name = "lost-write" if end > offset else "unseen"
            yield Anomaly(name, partition, f"{short(value)}, acknowledged or read at offset {offset}", time_ns)


def _final(events: Iterable[Event]) -> tuple[dict[int, str], int | None]:
    """What is in the partition at last, and its log's start; (empty, None) where nobody looked."""
    polls = [event for event in events if event.client == FINAL and event.operation == "poll" and event.kind == "ok"]
    rows = {offset: value for poll in polls for offset, value in poll.rows}
    return rows, polls[0].start if polls else None


def _check_values(partition: Partition, events: list[Event]) -> Iterator[Anomaly]:
    sent = {event.value for event in events if event.operation == "send" and event.kind == "invoke"}
    failed = {event.value for event in events if event.operation == "send" and event.kind == "fail"}
    era = 0
    places: dict[tuple[int, str], set[int]] = defaultdict(set)
    for event in events:
        era += event.operation == "power-cut"
        if event.operation == "poll" and event.kind == "ok":
            for offset, value in event.rows:
                places[era, value].add(offset)
    for value in sorted({value for _, value in places}):
        if value not in sent:
            yield Anomaly("unwritten-read", partition, f"{short(value)} was read, and nobody sent it")
        if value in failed:
            yield Anomaly("aborted-read", partition, f"{short(value)} was read, and its send had failed")
    for (_, value), offsets in sorted(places.items()):
        if len(offsets) > 1:
            yield Anomaly("duplicate", partition, f"{short(value)} is at offsets {sorted(offsets)}")


def _check_order(partition: Partition, events: list[Event]) -> Iterator[Anomaly]:
    """Sends of one client are numbered by their invocation; polls of one client follow each other, unless it seeks."""
    asked: dict[str, int] = {}
    highest: dict[str, tuple[int, int, str]] = {}
    known = {row[0] for event in events if event.kind == "ok" for row in (*event.rows, (event.offset, ""))}
    expected: dict[str, int] = {}
    for number, event in enumerate(events):
        if event.operation == "power-cut":
            highest.clear()
            expected.clear()
        elif event.operation == "send" and event.kind == "invoke":
            asked[event.value] = number
        elif event.operation == "send" and event.kind == "ok":
            order, offset, value = highest.get(event.client, (-1, -1, ""))
            if (asked.get(event.value, number) > order) != (event.offset > offset):
                pair = f"{short(value)} at {offset} and {short(event.value)} at {event.offset}"
                yield Anomaly("nonmonotonic-send", partition, f"{event.client} sent {pair}", event.time_ns)
            if event.offset > offset:
                highest[event.client] = (asked.get(event.value, number), event.offset, event.value)
        elif event.operation == "poll" and event.kind == "ok":
            yield from _check_poll(event, expected, known)


def _check_poll(event: Event, expected: dict[str, int], known: set[int]) -> Iterator[Anomaly]:
    at = event.start if event.start >= 0 else expected.get(event.client, -1)
    for offset, _ in event.rows:
        if at >= 0 and offset < at:
            what = f"{event.client} was at {at} and got {offset}"
            yield Anomaly("nonmonotonic-poll", event.partition, what, event.time_ns)
        elif at >= 0 and (skipped := [missed for missed in range(at, offset) if missed in known]):
            what = f"{event.client} was at {at} and got {offset}, past {skipped[:5]}"
            yield Anomaly("poll-skip", event.partition, what, event.time_ns)
        at = offset + 1
    expected[event.client] = at


def _check_ends(partition: Partition, events: list[Event], *, survives: bool) -> Iterator[Anomaly]:
    """An end that a client asks for after it knew something to be below it must be above that.

    What other clients know does not count: a leader that was deposed and has not heard of it may answer with an end
    of its own time. A client that goes by leader epochs never turns back to such a leader, so its own ends only grow.
    """
    floors: dict[str, int] = defaultdict(int)
    asked: dict[str, int] = {}
    for event in events:
        if event.operation == "power-cut":
            if not survives:
                floors.clear()
            asked.clear()
        elif event.operation == "end" and event.kind == "invoke":
            asked[event.client] = floors[event.client]
        elif event.kind == "ok":
            if event.operation == "end" and event.offset < asked.get(event.client, 0):
                what = f"{event.client} was told {event.offset}, after {asked[event.client]} was known to it"
                yield Anomaly("end-offset-regression", partition, what, event.time_ns)
            end = event.offset if event.operation == "end" else event.offset + 1
            floors[event.client] = max([floors[event.client], end, *(offset + 1 for offset, _ in event.rows)])
