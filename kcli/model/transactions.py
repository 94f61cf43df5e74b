"""Transactions as their coordinators know them, and producers as partitions know them."""

from typing import NamedTuple

from kcli.model.moves import TopicPartition


class TransactionListing(NamedTuple):
    """A transactional id and what its coordinator, a broker, says of it. `state` is Kafka's word."""

    id: str
    coordinator: int
    producer_id: int
    state: str


class Transaction(NamedTuple):
    """A transactional id in full. `start_ms` None: it has no transaction."""

    id: str
    coordinator: int
    producer_id: int
    producer_epoch: int
    state: str
    timeout_ms: int
    start_ms: int | None
    partitions: tuple[TopicPartition, ...]


class ActiveProducer(NamedTuple):
    """A producer that a partition remembers. `start` None: no open transaction there. Numbers are -1 for none."""

    producer_id: int
    epoch: int
    coordinator_epoch: int
    last_sequence: int
    last_timestamp_ms: int
    start: int | None


class Hanging(NamedTuple):
    """An open transaction of a partition that no coordinator knows of."""

    topic: str
    partition: int
    producer: ActiveProducer
    minutes: int
