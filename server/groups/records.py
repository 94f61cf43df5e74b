"""What stands in __consumer_offsets: committed offsets and classic groups.

Reading takes every version that Kafka 4 reads; writing takes the one that Kafka 4.3 writes.
Source: KIP-211 (v2: expiry by the group's state), KIP-320 (leader epochs), KIP-345 (static members).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from server.model.ids import ZERO_UUID
from server.wire.coordinator_records import RecordType, RecordTypes

NO_TIMESTAMP = -1
EXPIRING = 1  # the version of an offset that says itself when it expires: old clients ask for that


@dataclass(frozen=True, slots=True)
class OffsetCommitKey:
    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class OffsetCommitValue:
    """commit_timestamp and expire_timestamp: ms; the second is -1 but for very old clients, which set it."""

    offset: int
    metadata: str
    commit_timestamp: int
    leader_epoch: int = -1
    expire_timestamp: int = NO_TIMESTAMP
    topic_id: UUID = ZERO_UUID


@dataclass(frozen=True, slots=True)
class GroupMetadataKey:
    group: str


@dataclass(frozen=True, slots=True)
class MemberMetadata:
    """subscription: the member's metadata under the chosen protocol. Time-outs are ms."""

    member_id: str
    client_id: str
    client_host: str
    session_timeout: int
    subscription: bytes
    assignment: bytes
    rebalance_timeout: int = -1
    group_instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class GroupMetadataValue:
    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    members: Sequence[MemberMetadata]
    current_state_timestamp: int = NO_TIMESTAMP


_OFFSET = "group string, topic string, partition int32"
_GROUP = "protocol_type string, generation int32, protocol nullable string, leader nullable string"
_MEMBER = "client_id string, client_host string"
_REST = "session_timeout int32, subscription bytes, assignment bytes"
OFFSET_VALUES = {
    0: "offset int64, metadata string, commit_timestamp int64",
    1: "offset int64, metadata string, commit_timestamp int64, expire_timestamp int64",
    2: "offset int64, metadata string, commit_timestamp int64",
    3: "offset int64, leader_epoch int32, metadata string, commit_timestamp int64",
    4: "offset int64, leader_epoch int32, metadata compact string, commit_timestamp int64, <tags 0: topic_id uuid>",
}
GROUP_VALUES = {
    0: f"{_GROUP}, members []{{member_id string, {_MEMBER}, {_REST}}}",
    1: f"{_GROUP}, members []{{member_id string, {_MEMBER}, rebalance_timeout int32, {_REST}}}",
    2: f"{_GROUP}, current_state_timestamp int64, "
    f"members []{{member_id string, {_MEMBER}, rebalance_timeout int32, {_REST}}}",
    3: f"{_GROUP}, current_state_timestamp int64, "
    f"members []{{member_id string, group_instance_id nullable string, {_MEMBER}, rebalance_timeout int32, {_REST}}}",
    4: "protocol_type compact string, generation int32, protocol compact nullable string, "
    "leader compact nullable string, current_state_timestamp int64, members compact []{member_id compact string, "
    "group_instance_id compact nullable string, client_id compact string, client_host compact string, "
    "rebalance_timeout int32, session_timeout int32, subscription compact bytes, assignment compact bytes, <tags>}, "
    "<tags>",
}
# The last type of a key's class is the one that is written: offsets under key 1.
OFFSET = RecordType(1, OffsetCommitKey, _OFFSET, OffsetCommitValue, OFFSET_VALUES, 4)
GROUP = RecordType(
    2, GroupMetadataKey, "group string", GroupMetadataValue, GROUP_VALUES, 3, {"members": MemberMetadata}
)
TYPES = RecordTypes(RecordType(0, OffsetCommitKey, _OFFSET, OffsetCommitValue, OFFSET_VALUES, 4), OFFSET, GROUP)
