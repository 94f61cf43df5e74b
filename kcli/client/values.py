"""Messages to values of kcli.model, and back: the one place that knows the field names of both.

The messages are kafka-python's, so they are `Any` here.
"""

import base64
import uuid
from collections.abc import Iterable
from typing import Any

from kcli.errors import Refused
from kcli.model import ZERO_ID, NewTopic, Partition, Replica, Topic

UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID = 3, 100


def uuid_of(text: str) -> Any:
    """Read an id as Kafka prints it."""
    return uuid.UUID(bytes=base64.urlsafe_b64decode(f"{text}=="))


def id_of(value: Any) -> str:
    """Print an id as Kafka does; kafka-python has None for the zero id."""
    return ZERO_ID if value is None else base64.urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def refused(row: Any) -> Refused | None:
    """The error of a row, if it has one."""
    return Refused(row.error_code, row.error_message) if row.error_code else None


def raise_if_refused(answer: Any) -> None:
    """Raise the error of an answer as a whole. Some answers have no message for it."""
    if answer.error_code:
        raise Refused(answer.error_code, getattr(answer, "error_message", None))


def new_topic(topic: NewTopic) -> dict[str, Any]:
    """A row of CreateTopics; -1 leaves a number to the broker."""
    placed = bool(topic.assignment)
    return {
        "name": topic.name,
        "num_partitions": -1 if placed or topic.partitions is None else topic.partitions,
        "replication_factor": -1 if placed or topic.replication_factor is None else topic.replication_factor,
        "assignments": [
            {"partition_index": index, "broker_ids": list(brokers)} for index, brokers in enumerate(topic.assignment)
        ],
        "configs": [{"name": name, "value": value} for name, value in topic.configs.items()],
    }


def topics(rows: Iterable[Any]) -> tuple[Topic, ...]:
    """The topics of an answer, by name; unknown ones are left out, other errors raised."""
    found = []
    for row in rows:
        if row.error_code in (UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID):
            continue
        raise_if_refused(row)
        partitions = sorted(map(_partition, row.partitions))
        found.append(Topic(row.name, id_of(row.topic_id), tuple(partitions), bool(row.is_internal)))
    return tuple(sorted(found))


def _partition(row: Any) -> Partition:
    described = "eligible_leader_replicas" in row.fields
    return Partition(
        row.partition_index,
        row.leader_id if row.leader_id >= 0 else None,
        tuple(row.replica_nodes),
        tuple(row.isr_nodes),
        tuple(row.eligible_leader_replicas or ()) if described else None,
        tuple(row.last_known_elr or ()) if described else None,
        row.leader_epoch,
        tuple(row.offline_replicas or ()),
    )


def replica(row: Any) -> Replica:
    """A voter or observer of DescribeQuorum."""
    return Replica(
        row.replica_id,
        id_of(row.replica_directory_id),
        row.log_end_offset,
        row.last_fetch_timestamp,
        row.last_caught_up_timestamp,
    )
