"""Transactions of the world in memory (tests/support/world.py): its part of the Admin port, and of its texts.

txn t1 Ongoing 7 1000 orders-0,orders-1     a transactional id: state, producer id, when it began (-: not), partitions
producer orders 0 7 1 2 5000 12             a producer of a partition: id, epoch, coordinator's epoch, its last time,
                                            and where its open transaction begins (-: none)
"""

import re
from collections.abc import Collection, Mapping

from kcli.errors import Refused
from kcli.model.moves import TopicPartition
from kcli.model.transactions import ActiveProducer, Transaction, TransactionListing

NOT_FOUND, BAD_REGEX = 105, 128
TIMEOUT_MS = 60_000


class TransactionsWorld:
    """What World inherits."""

    def __init__(self) -> None:
        self.transactions: dict[str, Transaction] = {}
        self.producers: dict[TopicPartition, list[ActiveProducer]] = {}
        self.markers: list[tuple[TopicPartition, int, int, int]] = []
        self.fenced: list[str] = []

    def _called(self, method: str) -> None:
        raise NotImplementedError

    def _troubled(self, one: TopicPartition) -> Refused | None:
        raise NotImplementedError

    def list_transactions(
        self, *, longer_than_ms: int = -1, pattern: str | None = None, producers: Collection[int] = ()
    ) -> tuple[TransactionListing, ...]:
        self._called("list_transactions")
        try:
            fits = re.compile(pattern or ".*").fullmatch
        except re.error:
            raise Refused(BAD_REGEX) from None
        return tuple(
            TransactionListing(one.id, one.coordinator, one.producer_id, one.state)
            for _, one in sorted(self.transactions.items())
            if fits(one.id) and (not producers or one.producer_id in producers)
        )

    def describe_transactions(self, ids: Collection[str]) -> Mapping[str, Transaction | Refused]:
        self._called("describe_transactions")
        return {name: self.transactions.get(name, Refused(NOT_FOUND)) for name in ids}

    def describe_producers(
        self, partitions: Collection[TopicPartition], broker: int | None = None
    ) -> Mapping[TopicPartition, tuple[ActiveProducer, ...] | Refused]:
        self._called("describe_producers")
        return {one: self._troubled(one) or tuple(sorted(self.producers.get(one, ()))) for one in partitions}

    def abort_transaction(
        self, partition: TopicPartition, producer_id: int, producer_epoch: int, coordinator_epoch: int
    ) -> None:
        self._called("abort_transaction")
        self.markers.append((partition, producer_id, producer_epoch, coordinator_epoch))

    def fence_producers(self, transactional_id: str) -> None:
        self._called("fence_producers")
        self.fenced.append(transactional_id)


class TransactionsScript:
    """What Script inherits: a method for each first word of a line."""

    world: TransactionsWorld

    def _txn(self, name: str, state: str, producer: str, start: str, named: str = "") -> None:
        rows = tuple(
            (topic, int(index)) for topic, _, index in (one.rpartition("-") for one in named.split(",") if one)
        )
        started = None if start == "-" else int(start)
        self.world.transactions[name] = Transaction(name, 1, int(producer), 0, state, TIMEOUT_MS, started, rows)

    def _producer(self, topic: str, index: str, *numbers: str) -> None:
        producer, epoch, coordinator, last_ms = map(int, numbers[:4])
        start = None if numbers[4] == "-" else int(numbers[4])
        one = ActiveProducer(producer, epoch, coordinator, 3, last_ms, start)
        self.world.producers.setdefault((topic, int(index)), []).append(one)
