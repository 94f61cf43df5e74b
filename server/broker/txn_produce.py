"""Batches of transactions in a Produce: which of them may be written, and which the coordinator is asked about first.

    checks = Checks(broker, request, api_version)
    if checks.open:                  # not known yet
        await checks.ask()
    checks.permit(partition, head)   # for each batch, right before it is staged

Source: KIP-890.
"""

from dataclasses import dataclass
from uuid import UUID

from server.broker.broker import Broker
from server.broker.partition import Partition
from server.broker.txn_verification import Support
from server.log.verifications import Asked
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.records import batch
from server.records.batch import HEADER_SIZE, Header
from server.txn.state import TopicPartition
from server.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData

FIRST_ID_VERSION = 13
FIRST_ABORTABLE_VERSION, FIRST_ADDING_VERSION = 11, 12
PASSING = (
    ErrorCode.NETWORK_EXCEPTION,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)


@dataclass(slots=True)
class Check:
    """One partition whose first batch of a transaction this is."""

    partition: Partition
    asked: Asked
    refused: Rejected | None = None


class Checks:
    """Those of one request. Raises Rejected(INVALID_PRODUCER_ID_MAPPING): its batches are of several producers."""

    def __init__(self, broker: Broker, request: ProduceRequest, api_version: int) -> None:
        assert request.transactional_id is not None
        self._broker, self._transactional_id = broker, request.transactional_id
        self._support = _support(api_version)
        enabled = broker.settings.value("transaction.partition.verification.enable")
        self._verifies = bool(enabled) or self._support is Support.ADDS
        self._checks: dict[Partition, Check] = {}
        self._producer: Producer | None = None
        for topic in request.topic_data:
            name = topic.topic_id if api_version >= FIRST_ID_VERSION else topic.name
            for row in topic.partition_data:
                self._begin(name, row)
        self.open = bool(self._checks)

    def _begin(self, topic: str | UUID, row: PartitionProduceData) -> None:
        records = row.records or b""
        head = batch.header(records) if len(records) >= HEADER_SIZE else None
        if head is None or not head.is_transactional or head.producer_id < 0:
            return
        producer = Producer(head.producer_id, head.producer_epoch)
        if self._producer not in (None, producer):
            message = "Transactional records contained more than one producer ID"
            raise Rejected(ErrorCode.INVALID_PRODUCER_ID_MAPPING, message)
        self._producer = producer
        if not self._verifies:
            return
        try:
            partition = self._broker.partition(topic, row.index)
            partition.leading()
            asked = self._broker.verification.begin(partition, producer, head.base_sequence, self._support)
        except Rejected:
            return  # staging finds it too
        if asked is not None:
            self._checks[partition] = Check(partition, asked)

    async def ask(self) -> None:
        """Ask the coordinator about all partitions that are not known to it, as far as this broker knows."""
        assert self._producer is not None
        places = {TopicPartition(each.topic, each.index): check for each, check in self._checks.items()}
        refused = await self._broker.verification.ask(
            self._transactional_id, self._producer, list(places), self._support
        )
        for place, code in refused.items():
            places[place].refused = _told(code, self._support)

    def permit(self, partition: Partition, head: Header) -> None:
        """Raises Rejected: what the coordinator says; INVALID_TXN_STATE: the transaction ended while it was asked;
        NOT_LEADER_OR_FOLLOWER: this broker leads no longer, and cannot say."""
        partition.leading()
        check = self._checks.get(partition)
        if check is not None and check.refused is not None:
            raise check.refused
        asked = None if check is None else check.asked
        producers = partition.log.producers
        if self._verifies and not producers.verified(head.producer_id, head.producer_epoch, asked):
            raise Rejected(ErrorCode.INVALID_TXN_STATE, "Record was not part of an ongoing transaction")


def _told(code: ErrorCode, support: Support) -> Rejected:
    """The refusal as a producer understands it. What passes is one that all of them retry, without looking for another
    leader."""
    if code in PASSING or (code == ErrorCode.CONCURRENT_TRANSACTIONS and support is not Support.ADDS):
        why = f"Unable to verify the partition has been added to the transaction. Underlying error: {code.name}"
        return Rejected(ErrorCode.NOT_ENOUGH_REPLICAS, why)
    if code == ErrorCode.INVALID_TXN_STATE:
        return Rejected(code, "Partition was not added to the transaction")
    return Rejected(code)


def _support(api_version: int) -> Support:
    if api_version >= FIRST_ADDING_VERSION:
        return Support.ADDS
    return Support.ABORTABLE if api_version >= FIRST_ABORTABLE_VERSION else Support.NOTHING


def kept(request: ProduceRequest) -> ProduceRequest:
    """A request that stays as it is while others come: its records lie in the buffer that those are received into."""
    return ProduceRequest(
        request.transactional_id,
        request.acks,
        request.timeout_ms,
        [
            TopicProduceData(
                topic.name,
                topic.topic_id,
                [
                    PartitionProduceData(row.index, None if row.records is None else bytearray(row.records))
                    for row in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ],
    )
