"""GetReplicaLogInfo (key 93), version 0: how far a broker's replicas reach. Written by hand, for kio has no schema of it.

Key and fields are those of Apache Kafka's development branch. Kafka 4.3 has neither, so its brokers do not know the API.
Source: KIP-966, part 2; GetReplicaLogInfoRequest.json and GetReplicaLogInfoResponse.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from server.model.ids import ZERO_UUID
from server.wire.schema import Rows


@dataclass(slots=True)
class TopicPartitions:
    """Version 0."""

    topic_id: UUID = ZERO_UUID
    partitions: Sequence[int] = ()


@dataclass(slots=True)
class GetReplicaLogInfoRequest:
    """Version 0."""

    topic_partitions: Sequence[TopicPartitions] | None = ()


@dataclass(slots=True)
class PartitionLogInfo:
    """Version 0."""

    partition: int = 0
    last_written_leader_epoch: int = 0
    current_leader_epoch: int = 0
    log_end_offset: int = 0
    error_code: int = 0


@dataclass(slots=True)
class TopicPartitionLogInfo:
    """Version 0."""

    topic_id: UUID = ZERO_UUID
    partition_log_info: Sequence[PartitionLogInfo] = ()


@dataclass(slots=True)
class GetReplicaLogInfoResponse:
    """Version 0. truncated: there was more in the request than one response may hold."""

    throttle_time_ms: int = 0
    broker_epoch: int = 0
    truncated: bool = False
    topic_partition_log_info_list: Sequence[TopicPartitionLogInfo] = ()


SCHEMA: Rows = {
    "TopicPartitions": (
        ("topic_id", "uuid", 0, 0, None, None),
        ("partitions", "[]int32", 0, 0, None, None),
    ),
    "GetReplicaLogInfoRequest": (("topic_partitions", "[]TopicPartitions", 0, 0, 0, None),),
    "PartitionLogInfo": (
        ("partition", "int32", 0, 0, None, None),
        ("last_written_leader_epoch", "int32", 0, 0, None, None),
        ("current_leader_epoch", "int32", 0, 0, None, None),
        ("log_end_offset", "int64", 0, 0, None, None),
        ("error_code", "int16", 0, 0, None, None),
    ),
    "TopicPartitionLogInfo": (
        ("topic_id", "uuid", 0, 0, None, None),
        ("partition_log_info", "[]PartitionLogInfo", 0, 0, None, None),
    ),
    "GetReplicaLogInfoResponse": (
        ("throttle_time_ms", "int32", 0, 0, None, None),
        ("broker_epoch", "int64", 0, 0, None, None),
        ("truncated", "bool", 0, 0, None, None),
        ("topic_partition_log_info_list", "[]TopicPartitionLogInfo", 0, 0, None, None),
    ),
}
