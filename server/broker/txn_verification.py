"""Before the first batch of a transaction: does its coordinator know that this partition is part of it?

A batch that came late, after its transaction was ended, would open a transaction that nobody ends. So a leader asks
first, or, for clients of transactions v2, adds the partition itself. While a transaction is open in a partition there
is nothing to ask.

    asked = broker.verification.begin(partition, Producer(7, 0), sequence, Support.ADDS)
    if asked is not None:
        refused = await broker.verification.ask("t1", Producer(7, 0), [TopicPartition("orders", 0)], Support.ADDS)
    partition.log.producers.verified(7, 0, asked)    # in the turn in which it is written

Source: KIP-890; the translation of codes is what Kafka's clients expect.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import NamedTuple

from server.broker.broker import Broker
from server.broker.outboxes import Outboxes
from server.broker.partition import Partition
from server.broker.peers import Peers
from server.broker.txn_coordinator import TxnCoordinator
from server.log.verifications import Asked
from server.metadata.image import Image
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER, TRANSACTIONS_TOPIC, NodeId
from server.net.peer import Unreachable
from server.txn.records import by_topic
from server.txn.state import TV2, TopicPartition
from server.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)

ADD_PARTITIONS_TO_TXN = 24
ATTEMPT_MS = 5_000


def coordinate_transactions(broker: Broker) -> None:
    """Give a broker what it coordinates transactions with, and what it asks other coordinators by."""
    broker.transactions = TxnCoordinator(broker)
    number = broker.config.number
    broker.verification = Verification(
        broker.node_id,
        lambda: broker.image,
        broker.peers,
        broker.transactions,
        number("add.partitions.to.txn.retry.backoff.ms"),
        number("add.partitions.to.txn.retry.backoff.max.ms"),
    )
    broker.on_close += (broker.verification.close, broker.transactions.close)


class Support(Enum):
    """What the version of a client's request knows of this."""

    NOTHING = "nothing"
    ABORTABLE = "that a transaction may have to be aborted"  # TRANSACTION_ABORTABLE
    ADDS = "that a write adds its partition"  # transactions v2


class Question(NamedTuple):
    transactional_id: str
    producer: Producer
    partitions: Collection[TopicPartition]
    support: Support
    answer: "asyncio.Future[Mapping[TopicPartition, ErrorCode]]"

    def tell(self, codes: Mapping[TopicPartition, ErrorCode]) -> None:
        if not self.answer.done():
            self.answer.set_result(codes)

    def fail(self, code: ErrorCode) -> None:
        self.tell(dict.fromkeys(self.partitions, code))


class Verification:
    def __init__(
        self,
        node_id: NodeId,
        image: Callable[[], Image],
        peers: Peers,
        coordinator: TxnCoordinator,
        backoff_ms: int,
        patience_ms: int,
    ) -> None:
        """backoff_ms and patience_ms: while the former transaction of the same producer ends, with transactions v2."""
        self._node_id, self._image, self._peers, self._coordinator = node_id, image, peers, coordinator
        self._backoff_ms, self._patience_ms = backoff_ms, patience_ms
        self._outboxes: Outboxes[Question] = Outboxes(self._deliver)

    def close(self) -> None:
        self._outboxes.close()

    def begin(self, partition: Partition, producer: Producer, sequence: int, support: Support) -> Asked | None:
        """Whether a batch has to be asked about: what to show when it is written; None: its transaction is open.

        Raises Rejected(INVALID_PRODUCER_EPOCH).
        """
        producers = partition.log.producers
        if producers.has_open(*producer):
            return None
        return producers.verifications.ask(*producer, sequence, starts_at_zero=support is Support.ADDS)

    async def ask(
        self, transactional_id: str, producer: Producer, partitions: Collection[TopicPartition], support: Support
    ) -> Mapping[TopicPartition, ErrorCode]:
        """Ask the coordinator, or have it add the partitions; why some may not be written."""
        waited_ms = 0
        while True:
            codes = await self._ask(transactional_id, producer, partitions, support)
            ending = ErrorCode.CONCURRENT_TRANSACTIONS in codes.values()
            if not ending or support is not Support.ADDS or waited_ms >= self._patience_ms:
                break
            await asyncio.sleep(self._backoff_ms / 1000)
            waited_ms += self._backoff_ms
        return {each: _told(code, support) for each, code in codes.items() if code != ErrorCode.NONE}

    async def _ask(
        self, transactional_id: str, producer: Producer, partitions: Collection[TopicPartition], support: Support
    ) -> Mapping[TopicPartition, ErrorCode]:
        index = self._coordinator.shards.partition_for(transactional_id)
        topic = self._image().topics.get(TRANSACTIONS_TOPIC)
        registration = None if topic is None else topic.partitions.get(index)
        if registration is None or registration.leader == NO_LEADER:
            return dict.fromkeys(partitions, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        if registration.leader == self._node_id:
            adds = support is Support.ADDS
            return await self._coordinator.added(
                transactional_id, producer, partitions, verify_only=not adds, version=TV2
            )
        answer: asyncio.Future[Mapping[TopicPartition, ErrorCode]] = asyncio.get_running_loop().create_future()
        question = Question(transactional_id, producer, partitions, support, answer)
        self._outboxes.put(registration.leader, question)
        return await answer

    async def _deliver(self, node: NodeId, questions: Collection[Question]) -> None:
        taken: dict[str, Question] = {}
        for question in questions:
            if question.transactional_id in taken:  # a request has room for one of each; that one is of a retry
                self._outboxes.put(node, question)
            else:
                taken[question.transactional_id] = question
        request = AddPartitionsToTxnRequest(transactions=[_row(question) for question in taken.values()])
        try:
            response: AddPartitionsToTxnResponse = await self._peers.request(
                node, ADD_PARTITIONS_TO_TXN, request, ATTEMPT_MS
            )
        except (Unreachable, Rejected):
            for question in taken.values():
                question.fail(ErrorCode.NETWORK_EXCEPTION)
            return
        for result in response.results_by_transaction:
            taken.pop(result.transactional_id).tell(
                {
                    TopicPartition(topic.name, row.partition_index): ErrorCode(row.partition_error_code)
                    for topic in result.topic_results
                    for row in topic.results_by_partition
                }
            )
        for question in taken.values():
            question.fail(ErrorCode(response.error_code or ErrorCode.UNKNOWN_SERVER_ERROR))


def _row(question: Question) -> AddPartitionsToTxnTransaction:
    return AddPartitionsToTxnTransaction(
        question.transactional_id,
        question.producer.id,
        question.producer.epoch,
        question.support is not Support.ADDS,
        [AddPartitionsToTxnTopic(topic, indexes) for topic, indexes in by_topic(question.partitions).items()],
    )


def _told(code: ErrorCode, support: Support) -> ErrorCode:
    """The code as the client of a write knows it."""
    if code == ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code == ErrorCode.TRANSACTION_ABORTABLE and support is Support.NOTHING:
        return ErrorCode.INVALID_TXN_STATE
    return code
