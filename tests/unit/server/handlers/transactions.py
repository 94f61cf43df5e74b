"""A broker in memory that coordinates transactions, and a producer that takes each step by hand."""

from typing import Any

from server.broker.producer_ids import ProducerIds
from server.broker.txn_verification import coordinate_transactions
from server.metadata import records as r
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from server.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from server.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, PartitionData
from server.wire.messages.init_producer_id import InitProducerIdRequest
from server.wire.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from server.wire.messages.write_txn_markers import WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest
from tests.support.data_plane import DataPlane, topic_id
from tests.unit.server.handlers.worlds import plane

ALL, READ_COMMITTED = -1, 1
V1, V2 = 11, 12  # versions of Produce, by what their clients know of transactions


def coordinating(level: int = 2, **topics: int) -> DataPlane:
    """A broker with these topics and a partition of __transaction_state."""

    async def block() -> tuple[int, int]:
        return 1000, 1000

    made = plane(**topics)
    made.broker.producer_ids = ProducerIds(block)
    coordinate_transactions(made.broker)
    made.publish(r.FeatureLevelRecord("transaction.version", level))
    made.create("__transaction_state", 1, cleanup_policy="compact")
    return made


class Client:
    """One transactional producer."""

    def __init__(self, plane: DataPlane, transactional_id: str = "t", version: int = V2) -> None:
        self.plane, self.id, self.version = plane, transactional_id, version
        self.producer = Producer(-1, -1)
        self.sequences: dict[tuple[str, int], int] = {}

    async def init(self) -> int:
        try:
            got = await self.plane.ask(InitProducerIdRequest(self.id, 60_000), 5)
        except Rejected as refused:
            return refused.code
        self.producer, self.sequences = Producer(got.producer_id, got.producer_epoch), {}
        return ErrorCode.NONE

    async def add(self, topic: str, *indexes: int) -> list[int]:
        request = AddPartitionsToTxnRequest(self.id, *self.producer, [AddPartitionsToTxnTopic(topic, indexes)])
        answered = await self.plane.ask(request, 3)
        return [row.partition_error_code for row in answered.results_by_topic_v3_and_below[0].results_by_partition]

    async def send(self, value: bytes, topic: str = "a", index: int = 0) -> PartitionProduceResponse:
        at = self.sequences.get((topic, index), 0)
        producer_id, epoch = self.producer
        data = self.plane.batch(
            value, producer_id=producer_id, producer_epoch=epoch, base_sequence=at, transactional=True
        )
        rows = [TopicProduceData(topic, topic_id(topic), [PartitionProduceData(index, data)])]
        answered = await self.plane.ask(ProduceRequest(self.id, ALL, 1000, rows), self.version)
        row: PartitionProduceResponse = answered.responses[0].partition_responses[0]
        if not row.error_code:
            self.sequences[topic, index] = at + 1
        return row

    async def end(self, commit: bool) -> EndTxnResponse:
        request = EndTxnRequest(self.id, *self.producer, commit)
        answered: EndTxnResponse = await self.plane.ask(request, 5 if self.version >= V2 else 4)
        if not answered.error_code and self.version >= V2:
            self.producer, self.sequences = Producer(answered.producer_id, answered.producer_epoch), {}
        return answered


async def mark(plane: DataPlane, producer: Producer, commit: bool, *, epoch: int = 0, version: int = 0) -> int:
    """Write a marker into a-0, as an administrator does."""
    marker = WritableTxnMarker(*producer, commit, [WritableTxnMarkerTopic("a", [0])], epoch, version)
    answered = await plane.ask(WriteTxnMarkersRequest([marker]), 2)
    return int(answered.markers[0].topics[0].partitions[0].error_code)


async def read(plane: DataPlane, topic: str = "a") -> PartitionData:
    wanted = [FetchTopic(topic, topic_id(topic), [FetchPartition(0, partition_max_bytes=1 << 20)])]
    request = FetchRequest(isolation_level=READ_COMMITTED, max_bytes=1 << 20, topics=wanted)
    answered: Any = await plane.ask(request, 12)
    row: PartitionData = answered.responses[0].partitions[0]
    return row
