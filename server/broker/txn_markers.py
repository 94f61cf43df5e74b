"""Sending the markers of transactions whose end is decided, until all are written; then the end is complete.

Markers go to the leaders of the partitions, those for one broker together. Where a leader changes, is not there or does
not answer, they are sent again for as long as this broker coordinates the transaction; after that, the next coordinator
does it from the start, which is harmless: a marker more changes nothing.
Source: KIP-98.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field

from server.broker.outboxes import Outboxes
from server.broker.peers import Peers
from server.broker.shard import Shard, State
from server.metadata.image import Image
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER, NodeId
from server.net.peer import Unreachable
from server.txn.core import Core
from server.txn.ending import complete
from server.txn.ledger import SendMarkers
from server.txn.records import by_topic
from server.txn.state import TopicPartition
from server.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

logger = logging.getLogger(__name__)

WRITE_TXN_MARKERS = 27
RETRY_MS = 100
ATTEMPT_MS = 10_000  # one leader's time to answer
# The log knows a later epoch of the producer, or of the coordinator: whoever has that one sees to the end.
SUPERSEDED = (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.TRANSACTION_COORDINATOR_FENCED)
# No record of the transaction can be there.
NO_DATA = (ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorCode.UNSUPPORTED_VERSION)
AGAIN = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.NOT_ENOUGH_REPLICAS,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)


@dataclass(eq=False, slots=True)
class Ending:
    """A transaction on its way from Prepare to Complete. left: the partitions that have no marker yet."""

    shard: Shard[Core]
    effect: SendMarkers
    left: set[TopicPartition] = field(init=False)
    dropped: bool = False

    def __post_init__(self) -> None:
        self.left = set(self.effect.txn.partitions)

    def __str__(self) -> str:
        return f"the end of transaction {self.effect.transactional_id}"

    @property
    def goes_on(self) -> bool:
        return not self.dropped and self.shard.state is State.ACTIVE


Item = tuple[Ending, Collection[TopicPartition]]


class Markers:
    def __init__(
        self,
        node_id: NodeId,
        image: Callable[[], Image],
        peers: Peers,
        write: Callable[[WriteTxnMarkersRequest], Awaitable[WriteTxnMarkersResponse]],
    ) -> None:
        """write: writes the markers of partitions that this broker leads."""
        self._node_id, self._image, self._peers, self._write = node_id, image, peers, write
        self._outboxes: Outboxes[Item] = Outboxes(self._deliver)
        self._completing: set[asyncio.Task[None]] = set()
        self._retries: set[asyncio.TimerHandle] = set()

    def send(self, shard: Shard[Core], effect: SendMarkers) -> None:
        ending = Ending(shard, effect)
        self._route(ending, ending.left)

    def close(self) -> None:
        self._outboxes.close()
        for handle in self._retries:
            handle.cancel()
        for task in self._completing:
            task.cancel()

    def _route(self, ending: Ending, partitions: Iterable[TopicPartition]) -> None:
        """Hand each partition's marker to its leader; one that is gone with its topic needs none."""
        if not ending.goes_on:
            return
        by_leader: dict[NodeId, list[TopicPartition]] = {}
        for partition in sorted(partitions):  # in an order that no hash decides
            topic = self._image().topics.get(partition.topic)
            registration = None if topic is None else topic.partitions.get(partition.partition)
            if registration is None:
                ending.left.discard(partition)
            else:
                by_leader.setdefault(registration.leader, []).append(partition)
        self._later(ending, by_leader.pop(NO_LEADER, ()))
        for leader, led in by_leader.items():
            self._outboxes.put(leader, (ending, led))
        self._look(ending)

    def _later(self, ending: Ending, partitions: Collection[TopicPartition]) -> None:
        if not partitions or not ending.goes_on:
            return

        def again() -> None:
            self._retries.discard(handle)
            self._route(ending, partitions)

        handle = asyncio.get_running_loop().call_later(RETRY_MS / 1000, again)
        self._retries.add(handle)

    async def _deliver(self, node: NodeId, items: Collection[Item]) -> None:
        items = [item for item in items if item[0].goes_on]
        if not items:
            return
        request = WriteTxnMarkersRequest([_marker(ending, partitions) for ending, partitions in items])
        try:
            if node == self._node_id:
                response = await self._write(request)
            else:
                response = await self._peers.request(node, WRITE_TXN_MARKERS, request, ATTEMPT_MS)
        except (Unreachable, Rejected) as e:
            logger.info("broker %d has not written markers of %d transactions: %s", node, len(items), e)
            for ending, partitions in items:
                self._later(ending, partitions)
            return
        codes = {
            (marker.producer_id, TopicPartition(topic.name, row.partition_index)): row.error_code
            for marker in response.markers
            for topic in marker.topics
            for row in topic.partitions
        }
        for ending, partitions in items:
            producer_id = ending.effect.txn.producer_id
            self._answered(ending, {each: codes.get((producer_id, each), -1) for each in partitions})

    def _answered(self, ending: Ending, codes: dict[TopicPartition, int]) -> None:
        again = []
        for partition, code in codes.items():
            if code == ErrorCode.NONE or code in NO_DATA:
                ending.left.discard(partition)
            elif code in SUPERSEDED:
                logger.warning("%s is given up: %s answers %s", ending, partition, ErrorCode(code).name)
                ending.dropped = True
            else:
                again.append(partition)
                if code not in AGAIN:
                    logger.error("the marker for %s of %s was answered with error %d", partition, ending, code)
        self._later(ending, again)
        self._look(ending)

    def _look(self, ending: Ending) -> None:
        """Complete it, if nothing is left to be written."""
        if not ending.left and ending.goes_on:
            ending.dropped = True
            task = asyncio.get_running_loop().create_task(self._complete(ending))
            self._completing.add(task)
            task.add_done_callback(self._completing.discard)

    async def _complete(self, ended: Ending) -> None:
        id_, txn = ended.effect.transactional_id, ended.effect.txn
        while ended.shard.state is State.ACTIVE:
            try:
                await ended.shard.decide(lambda core, now: complete(core, now, id_, txn))
            except Rejected as e:
                logger.info("%s is not complete yet: %s", ended, e)
                await asyncio.sleep(RETRY_MS / 1000)
            else:
                return


def _marker(ending: Ending, partitions: Collection[TopicPartition]) -> WritableTxnMarker:
    txn = ending.effect.txn
    return WritableTxnMarker(
        txn.producer_id,
        txn.producer_epoch,
        txn.commits,
        [WritableTxnMarkerTopic(topic, indexes) for topic, indexes in by_topic(partitions).items()],
        ending.shard.epoch,
        txn.version,
    )
