"""The coordinator of the transactional ids whose shards are here: what its requests come to.

    producer = await broker.transactions.init_producer_id(Wanted("t1", 60_000))

Decisions are in server/txn, what drives them in `shards`. Prepared transactions are handed to `txn_markers`.

Everything raises Rejected: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE.
Source: KIP-98, KIP-890, KIP-664 (list and describe).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

from server.broker.broker import Broker
from server.broker.marker_writing import write_markers
from server.broker.shard import Shard, ShardSettings
from server.broker.shards import Shards
from server.broker.txn_markers import Markers
from server.model.coordination import Decision, Now, Producer
from server.model.errors import ErrorCode, Rejected
from server.model.features import TRANSACTION_VERSION
from server.model.ids import TRANSACTIONS_TOPIC
from server.txn import ending, init, joining
from server.txn.core import Core
from server.txn.ledger import Settings
from server.txn.state import TopicPartition, Txn

R = TypeVar("R")


class TxnCoordinator:
    def __init__(self, broker: Broker) -> None:
        number = broker.config.number
        self._broker = broker
        self._settings = Settings(
            number("transaction.max.timeout.ms"),
            number("transactional.id.expiration.ms"),
            number("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            number("transaction.remove.expired.transaction.cleanup.interval.ms"),
        )
        self._markers = Markers(
            broker.node_id, lambda: broker.image, broker.peers, lambda request: write_markers(broker, request)
        )
        self.shards: Shards[Core] = Shards(
            TRANSACTIONS_TOPIC,
            lambda: Core(self._settings, self.level),
            broker.clock,
            ShardSettings(number("transaction.state.log.load.buffer.size"), number("request.timeout.ms")),
            self._partitions,
            self._perform,
        )
        broker.coordinators[TRANSACTIONS_TOPIC] = self.shards

    def close(self) -> None:
        self._markers.close()

    def level(self) -> int:
        """The cluster's transaction.version."""
        return self._broker.image.feature(TRANSACTION_VERSION)

    def _partitions(self) -> int:
        topic = self._broker.image.topics.get(TRANSACTIONS_TOPIC)
        return len(topic.partitions) if topic else self._broker.config.number("transaction.state.log.num.partitions")

    def _perform(self, shard: Shard[Core], effect: Any) -> None:
        self._markers.send(shard, effect)

    # requests

    async def init_producer_id(self, wanted: init.Wanted) -> Producer:
        """Raises Rejected, as init.init_producer_id; and what keeps this broker from new producer ids."""
        answer: init.Answer = await self._with_new_id(
            wanted.transactional_id, lambda core, now, new_id: init.init_producer_id(core, now, wanted, new_id)
        )
        if isinstance(answer, Producer):
            return answer
        raise Rejected(answer)

    async def end(self, wanted: ending.Wanted) -> Producer:
        """Raises Rejected, as ending.end; and what keeps this broker from new producer ids."""
        return await self._with_new_id(
            wanted.transactional_id, lambda core, now, new_id: ending.end(core, now, wanted, new_id)
        )

    async def _with_new_id(
        self, transactional_id: str, decide: Callable[[Core, Now, int | None], Decision[R | None]]
    ) -> R:
        """Decide; and where that is answered None, decide again with a producer id that nobody has."""
        shard, new_id = self._shard(transactional_id), None

        def once(core: Core, now: Now) -> Decision[R | None]:
            return decide(core, now, new_id)

        while (answer := await shard.decide(once)) is None:
            new_id = await self._broker.producer_ids.next()
        return answer

    def _shard(self, transactional_id: str) -> Shard[Core]:
        if not transactional_id:
            raise Rejected(ErrorCode.INVALID_REQUEST)
        return self.shards.of(transactional_id)

    async def add(
        self, transactional_id: str, producer: Producer, partitions: Collection[TopicPartition], version: int
    ) -> None:
        """Raises Rejected, as joining.add."""
        shard = self._shard(transactional_id)
        await shard.decide(lambda core, now: joining.add(core, now, transactional_id, producer, partitions, version))

    async def verify(
        self, transactional_id: str, producer: Producer, partitions: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, ErrorCode]:
        """Raises Rejected, as joining.verify."""
        shard = self._shard(transactional_id)
        return await shard.decide(
            lambda core, now: Decision((), joining.verify(core, transactional_id, producer, partitions))
        )

    async def describe(self, transactional_id: str) -> Txn:
        """Raises Rejected: INVALID_REQUEST, TRANSACTIONAL_ID_NOT_FOUND."""
        found = await self._shard(transactional_id).decide(
            lambda core, now: Decision((), core.txns.get(transactional_id))
        )
        if found is None:
            raise Rejected(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
        return found

    def listed(self) -> Iterator[tuple[str, Txn]]:
        """All ids of this broker. Raises Rejected(COORDINATOR_LOAD_IN_PROGRESS): some are not known yet."""
        for shard in self.shards:
            shard.check()
            yield from shard.core.listed()

    # adding, as requests and leaders ask for it

    async def added(
        self,
        transactional_id: str,
        producer: Producer,
        partitions: Collection[TopicPartition],
        *,
        verify_only: bool,
        version: int,
    ) -> Mapping[TopicPartition, ErrorCode]:
        """Add partitions that exist, or ask whether they have been; the code of each."""
        unknown = {each for each in partitions if not self._exists(each)}
        if unknown:
            return {
                each: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if each in unknown else ErrorCode.OPERATION_NOT_ATTEMPTED
                for each in partitions
            }
        try:
            if verify_only:
                return await self.verify(transactional_id, producer, partitions)
            await self.add(transactional_id, producer, partitions, version)
        except Rejected as e:
            return dict.fromkeys(partitions, e.code)
        return dict.fromkeys(partitions, ErrorCode.NONE)

    def _exists(self, partition: TopicPartition) -> bool:
        topic = self._broker.image.topics.get(partition.topic)
        return topic is not None and partition.partition in topic.partitions
