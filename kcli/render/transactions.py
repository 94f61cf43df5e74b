"""The columns of kafka-transactions.sh: every cell is padded, and ends with a tab."""

from collections.abc import Sequence

from kcli.model.transactions import ActiveProducer, Hanging, Transaction, TransactionListing

NONE = "None"


def listing(found: Sequence[TransactionListing]) -> str:
    heading = ("TransactionalId", "Coordinator", "ProducerId", "TransactionState")
    return _table([heading, *((one.id, one.coordinator, one.producer_id, one.state) for one in found)])


def listing_data(found: Sequence[TransactionListing]) -> dict[str, object]:
    """For --output json."""
    return {
        "action": "list",
        "transactions": [
            {
                "transactionalId": one.id,
                "coordinator": one.coordinator,
                "producerId": one.producer_id,
                "state": one.state,
            }
            for one in found
        ],
    }


def description(one: Transaction, now_ms: int) -> str:
    heading = (
        "CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState", "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions",
    )  # fmt: skip
    times = (NONE, NONE) if one.start_ms is None else (one.start_ms, now_ms - one.start_ms)
    named = ",".join(f"{topic}-{index}" for topic, index in one.partitions)
    front = (one.coordinator, one.id, one.producer_id, one.producer_epoch, one.state, one.timeout_ms)
    return _table([heading, (*front, *times, named)])


def description_data(one: Transaction, now_ms: int) -> dict[str, object]:
    """For --output json."""
    return {
        "action": "describe",
        "transactionalId": one.id,
        "coordinator": one.coordinator,
        "producerId": one.producer_id,
        "producerEpoch": one.producer_epoch,
        "state": one.state,
        "timeoutMs": one.timeout_ms,
        "startMs": one.start_ms,
        "durationMs": None if one.start_ms is None else now_ms - one.start_ms,
        "partitions": [{"topic": topic, "partition": index} for topic, index in one.partitions],
    }


def producers(found: Sequence[ActiveProducer]) -> str:
    heading = (
        "ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp",
        "CurrentTransactionStartOffset",
    )  # fmt: skip
    return _table([heading, *((*one[:5], NONE if one.start is None else one.start) for one in found)])


def producers_data(found: Sequence[ActiveProducer]) -> dict[str, object]:
    """For --output json."""
    return {"action": "describe-producers", "producers": [_producer_data(one) for one in found]}


def hanging(found: Sequence[Hanging]) -> str:
    heading = (
        "Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset", "LastTimestamp",
        "Duration(min)",
    )  # fmt: skip
    rows = [
        (
            one.topic,
            one.partition,
            *one.producer[:3],
            -1 if one.producer.start is None else one.producer.start,
            one.producer.last_timestamp_ms,
            one.minutes,
        )
        for one in found
    ]
    return _table([heading, *rows])


def hanging_data(found: Sequence[Hanging]) -> dict[str, object]:
    """For --output json."""
    return {
        "action": "find-hanging",
        "transactions": [
            {"topic": one.topic, "partition": one.partition, "minutes": one.minutes, **_producer_data(one.producer)}
            for one in found
        ],
    }


def _producer_data(one: ActiveProducer) -> dict[str, object]:
    return {
        "producerId": one.producer_id,
        "producerEpoch": one.epoch,
        "coordinatorEpoch": one.coordinator_epoch,
        "lastSequence": one.last_sequence,
        "lastTimestampMs": one.last_timestamp_ms,
        "startOffset": one.start,
    }


def _table(rows: Sequence[Sequence[object]]) -> str:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "".join(
        "".join(f"{cell:<{width}}\t" for cell, width in zip(row, widths, strict=True)) + "\n" for row in texts
    )
