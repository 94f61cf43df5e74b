"""The records of __transaction_state: one for each transactional id, which says all that is known of it.

transaction.version decides what is written: version 0 below level 1, version 1 (which can name the producer ids before
and after) from there on. Both are read.
Source: KIP-98 (version 0), KIP-890 (version 1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from server.model.coordination import Entry
from server.txn.state import State, TopicPartition, Txn
from server.wire.codec import Malformed
from server.wire.coordinator_records import RecordType, RecordTypes

FLEXIBLE_SINCE = 1  # the level of transaction.version


@dataclass(frozen=True, slots=True)
class TransactionLogKey:
    transactional_id: str


@dataclass(frozen=True, slots=True)
class PartitionsSchema:
    topic: str
    partition_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class TransactionLogValue:
    producer_id: int
    producer_epoch: int
    transaction_timeout_ms: int
    transaction_status: int
    transaction_last_update_timestamp_ms: int
    transaction_start_timestamp_ms: int
    transaction_partitions: Sequence[PartitionsSchema] | None = None
    previous_producer_id: int = -1
    next_producer_id: int = -1
    client_transaction_version: int = 0
    next_producer_epoch: int = -1


_COMMON = "producer_id int64, producer_epoch int16, transaction_timeout_ms int32, transaction_status int8, "
_TIMES = "transaction_last_update_timestamp_ms int64, transaction_start_timestamp_ms int64"
_VALUES = {
    0: f"{_COMMON}transaction_partitions []{{topic string, partition_ids []int32}}, {_TIMES}",
    1: (
        f"{_COMMON}transaction_partitions compact []{{topic compact string, partition_ids compact []int32, <tags>}}, "
        f"{_TIMES}, <tags 0: previous_producer_id int64, 1: next_producer_id int64, "
        "2: client_transaction_version int16, 3: next_producer_epoch int16>"
    ),
}


def _types(written: int) -> RecordTypes:
    return RecordTypes(
        RecordType(
            0,
            TransactionLogKey,
            "transactional_id string",
            TransactionLogValue,
            _VALUES,
            written,
            {"transaction_partitions": PartitionsSchema},
        )
    )


TYPES = (_types(0), _types(1))  # by the version that is written


def entry(transactional_id: str, txn: Txn | None, level: int) -> Entry:
    """The record that says where a transactional id stands; None: that it is forgotten. level: transaction.version."""
    types = TYPES[level >= FLEXIBLE_SINCE]
    return types.entry(TransactionLogKey(transactional_id), None if txn is None else _value(txn))


def read(record: Entry) -> tuple[str, Txn | None] | None:
    """The id and where it stands, None for a tombstone; None alone: a record of a type from the future.

    Raises Malformed: it cannot be read, or its status is none that is written.
    """
    found = TYPES[1].read(record)
    if found is None:
        return None
    key, value = found
    return key.transactional_id, None if value is None else _txn(value)


def by_topic(partitions: Iterable[TopicPartition]) -> Mapping[str, list[int]]:
    """The partitions of each topic, both in order."""
    found: dict[str, list[int]] = {}
    for topic, index in sorted(partitions):
        found.setdefault(topic, []).append(index)
    return found


def _value(txn: Txn) -> TransactionLogValue:
    rows = [PartitionsSchema(topic, indexes) for topic, indexes in by_topic(txn.partitions).items()]
    return TransactionLogValue(
        txn.producer_id,
        txn.producer_epoch,
        txn.timeout_ms,
        txn.state,
        txn.updated_ms,
        txn.started_ms,
        # Kafka reads null and an empty list alike, but only in this state may the list be missing.
        None if txn.state is State.EMPTY else rows,
        txn.previous_producer_id,
        txn.next_producer_id,
        txn.version,
    )


def _txn(value: TransactionLogValue) -> Txn:
    try:
        state = State(value.transaction_status)
    except ValueError as e:
        raise Malformed(f"a transaction has the unknown status {value.transaction_status}") from e
    return Txn(
        value.producer_id,
        value.producer_epoch,
        value.transaction_timeout_ms,
        state,
        frozenset(
            TopicPartition(row.topic, index)
            for row in value.transaction_partitions or ()
            for index in row.partition_ids
        ),
        value.transaction_last_update_timestamp_ms,
        value.transaction_start_timestamp_ms,
        value.previous_producer_id,
        value.next_producer_id,
        value.client_transaction_version,
    )
