"""The messages of a group's member, from FindCoordinator to LeaveGroup, with OffsetFetch and OffsetCommit.

One function each way, as in messages.py. Source: KIP-98 to KIP-814 as far as the versions in wire.py go; what a member
of a consumer group tells the others: the ConsumerProtocol messages, version 0.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kcli.pipeline.settings import GroupSettings
from kcli.pipeline.wire import (
    FIND_COORDINATOR,
    HEARTBEAT,
    JOIN_GROUP,
    LEAVE_GROUP,
    OFFSET_COMMIT,
    OFFSET_FETCH,
    SYNC_GROUP,
    Buffer,
    Reader,
    Writer,
    flexible,
)

Key = tuple[str, int]
PROTOCOL_TYPE, ASSIGNOR = "consumer", "range"
NO_OFFSET = -1


class Standing(NamedTuple):
    """Who a member is to its coordinator."""

    member_id: str = ""
    generation: int = -1


class Joined(NamedTuple):
    error: int
    standing: Standing
    leads: bool  # and has to assign
    members: tuple[tuple[str, str | None, bytes], ...]  # id, group.instance.id, subscription; of the leader only


def find_coordinator_request(version: int, group: str) -> bytearray:
    out = Writer(flexible(FIND_COORDINATOR, version))
    out.string(group)
    out.int8(0)  # a group, not a transaction
    out.tags()
    return out.out


def read_find_coordinator(data: Reader) -> tuple[int, int]:
    """The error, and the node."""
    data.int32()  # throttle time
    error = data.int16()
    data.string()
    return error, data.int32()


def join_request(version: int, settings: GroupSettings, member_id: str, subscription: bytes) -> bytearray:
    out = Writer(flexible(JOIN_GROUP, version))
    out.string(settings.group)
    out.int32(settings.session_ms)
    out.int32(settings.poll_ms)
    out.string(member_id)
    if version >= 5:
        out.string(settings.instance)
    out.string(PROTOCOL_TYPE)
    out.array(1)
    out.string(ASSIGNOR)
    out.data_bytes(subscription)
    out.tags()
    if version >= 8:
        out.string(None)  # reason
    out.tags()
    return out.out


def read_join(data: Reader, version: int) -> Joined:
    data.int32()  # throttle time
    error, generation = data.int16(), data.int32()
    if version >= 7:
        data.string()  # protocol type
    data.string()  # protocol: only one was offered
    leader = data.text()
    skip = data.bool() if version >= 9 else False
    member_id = data.text()

    def member() -> tuple[str, str | None, bytes]:
        name = data.text()
        instance = data.string() if version >= 5 else None
        row = name, instance, bytes(data.data_bytes())
        data.tags()
        return row

    members = tuple(data.array(member))
    return Joined(error, Standing(member_id, generation), leader == member_id and not skip, members)


def sync_request(
    version: int, settings: GroupSettings, standing: Standing, assignments: Mapping[str, bytes]
) -> bytearray:
    out = Writer(flexible(SYNC_GROUP, version))
    out.string(settings.group)
    out.int32(standing.generation)
    out.string(standing.member_id)
    if version >= 3:
        out.string(settings.instance)
    if version >= 5:
        out.string(PROTOCOL_TYPE)
        out.string(ASSIGNOR)
    out.array(len(assignments))
    for member_id, assignment in assignments.items():
        out.string(member_id)
        out.data_bytes(assignment)
        out.tags()
    out.tags()
    return out.out


def read_sync(data: Reader, version: int) -> tuple[int, bytes]:
    data.int32()  # throttle time
    error = data.int16()
    if version >= 5:
        data.string()
        data.string()
    return error, bytes(data.data_bytes())


def heartbeat_request(version: int, settings: GroupSettings, standing: Standing) -> bytearray:
    out = Writer(flexible(HEARTBEAT, version))
    out.string(settings.group)
    out.int32(standing.generation)
    out.string(standing.member_id)
    if version >= 3:
        out.string(settings.instance)
    out.tags()
    return out.out


def leave_request(version: int, settings: GroupSettings, standing: Standing) -> bytearray:
    out = Writer(flexible(LEAVE_GROUP, version))
    out.string(settings.group)
    if version < 3:
        out.string(standing.member_id)
        return out.out
    out.array(1)
    out.string(standing.member_id)
    out.string(None)  # only members without group.instance.id leave
    if version >= 5:
        out.string(None)  # reason
    out.tags()
    out.tags()
    return out.out


def read_error(data: Reader) -> int:
    """The answer to a Heartbeat or LeaveGroup."""
    data.int32()  # throttle time
    return data.int16()


def offset_fetch_request(version: int, settings: GroupSettings, keys: Sequence[Key]) -> bytearray:
    out = Writer(flexible(OFFSET_FETCH, version))
    out.string(settings.group)
    topics = _by_topic(dict.fromkeys(keys, 0))
    out.array(len(topics))
    for topic, rows in topics.items():
        out.string(topic)
        out.array(len(rows))
        for partition in rows:
            out.int32(partition)
        out.tags()
    if version >= 7:
        out.bool(settings.stable)
    out.tags()
    return out.out


def read_offset_fetch(data: Reader, version: int) -> tuple[int, dict[Key, int]]:
    """The first error, and the offsets; NO_OFFSET: none is committed."""
    data.int32()  # throttle time
    first, found = 0, {}
    for _ in range(data.count()):
        topic = data.text()
        for _ in range(data.count()):
            partition, offset = data.int32(), data.int64()
            if version >= 5:
                data.int32()  # leader epoch
            data.string()  # metadata
            first = first or data.int16()
            data.tags()
            found[topic, partition] = offset
        data.tags()
    return data.int16() or first, found


def offset_commit_request(
    version: int, settings: GroupSettings, standing: Standing, offsets: Mapping[Key, int]
) -> bytearray:
    out = Writer(flexible(OFFSET_COMMIT, version))
    out.string(settings.group)
    out.int32(standing.generation)
    out.string(standing.member_id)
    if version <= 4:
        out.int64(-1)  # retention: the broker's
    if version >= 7:
        out.string(settings.instance)
    topics = _by_topic(offsets)
    out.array(len(topics))
    for topic, rows in topics.items():
        out.string(topic)
        out.array(len(rows))
        for partition, offset in rows.items():
            out.int32(partition)
            out.int64(offset)
            if version >= 6:
                out.int32(-1)  # leader epoch
            out.string("")  # metadata
            out.tags()
        out.tags()
    out.tags()
    return out.out


def read_offset_commit(data: Reader) -> dict[Key, int]:
    """The errors."""
    data.int32()  # throttle time
    errors = {}
    for _ in range(data.count()):
        topic = data.text()
        for _ in range(data.count()):
            partition = data.int32()
            errors[topic, partition] = data.int16()
            data.tags()
        data.tags()
    return errors


def subscription(topics: Sequence[str]) -> bytes:
    """What a member tells the leader: the topics that it wants."""
    out = Writer(flexible=False)
    out.int16(0)
    out.array(len(topics))
    for topic in topics:
        out.string(topic)
    out.data_bytes(None)
    return bytes(out.out)


def read_subscription(data: Buffer) -> list[str]:
    read = Reader(data, flexible=False)
    read.int16()  # what newer versions add stands behind
    return read.array(read.text)


def assignment(keys: Sequence[Key]) -> bytes:
    """What the leader tells a member: its partitions."""
    out = Writer(flexible=False)
    out.int16(0)
    topics = _by_topic(dict.fromkeys(keys, 0))
    out.array(len(topics))
    for topic, rows in topics.items():
        out.string(topic)
        out.array(len(rows))
        for partition in rows:
            out.int32(partition)
    out.data_bytes(None)
    return bytes(out.out)


def read_assignment(data: Buffer) -> list[Key]:
    if not data:
        return []
    read = Reader(data, flexible=False)
    read.int16()
    found = []
    for _ in range(read.count()):
        topic = read.text()
        found += [(topic, partition) for partition in read.array(read.int32)]
    return found


def _by_topic(offsets: Mapping[Key, int]) -> dict[str, dict[int, int]]:
    topics: dict[str, dict[int, int]] = {}
    for (topic, partition), offset in sorted(offsets.items()):
        topics.setdefault(topic, {})[partition] = offset
    return topics
