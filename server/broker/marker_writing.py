"""Writing the markers that end transactions, in the partitions that this broker leads.

A marker goes where the transaction's records are. In the offsets topic the group coordinator writes it, since the
offsets that were committed in the transaction count from then on.

Codes of a row: UNKNOWN_TOPIC_OR_PARTITION (no replica of it is here), NOT_LEADER_OR_FOLLOWER, NOT_ENOUGH_REPLICAS,
REQUEST_TIMED_OUT, KAFKA_STORAGE_ERROR, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED.
Source: KIP-98, KIP-1228 (the transaction version: a marker of v2 must have a new epoch).
"""

import asyncio
from typing import NamedTuple

from server.broker.broker import Broker
from server.broker.partition import Partition
from server.broker.waiters import Acks
from server.log.log import Origin
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.model.ids import OFFSETS_TOPIC, LeaderEpoch
from server.records import control
from server.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

TV2 = 2
# The coordinator of transactions knows none of these: it is to look for the leader again.
NOT_READY = (
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
)


class Written(NamedTuple):
    """A marker that counts once it is replicated."""

    row: WritableTxnMarkerPartitionResult
    partition: Partition
    leader_epoch: LeaderEpoch
    next_offset: int


async def write_markers(broker: Broker, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse:
    """Write all markers, and answer when they are replicated. Partitions fail alone."""
    written: list[Written] = []
    others: list[asyncio.Task[None]] = []
    results: dict[int, dict[str, list[WritableTxnMarkerPartitionResult]]] = {}
    for marker in request.markers:
        topics = results.setdefault(marker.producer_id, {})
        for topic in marker.topics:
            rows = topics.setdefault(topic.name, [])
            for index in topic.partition_indexes:
                row = WritableTxnMarkerPartitionResult(index, ErrorCode.NONE)
                rows.append(row)
                if topic.name == OFFSETS_TOPIC:
                    others.append(asyncio.ensure_future(_end_offsets(broker, row, marker)))
                else:
                    _write(broker, topic.name, row, marker, written)
    await _replicated(broker, written)
    if others:
        await asyncio.gather(*others)
    return WriteTxnMarkersResponse(
        [
            WritableTxnMarkerResult(
                producer_id, [WritableTxnMarkerTopicResult(name, rows) for name, rows in topics.items()]
            )
            for producer_id, topics in results.items()
        ]
    )


def _write(
    broker: Broker,
    topic: str,
    row: WritableTxnMarkerPartitionResult,
    marker: WritableTxnMarker,
    written: list[Written],
) -> None:
    try:
        partition = _here(broker, topic, row.partition_index)
        partition.leading()
        if marker.transaction_version >= TV2:
            partition.log.producers.check_new_epoch(marker.producer_id, marker.producer_epoch)
        data = control.batch_of(
            [control.EndTxn(marker.transaction_result, marker.coordinator_epoch)],
            timestamp_ms=broker.clock.timestamp_ms(),
            producer_id=marker.producer_id,
            producer_epoch=marker.producer_epoch,
            transactional=True,
        )
        appended = partition.append(data, all_replicas=True, origin=Origin.COORDINATOR)
    except Rejected as e:
        row.error_code = e.code
        return
    written.append(Written(row, partition, partition.leader_epoch, appended.last_offset + 1))


def _here(broker: Broker, topic: str, index: int) -> Partition:
    """Raises Rejected: UNKNOWN_TOPIC_OR_PARTITION: no replica of it is here; KAFKA_STORAGE_ERROR: it cannot be used."""
    try:
        return broker.partition(topic, index)
    except Rejected as e:
        if e.code == ErrorCode.KAFKA_STORAGE_ERROR:
            raise
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) from e


async def _replicated(broker: Broker, written: list[Written]) -> None:
    waits = [(each.partition.commits, each.next_offset) for each in written if each.partition.hw < each.next_offset]
    if waits:
        await Acks(waits, broker.config.number("request.timeout.ms")).done()
    for row, partition, leader_epoch, next_offset in written:
        if partition.log.failed:
            row.error_code = ErrorCode.KAFKA_STORAGE_ERROR
        elif partition.leader is None or partition.leader_epoch != leader_epoch:
            row.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
        elif partition.hw < next_offset:
            row.error_code = ErrorCode.REQUEST_TIMED_OUT


async def _end_offsets(broker: Broker, row: WritableTxnMarkerPartitionResult, marker: WritableTxnMarker) -> None:
    producer = Producer(marker.producer_id, marker.producer_epoch)
    try:
        shards = broker.coordinators.get(OFFSETS_TOPIC)
        if shards is None:
            raise Rejected(ErrorCode.NOT_COORDINATOR)
        shard = shards.at(row.partition_index)
        if marker.transaction_version >= TV2:
            shard.partition.log.producers.check_new_epoch(*producer)
        await shard.end_transaction(producer, marker.coordinator_epoch, commit=marker.transaction_result)
    except Rejected as e:
        row.error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER if e.code in NOT_READY else e.code
