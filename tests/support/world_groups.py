"""Offsets and groups of the world in memory (tests/support/world.py): its part of the Admin port, and of its texts.

log orders 0 5 20 [2000 10]                 the log of a partition: start, end, and the times of its records: that of
                                            offset 0, and what each later one adds (ms); without a line: empty
group g Consumer consumer Stable            a group: type, protocol (- for none), state
"""

from collections.abc import Mapping
from typing import NamedTuple

from kcli.errors import Refused
from kcli.model import Topic
from kcli.model.groups import GroupListing
from kcli.model.moves import TopicPartition
from kcli.model.offsets import EARLIEST, EARLIEST_LOCAL, LATEST, MAX_TIMESTAMP, Position

OUT_OF_RANGE, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, UNSUPPORTED = 1, 3, 5, 35


class Log(NamedTuple):
    start: int = 0
    end: int = 0
    first_ms: int = 0
    step_ms: int = 0

    def at(self, time: int) -> Position | Refused:
        """The answer of ListOffsets."""
        if time in (EARLIEST, EARLIEST_LOCAL, LATEST):
            return Position(self.end if time == LATEST else self.start)
        if time == MAX_TIMESTAMP:
            return Position(self.end - 1, self.time_of(self.end - 1)) if self.end > self.start else Position(-1)
        if time < 0:
            return Refused(UNSUPPORTED)
        found = next((each for each in range(self.start, self.end) if self.time_of(each) >= time), -1)
        return Position(found, self.time_of(found) if found >= 0 else -1)

    def time_of(self, offset: int) -> int:
        return self.first_ms + offset * self.step_ms


class GroupsWorld:
    """What World (which has the topics) inherits."""

    topics: dict[str, Topic]

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, Log] = {}
        self.groups: dict[str, GroupListing] = {}

    def _called(self, method: str) -> None:
        raise NotImplementedError

    def list_offsets(
        self, times: Mapping[TopicPartition, int], *, committed_only: bool = False
    ) -> Mapping[TopicPartition, Position | Refused]:
        self._called("list_offsets")
        return {one: self._troubled(one) or self.logs.get(one, Log()).at(time) for one, time in times.items()}

    def delete_records(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | Refused]:
        self._called("delete_records")
        return {one: self._troubled(one) or self._cut(one, before) for one, before in offsets.items()}

    def list_groups(self) -> tuple[GroupListing, ...]:
        self._called("list_groups")
        return tuple(self.groups[name] for name in sorted(self.groups))

    def _cut(self, one: TopicPartition, before: int) -> int | Refused:
        log = self.logs.get(one, Log())
        if before > log.end:
            return Refused(OUT_OF_RANGE)
        start = max(log.start, log.end if before < 0 else before)
        self.logs[one] = log._replace(start=start)
        return start

    def _troubled(self, one: TopicPartition) -> Refused | None:
        rows = self.topics[one[0]].partitions if one[0] in self.topics else ()
        if one[1] >= len(rows):
            return Refused(UNKNOWN_TOPIC)
        return Refused(LEADER_NOT_AVAILABLE) if rows[one[1]].leader is None else None


class GroupsScript:
    """What Script inherits: a method for each first word of a line."""

    world: GroupsWorld

    def _log(self, topic: str, index: str, start: str, end: str, first_ms: str = "0", step_ms: str = "0") -> None:
        self.world.logs[topic, int(index)] = Log(*map(int, (start, end, first_ms, step_ms)))

    def _group(self, name: str, type_: str, protocol: str, state: str) -> None:
        self.world.groups[name] = GroupListing(name, type_, "" if protocol == "-" else protocol, state)
