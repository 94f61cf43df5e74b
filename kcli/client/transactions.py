"""Transactions: the part of the Admin port about them, over the Kafka protocol.

Coordinators know transactional ids, leaders know the open transactions of their partitions. Source: KIP-664, KIP-939.
"""

from collections.abc import Collection, Mapping
from typing import Any

from kcli.client.routing import TRANSACTION, Routing, by_topic
from kcli.client.wire import UNSUPPORTED_VERSION
from kcli.errors import Refused
from kcli.model.moves import TopicPartition
from kcli.model.transactions import ActiveProducer, Transaction, TransactionListing

ANY = -1
DURATION_SINCE, PATTERN_SINCE = 1, 2


class Transactions(Routing):
    def list_transactions(
        self, *, longer_than_ms: int = ANY, pattern: str | None = None, producers: Collection[int] = ()
    ) -> tuple[TransactionListing, ...]:
        def ask(broker: int, here: list[int]) -> dict[int, list[TransactionListing] | Refused]:
            known = self._version_at(broker, "ListTransactions")
            fields: dict[str, Any] = {"state_filters": [], "producer_id_filters": list(producers)}
            for name, value, since, wanted in (
                ("duration_filter", longer_than_ms, DURATION_SINCE, longer_than_ms >= 0),
                ("transactional_id_pattern", pattern, PATTERN_SINCE, pattern is not None),
            ):
                if known >= since:
                    fields[name] = value
                elif wanted:
                    return {broker: Refused(UNSUPPORTED_VERSION, f"Broker {broker} does not know such a filter")}
            answer = self._ask_of(broker, "ListTransactions", **fields)
            if answer.error_code:
                return {broker: Refused(answer.error_code)}
            return {
                broker: [
                    TransactionListing(row.transactional_id, broker, row.producer_id, row.transaction_state)
                    for row in answer.transaction_states
                ]
            }

        brokers = [row.node_id for row in self._metadata([]).brokers]
        found: list[TransactionListing] = []
        for answer in self._routed(brokers, lambda wanted: {one: one for one in wanted}, ask, change=False).values():
            if isinstance(answer, Refused):
                raise answer
            found += answer
        return tuple(sorted(found))

    def describe_transactions(self, ids: Collection[str]) -> Mapping[str, Transaction | Refused]:
        def ask(broker: int, here: list[str]) -> dict[str, Transaction | Refused]:
            answer = self._ask_of(broker, "DescribeTransactions", transactional_ids=here)
            return {
                row.transactional_id: Refused(row.error_code) if row.error_code else _transaction(row, broker)
                for row in answer.transaction_states
            }

        return self._at_coordinators(ids, ask, kind=TRANSACTION)

    def describe_producers(
        self, partitions: Collection[TopicPartition], broker: int | None = None
    ) -> Mapping[TopicPartition, tuple[ActiveProducer, ...] | Refused]:
        def ask(node: int, here: list[TopicPartition]) -> dict[TopicPartition, tuple[ActiveProducer, ...] | Refused]:
            topics = [{"name": name, "partition_indexes": rows} for name, rows in by_topic(here).items()]
            return {
                (topic.name, row.partition_index): Refused(row.error_code, row.error_message)
                if row.error_code
                else tuple(sorted(map(_producer, row.active_producers)))
                for topic in self._ask_of(node, "DescribeProducers", topics=topics).topics
                for row in topic.partitions
            }

        return ask(broker, list(partitions)) if broker is not None else self._at_leaders(partitions, ask)

    def abort_transaction(
        self, partition: TopicPartition, producer_id: int, producer_epoch: int, coordinator_epoch: int
    ) -> None:
        def ask(broker: int, here: list[TopicPartition]) -> dict[TopicPartition, bool | Refused]:
            marker: dict[str, Any] = {
                "producer_id": producer_id,
                "producer_epoch": producer_epoch,
                "coordinator_epoch": coordinator_epoch,
                "transaction_result": False,
                "topics": [{"name": partition[0], "partition_indexes": [partition[1]]}],
            }
            answer = self._change_at(broker, "WriteTxnMarkers", markers=[marker])
            (row,) = (row for each in answer.markers for topic in each.topics for row in topic.partitions)
            return {partition: Refused(row.error_code) if row.error_code else True}

        answer = self._at_leaders([partition], ask, change=True)[partition]
        if isinstance(answer, Refused):
            raise answer

    def fence_producers(self, transactional_id: str) -> None:
        def ask(broker: int, here: list[str]) -> dict[str, bool | Refused]:
            answer = self._change_at(
                broker,
                "InitProducerId",
                transactional_id=transactional_id,
                transaction_timeout_ms=self._request_ms,
                producer_id=ANY,
                producer_epoch=ANY,
            )
            return {transactional_id: Refused(answer.error_code) if answer.error_code else True}

        answer = self._at_coordinators([transactional_id], ask, kind=TRANSACTION, change=True)[transactional_id]
        if isinstance(answer, Refused):
            raise answer


def _transaction(row: Any, broker: int) -> Transaction:
    partitions = tuple(sorted((topic.topic, index) for topic in row.topics for index in topic.partitions))
    start = row.transaction_start_time_ms
    return Transaction(
        row.transactional_id,
        broker,
        row.producer_id,
        row.producer_epoch,
        row.transaction_state,
        row.transaction_timeout_ms,
        start if start >= 0 else None,
        partitions,
    )


def _producer(row: Any) -> ActiveProducer:
    return ActiveProducer(
        row.producer_id,
        row.producer_epoch,
        row.coordinator_epoch,
        row.last_sequence,
        row.last_timestamp,
        row.current_txn_start_offset if row.current_txn_start_offset >= 0 else None,
    )
