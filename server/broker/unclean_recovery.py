"""UncleanRecovery: asks the replicas of lost partitions how far their logs reach, and lets the longest lead.

What is decided, and why, is in `server/metadata/controller/recovery`; this is its shell, on the active controller. It
hears of every change of the metadata, keeps the partitions that are lost, and while there are any looks every LOOK_MS
whether their replicas are back. One request goes to each broker that has some, for all of them together.

When a last known leader came back is known to the active controller alone: the time starts anew with its reign.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from server.broker.controller import ActiveController
from server.config import NodeConfig
from server.metadata.controller import recovery
from server.metadata.controller.recovery import Answers, Choice, Key, LogEnd
from server.metadata.delta import Delta
from server.metadata.image import Broker, Image, Partition
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId, TopicId
from server.net.peer import Peer, Unreachable
from server.ports import Clock, Network
from server.wire.messages.get_replica_log_info import (
    GetReplicaLogInfoRequest,
    GetReplicaLogInfoResponse,
    PartitionLogInfo,
    TopicPartitions,
)

logger = logging.getLogger(__name__)

GET_REPLICA_LOG_INFO = 93
LOOK_MS = 100
ASK_MS = 2_000  # one broker's time to answer
PARTITIONS_A_REQUEST = 1_000

Told = dict[Key, PartitionLogInfo] | None  # None: the broker does not know the question


class UncleanRecovery:
    def __init__(self, config: NodeConfig, controller: ActiveController, network: Network, clock: Clock) -> None:
        self._config, self._controller, self._network, self._clock = config, controller, network, clock
        self._lost: dict[Key, int | None] = {}  # since when its last known leader is back
        self._peers: dict[tuple[str, int], Peer] = {}
        self._task: asyncio.Task[None] | None = None

    # A reign

    def lead(self) -> None:
        self.resign()
        for topic, index, partition in self._controller.image.all_partitions():
            self._note((topic.topic_id, index), partition)

    def resign(self) -> None:
        self._lost.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()

    def published(self, delta: Delta, image: Image) -> None:
        """These changes are committed."""
        if not self._controller.active:
            return
        for topic_id, indexes in delta.partitions_changed.items():
            for index in indexes:
                self._note((topic_id, index), image.partition(topic_id, index))
        for topic in delta.topics_deleted.values():
            for index in topic.partitions:
                self._lost.pop((topic.topic_id, index), None)

    def _note(self, key: Key, partition: Partition | None) -> None:
        if partition is None or not recovery.is_lost(partition):
            self._lost.pop(key, None)
            return
        self._lost.setdefault(key, None)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._lost:
                try:
                    await self._recover()
                except Rejected as e:  # the next controller looks after them
                    logger.info("lost partitions have no leader yet: %s", e)
                await asyncio.sleep(LOOK_MS / 1000)
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _recover(self) -> None:
        """Ask about all that are due, and elect. Raises Rejected(NOT_CONTROLLER)."""
        image, now = self._controller.image, self._clock.now_ms()
        timeout_ms = self._config.number("unclean.recovery.timeout.ms")
        due: dict[Key, tuple[Partition, bool]] = {}
        for key, since in list(self._lost.items()):
            partition = image.partition(*key)
            if partition is None or not recovery.is_lost(partition):
                continue  # by what is not committed yet
            if not recovery.leader_is_back(image, partition):
                since = None
            elif since is None:
                since = now
            self._lost[key] = since
            waited = None if since is None else now - since
            if recovery.is_due(image, partition, waited, timeout_ms):
                due[key] = partition, waited is not None and waited >= timeout_ms
        if not due:
            return
        told = await self._ask_all(image, {key: recovery.live(image, partition) for key, (partition, _) in due.items()})
        choices: dict[Key, Choice] = {}
        for key, (partition, late) in due.items():
            answers = _answers(key, partition, recovery.live(image, partition), told)
            leader = recovery.choose(partition, answers, late=late)
            if leader is not None:
                choices[key] = Choice(leader, image.brokers[leader].epoch, partition.partition_epoch)
                name = f"{image.topic_names[key[0]]}-{key[1]}"
                logger.warning("no replica of %s is eligible; the longest log leads: %d, %s", name, leader, answers)
        if choices:
            static = self._config.static
            await self._controller.decide(lambda now: recovery.elect(now, static, choices))

    async def _ask_all(self, image: Image, wanted: dict[Key, tuple[NodeId, ...]]) -> dict[NodeId, Told]:
        """What each broker said; one that said nothing is not there."""
        keys: dict[NodeId, list[Key]] = {}
        for key, replicas in wanted.items():
            for replica in replicas:
                keys.setdefault(replica, []).append(key)
        told: dict[NodeId, Told] = {}

        async def ask(node: NodeId, about: list[Key]) -> None:
            with suppress(Unreachable):
                for at in range(0, len(about), PARTITIONS_A_REQUEST):
                    said = await self._ask(image.brokers[node], about[at : at + PARTITIONS_A_REQUEST])
                    known = told.setdefault(node, said)
                    if said is None or known is None:
                        return
                    known.update(said)

        await asyncio.gather(*(ask(node, about) for node, about in keys.items()))
        return told

    async def _ask(self, broker: Broker, keys: Iterable[Key]) -> Told:
        """Raises Unreachable."""
        topics: dict[TopicId, list[int]] = {}
        for topic_id, index in keys:
            topics.setdefault(topic_id, []).append(index)
        request = GetReplicaLogInfoRequest([TopicPartitions(*each) for each in topics.items()])
        try:
            response = await self._peer(broker).request(GET_REPLICA_LOG_INFO, request, ASK_MS)
        except Rejected as e:
            if e.code == ErrorCode.UNSUPPORTED_VERSION:
                return None
            raise Unreachable(str(e)) from e
        assert isinstance(response, GetReplicaLogInfoResponse)
        if response.broker_epoch != broker.epoch:
            raise Unreachable(f"broker {broker.broker_id} has restarted")
        return {
            (TopicId(topic.topic_id), row.partition): row
            for topic in response.topic_partition_log_info_list
            for row in topic.partition_log_info
            if not row.error_code
        }

    def _peer(self, broker: Broker) -> Peer:
        """Raises Unreachable: it has not said where it listens."""
        told = broker.end_point(self._config.inter_broker_listener_name) or next(iter(broker.end_points), None)
        if told is None:
            raise Unreachable(f"broker {broker.broker_id} has no address")
        place = told.host, told.port
        if place not in self._peers:
            self._peers[place] = Peer(self._network, *place, f"unclean-recovery-{self._config.node_id}")
        return self._peers[place]


def _answers(key: Key, partition: Partition, asked: Iterable[NodeId], told: dict[NodeId, Told]) -> Answers:
    """What was told of one partition. A broker that has not heard yet that nobody leads may still write to its log."""
    ends, strangers, missing = {}, set(), False
    for replica in asked:
        said = told.get(replica, {})
        row = None if said is None else said.get(key)
        if said is None:
            strangers.add(replica)
        elif row is None or row.current_leader_epoch < partition.leader_epoch:
            missing = True
        else:
            ends[replica] = LogEnd(row.last_written_leader_epoch, row.log_end_offset)
    return Answers(ends, frozenset(strangers), missing)
