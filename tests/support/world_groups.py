"""Offsets and groups of the world in memory (tests/support/world.py): its part of the Admin port, and of its texts.

log orders 0 5 20 [2000 10]                 the log of a partition: start, end, and the times of its records: that of
                                            offset 0, and what each later one adds (ms); without a line: empty
group g Consumer consumer Stable [range]    a group: type, protocol (- for none), state, assignor
member g m-1 orders:0,1 [instance-1]        a member of it, what it is assigned (- for nothing), its instance id
commit g orders 0 12 [3]                    what the group has committed for a partition, and the leader epoch
"""

import struct
from collections.abc import Collection, Mapping
from typing import NamedTuple

from kcli.errors import Refused
from kcli.model import Broker, Topic
from kcli.model.groups import CONSUMER_TYPE, EMPTY, Committed, Group, GroupListing, Member
from kcli.model.moves import TopicPartition
from kcli.model.offsets import EARLIEST, EARLIEST_LOCAL, LATEST, MAX_TIMESTAMP, Position
from kcli.pipeline.encoding import Open

OUT_OF_RANGE, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE, UNKNOWN_MEMBER, UNSUPPORTED = 1, 3, 5, 25, 35
NON_EMPTY, NOT_FOUND, SUBSCRIBED = 68, 69, 86
BATCH, NO_CODEC = 10, 0
EPOCH = 2  # of all groups that have one


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

    def batch(self, offset: int) -> bytes:
        """The batch with an offset: a batch begins with each offset that BATCH divides."""
        base = max(self.start, offset // BATCH * BATCH)
        made = Open(self.time_of(base))
        for each in range(base, min(self.end, base + BATCH)):
            made.add(None, b"", (), self.time_of(each))
        header, body = made.close(NO_CODEC).pieces()
        return struct.pack(">q", base) + header[8:] + body if offset < self.end else b""

    def time_of(self, offset: int) -> int:
        return self.first_ms + offset * self.step_ms


class GroupsWorld:
    """What World (which has the topics) inherits."""

    topics: dict[str, Topic]

    def __init__(self) -> None:
        self.logs: dict[TopicPartition, Log] = {}
        self.groups: dict[str, GroupListing] = {}
        self.assignors: dict[str, str] = {}
        self.members: dict[str, list[Member]] = {}
        self.committed: dict[str, dict[TopicPartition, Committed]] = {}

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

    def read_records(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, bytes | Refused]:
        self._called("read_records")
        return {one: self._troubled(one) or self.logs.get(one, Log()).batch(at) for one, at in offsets.items()}

    def list_groups(self) -> tuple[GroupListing, ...]:
        self._called("list_groups")
        return tuple(self.groups[name] for name in sorted(self.groups))

    def describe_groups(self, groups: Collection[str]) -> Mapping[str, Group | Refused]:
        self._called("describe_groups")
        return {name: self._group(name) for name in groups}

    def list_group_offsets(self, groups: Collection[str]) -> Mapping[str, Mapping[TopicPartition, Committed] | Refused]:
        self._called("list_group_offsets")
        return {name: dict(self.committed.get(name, {})) for name in groups}

    def alter_group_offsets(
        self, group: str, offsets: Mapping[TopicPartition, Committed]
    ) -> Mapping[TopicPartition, Refused | None]:
        self._called("alter_group_offsets")
        if self.members.get(group):
            raise Refused(UNKNOWN_MEMBER)
        self.groups.setdefault(group, GroupListing(group, "Classic", "", EMPTY))
        self.committed.setdefault(group, {}).update(offsets)
        return dict.fromkeys(offsets)

    def delete_group_offsets(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Refused | None]:
        self._called("delete_group_offsets")
        if group not in self.groups:
            raise Refused(NOT_FOUND)
        subscribed = {topic for member in self.members.get(group, ()) for topic, _ in member.assignment}
        for one in partitions:
            if one[0] not in subscribed:
                self.committed.get(group, {}).pop(one, None)
        return {one: Refused(SUBSCRIBED) if one[0] in subscribed else None for one in partitions}

    def delete_groups(self, groups: Collection[str]) -> Mapping[str, Refused | None]:
        self._called("delete_groups")
        answers: dict[str, Refused | None] = {}
        for name in groups:
            absent = name not in self.groups
            answers[name] = Refused(NOT_FOUND) if absent else Refused(NON_EMPTY) if self.members.get(name) else None
            if answers[name] is None:
                del self.groups[name]
                self.committed.pop(name, None)
        return answers

    def _group(self, name: str) -> Group | Refused:
        if name not in self.groups:
            return Refused(NOT_FOUND, f"Group {name} not found.")
        listed = self.groups[name]
        epoch = EPOCH if listed.type == CONSUMER_TYPE else None
        members = tuple(self.members.get(name, ()))
        place = Broker(1, "host1", 9092)
        return Group(name, listed.type, listed.state, self.assignors.get(name, ""), members, place, epoch, epoch)

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

    def _group(self, name: str, type_: str, protocol: str, state: str, assignor: str = "") -> None:
        self.world.groups[name] = GroupListing(name, type_, "" if protocol == "-" else protocol, state)
        self.world.assignors[name] = assignor

    def _member(self, group: str, name: str, assigned: str, instance: str | None = None) -> None:
        topics = [] if assigned == "-" else [text.split(":") for text in assigned.split(";")]
        rows = tuple((topic, int(index)) for topic, indexes in topics for index in indexes.split(","))
        modern = self.world.groups[group].type == CONSUMER_TYPE
        told = (EPOCH, rows, True) if modern else (None, (), None)
        one = Member(name, instance, f"app-{name}", "/127.0.0.1", rows, *told)
        self.world.members.setdefault(group, []).append(one)

    def _commit(self, group: str, topic: str, index: str, offset: str, epoch: str = "-1") -> None:
        self.world.committed.setdefault(group, {})[topic, int(index)] = Committed(int(offset), int(epoch), "note")
