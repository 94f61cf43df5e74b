"""What stands in __consumer_offsets about consumer groups of KIP-848.

A group is six types of records: its epoch, its members as they described themselves, the target assignment with its
epoch, what each member has now, and what each regular expression stands for.
Source: KIP-848, KIP-1251 (assignment epochs), KIP-1263 (assignment timestamps).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from server.wire.coordinator_records import RecordType, RecordTypes

# The keys' fields are all there is to say of them: which group, and whose record.


@dataclass(frozen=True, slots=True)
class GroupKey:
    group_id: str


@dataclass(frozen=True, slots=True)
class EpochKey(GroupKey):
    pass


@dataclass(frozen=True, slots=True)
class EpochValue:
    """metadata_hash: of the topics that the group is subscribed to, as they were at this epoch."""

    epoch: int
    metadata_hash: int = 0


@dataclass(frozen=True, slots=True)
class MemberKey(GroupKey):
    member_id: str


@dataclass(frozen=True, slots=True)
class Protocol:
    name: str
    metadata: bytes


@dataclass(frozen=True, slots=True)
class ClassicMember:
    """A member that still speaks the classic protocol."""

    session_timeout_ms: int = 0
    supported_protocols: Sequence[Protocol] = ()


@dataclass(frozen=True, slots=True)
class MemberValue:
    instance_id: str | None
    rack_id: str | None
    client_id: str
    client_host: str
    subscribed_topic_names: Sequence[str]
    subscribed_topic_regex: str | None
    rebalance_timeout_ms: int
    server_assignor: str | None
    classic_member_metadata: ClassicMember | None = None


@dataclass(frozen=True, slots=True)
class TargetEpochKey(GroupKey):
    pass


@dataclass(frozen=True, slots=True)
class TargetEpochValue:
    assignment_epoch: int
    assignment_timestamp: int = 0


@dataclass(frozen=True, slots=True)
class TargetKey(GroupKey):
    member_id: str


@dataclass(frozen=True, slots=True)
class TargetPartitions:
    topic_id: UUID
    partitions: Sequence[int]


@dataclass(frozen=True, slots=True)
class TargetValue:
    topic_partitions: Sequence[TargetPartitions]


@dataclass(frozen=True, slots=True)
class CurrentKey(GroupKey):
    member_id: str


@dataclass(frozen=True, slots=True)
class CurrentPartitions:
    """assignment_epochs: for each partition, the epoch in which the member got it; empty in older logs."""

    topic_id: UUID
    partitions: Sequence[int]
    assignment_epochs: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class CurrentValue:
    member_epoch: int
    previous_member_epoch: int
    state: int
    assigned_partitions: Sequence[CurrentPartitions]
    partitions_pending_revocation: Sequence[CurrentPartitions]


@dataclass(frozen=True, slots=True)
class RegexKey(GroupKey):
    regular_expression: str


@dataclass(frozen=True, slots=True)
class RegexValue:
    """topics: the names that match. version: of the metadata that they were looked up in; timestamp: ms."""

    topics: Sequence[str]
    version: int
    timestamp: int


_OF_GROUP, _OF_MEMBER = "group_id string", "group_id string, member_id string"
_PARTITIONS = "compact []{topic_id uuid, partitions compact []int32, <tags>}"
_CURRENT = "compact []{topic_id uuid, partitions compact []int32, <tags 0: assignment_epochs compact []int32>}"
_MEMBER = (
    "instance_id compact nullable string, rack_id compact nullable string, client_id compact string, "
    "client_host compact string, subscribed_topic_names compact []compact string, "
    "subscribed_topic_regex compact nullable string, rebalance_timeout_ms int32, "
    "server_assignor compact nullable string, <tags 0: classic_member_metadata nullable {session_timeout_ms int32, "
    "supported_protocols compact []{name compact string, metadata compact bytes, <tags>}, <tags>}>"
)
_CURRENT_VALUE = (
    f"member_epoch int32, previous_member_epoch int32, state int8, assigned_partitions {_CURRENT}, "
    f"partitions_pending_revocation {_CURRENT}, <tags>"
)
_REGEX_KEY = "group_id string, regular_expression string"
CONSUMER_TYPES = RecordTypes(
    RecordType(3, EpochKey, _OF_GROUP, EpochValue, {0: "epoch int32, <tags 0: metadata_hash int64>"}, 0),
    RecordType(
        5,
        MemberKey,
        _OF_MEMBER,
        MemberValue,
        {0: _MEMBER},
        0,
        {"classic_member_metadata": ClassicMember, "supported_protocols": Protocol},
    ),
    RecordType(
        6,
        TargetEpochKey,
        _OF_GROUP,
        TargetEpochValue,
        {0: "assignment_epoch int32, <tags 0: assignment_timestamp int64>"},
        0,
    ),
    RecordType(
        7,
        TargetKey,
        _OF_MEMBER,
        TargetValue,
        {0: f"topic_partitions {_PARTITIONS}, <tags>"},
        0,
        {"topic_partitions": TargetPartitions},
    ),
    RecordType(
        8,
        CurrentKey,
        _OF_MEMBER,
        CurrentValue,
        {0: _CURRENT_VALUE},
        0,
        {"assigned_partitions": CurrentPartitions, "partitions_pending_revocation": CurrentPartitions},
    ),
    RecordType(
        16,
        RegexKey,
        _REGEX_KEY,
        RegexValue,
        {0: "topics compact []compact string, version int64, timestamp int64, <tags>"},
        0,
    ),
)
