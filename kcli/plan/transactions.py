"""Transactions: which one is to be aborted, and which ones hang. Source: KIP-664."""

from collections.abc import Iterable, Mapping, Sequence

from kcli.errors import Failure
from kcli.model import Topic
from kcli.model.moves import TopicPartition
from kcli.model.transactions import ActiveProducer, Hanging, Transaction, TransactionListing

MINUTE_MS = 60_000
Open = tuple[TopicPartition, ActiveProducer]


def open_at(producers: Iterable[ActiveProducer], partition: TopicPartition, start: int) -> ActiveProducer:
    """The producer whose open transaction begins at an offset. Raises Failure in Kafka's words."""
    for one in producers:
        if one.start == start:
            return one
    raise Failure(
        f"Could not find any open transactions starting at offset {start} on partition {partition[0]}-{partition[1]}"
    )


def hosted(topics: Iterable[Topic], broker: int | None) -> tuple[TopicPartition, ...]:
    """The partitions of topics, those that a broker has a replica of."""
    return tuple((t.name, p.id) for t in topics for p in t.partitions if broker is None or broker in p.replicas)


def long_open(
    found: Mapping[TopicPartition, Sequence[ActiveProducer]], now_ms: int, timeout_minutes: int
) -> tuple[Open, ...]:
    """Open transactions that nothing was written to for longer than a time-out."""
    return tuple(
        (one, producer)
        for one, producers in sorted(found.items())
        for producer in producers
        if producer.start is not None and now_ms - producer.last_timestamp_ms > timeout_minutes * MINUTE_MS
    )


def hanging(
    candidates: Iterable[Open],
    listed: Iterable[TransactionListing],
    described: Mapping[str, Transaction],
    now_ms: int,
) -> tuple[Hanging, ...]:
    """Those of long open transactions that no coordinator will end: it knows of none in this partition."""
    ids = {one.producer_id: one.id for one in listed}
    found = []
    for one, producer in candidates:
        known = described.get(ids.get(producer.producer_id, ""))
        if known is None or one not in known.partitions:
            found.append(Hanging(*one, producer, (now_ms - producer.last_timestamp_ms) // MINUTE_MS))
    return tuple(found)
