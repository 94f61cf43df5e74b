"""Did transactions keep their promises? Judges what copiers did, and what readers of committed data saw.

A copier copies the records of a source in order: one transaction writes the values of some of them, and commits how
far it has read. Each value says which record it is of, and which attempt wrote it. Anomalies:

    aborted-read       a value was read whose transaction was aborted, or never asked to be committed
    precommitted-read  a value was read before its transaction was asked to be committed
    torn-transaction   some values of a transaction are there in the end, and others are not
    duplicate          a record of the source was copied by two transactions that count
    lost-write         a record that the group has read for good is not in the copy; or an acknowledged commit is not
    unread-offset      a record is in the copy, and the group has not read it
    lost-read          what a reader saw is not there in the end
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.support.history import Anomaly

Outcome = Literal["committed", "aborted", "unknown"]


@dataclass
class Attempt:
    """One transaction, as its copier knows it.

    records    of the source: (source, index)
    commit_ns  when the commit was asked for; None: never
    outcome    only what is certain; a refusal behind a lost answer is not
    """

    name: str
    source: str
    records: Sequence[int]
    commit_ns: int | None = None
    outcome: Outcome = "unknown"

    def value(self, index: int) -> str:
        return f"{self.source}:{index}:{self.name}"


class Read(NamedTuple):
    place: str
    offset: int
    value: str
    time_ns: int = -1


@dataclass
class TxnHistory:
    """final: all that the copy holds in the end; positions: how far the group has read each source, exclusive."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    reads: list[Read] = field(default_factory=list)
    final: list[Read] = field(default_factory=list)
    positions: Mapping[str, int] = field(default_factory=dict)


def check(told: TxnHistory) -> list[Anomaly]:
    """Every anomaly of a history that is over."""
    return [*_reads(told, [*told.reads, *told.final]), *_whole(told), *_once(told), *_stays(told)]


def _parsed(value: str) -> tuple[str, int, str]:
    source, index, attempt = value.split(":")
    return source, int(index), attempt


def _reads(told: TxnHistory, reads: Iterable[Read]) -> Iterator[Anomaly]:
    for read in reads:
        attempt = told.attempts[_parsed(read.value)[2]]
        if attempt.outcome == "aborted" or attempt.commit_ns is None:
            yield Anomaly("aborted-read", read.place, f"{read.value} at {read.offset}", read.time_ns)
        elif 0 <= read.time_ns < attempt.commit_ns:
            yield Anomaly("precommitted-read", read.place, f"{read.value} at {read.offset}", read.time_ns)


def _whole(told: TxnHistory) -> Iterator[Anomaly]:
    there = {read.value for read in told.final}
    for attempt in told.attempts.values():
        values = {attempt.value(index) for index in attempt.records}
        missing = values - there
        if missing and missing != values:
            yield Anomaly("torn-transaction", attempt.source, f"{attempt.name} lacks {sorted(missing)}")
        elif missing and attempt.outcome == "committed":
            yield Anomaly("lost-write", attempt.source, f"{attempt.name} was committed, and is not there")


def _once(told: TxnHistory) -> Iterator[Anomaly]:
    copies = Counter(_parsed(read.value)[:2] for read in told.final)
    for (source, index), count in sorted(copies.items()):
        if count > 1:
            yield Anomaly("duplicate", source, f"record {index} is there {count} times")
        if index >= told.positions[source]:
            yield Anomaly("unread-offset", source, f"record {index}, and {told.positions[source]} is committed")
    for source, position in told.positions.items():
        lost = [index for index in range(position) if (source, index) not in copies]
        if lost:
            yield Anomaly("lost-write", source, f"records {lost[:10]} of {position}")


def _stays(told: TxnHistory) -> Iterator[Anomaly]:
    there = {(read.place, read.offset, read.value) for read in told.final}
    for read in told.reads:
        if (read.place, read.offset, read.value) not in there:
            yield Anomaly("lost-read", read.place, f"{read.value} at {read.offset}", read.time_ns)
