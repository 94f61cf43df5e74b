"""Broker: what a handler receives. The image, the partitions of this node, and the doors to everything else.

`publish` is where metadata becomes deeds: it is told each change of the committed image, and opens, leads, drops and
reconfigures the replicas of this node accordingly. Handlers read `image` and ask `partition`; they change nothing here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from server.broker import group_coordinator
from server.broker.assignments import Assignments
from server.broker.backlog import Backlog
from server.broker.channel import Channel
from server.broker.context import Client
from server.broker.controller import ActiveController
from server.broker.fetcher import Address, Fetchers
from server.broker.fetcher import Settings as FetchSettings
from server.broker.isr_changes import IsrChanges
from server.broker.locations import Locations
from server.broker.members import ALLOCATE_PRODUCER_IDS, ALTER_PARTITION, ASSIGN_REPLICAS_TO_DIRS, Members
from server.broker.nearby import Nearby
from server.broker.partition import Partition
from server.broker.peers import Peers
from server.broker.producer_ids import ProducerIds
from server.broker.shards import Shards
from server.broker.throttles import Throttles
from server.broker.writes import Writes
from server.config import NodeConfig
from server.log.dirs import LogDirs
from server.log.log import Log, StorageFailed
from server.metadata.delta import Delta
from server.metadata.image import Image, Topic
from server.metadata.image import Partition as Registration
from server.metadata.loader import difference
from server.model.errors import ErrorCode, Rejected
from server.model.ids import OFFSETS_TOPIC, BrokerEpoch, NodeId, TopicId
from server.model.log_settings import LogSettings
from server.model.settings.effective import BrokerSettings, log_defaults, overridden
from server.model.settings.kinds import ResourceType
from server.net.peer import Peer
from server.ports import Clock, Network, Rng
from server.replication.sessions import Sessions
from server.wire.messages.allocate_producer_ids import AllocateProducerIdsRequest
from server.wire.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse
from server.wire.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest, AssignReplicasToDirsResponse

if TYPE_CHECKING:
    from server.broker.txn_coordinator import TxnCoordinator
    from server.broker.txn_verification import Verification

logger = logging.getLogger(__name__)


class Broker:
    """One node's broker; on a node that is only a controller, it has no partitions and no log dirs of its own."""

    members: Members  # what this node does as the active controller
    channel: Channel  # the way to the active controller, wherever it is
    answer_forwarded: Callable[[Client, memoryview], Awaitable[bytes]]
    transactions: "TxnCoordinator"
    verification: "Verification"  # asks the coordinators of transactions

    def __init__(
        self,
        config: NodeConfig,
        cluster_id: str,
        logs: LogDirs,
        controller: ActiveController,
        clock: Clock,
        rng: Rng,
        network: Network | None = None,
    ) -> None:
        """network: for what is fetched from other brokers; None where there are none."""
        self.config, self.cluster_id, self.logs, self.controller = config, cluster_id, logs, controller
        self.clock, self.rng = clock, rng
        self.on_close: list[Callable[[], None]] = []
        self.kraft_version: Callable[[], int] = lambda: 0
        self.node_id: NodeId = config.node_id
        self.image = Image()
        self.writes = Writes()
        self.sessions = Sessions(config.number("max.incremental.fetch.session.cache.slots"))
        self.producer_ids = ProducerIds(self._allocate_producer_ids)
        self.broker_epoch = BrokerEpoch(-1)
        self.isr_changes = IsrChanges(self.node_id, lambda: self.broker_epoch, self._alter_partition)
        self.throttles = Throttles.of(config)
        self.fetchers = Fetchers(
            self.node_id,
            FetchSettings.of(config),
            lambda: self.broker_epoch,
            self._address_of,
            self._connect,
            self.throttles,
            clock,
        )
        at_a_time = config.values["num.replica.alter.log.dirs.threads"] or len(logs.dirs)
        assert isinstance(at_a_time, int)
        self.locations = Locations(
            self.node_id,
            logs,
            lambda: self.image,
            Assignments(self.node_id, lambda: self.broker_epoch, self._assign_directories),
            clock,
            self.throttles.moves,
            at_a_time,
            self.fetchers.assign,
        )
        self.moves = self.locations.moves
        self._network = network
        self.peers = Peers(network, f"broker-{self.node_id}", self._address_of)
        self.nearer = Nearby(config, clock, lambda: self.image).replica
        self.partitions: dict[UUID, dict[int, Partition]] = {}
        self.group_settings = group_coordinator.settings(config)
        self.groups = group_coordinator.shards(config, self.group_settings, clock, lambda: self.image)
        self.coordinators: dict[str, Shards[Any]] = {OFFSETS_TOPIC: self.groups}  # by the topic that each writes to
        self.settled: Callable[[], None] = lambda: None  # called when this node has done what the image says
        self._backlog = Backlog(clock, self._agree, self._agreed)
        self._all_agreed = asyncio.Event()
        self._applied_offset = -1
        self._log_defaults: tuple[BrokerSettings, LogSettings] | None = None
        self._opened = False

    # What handlers ask

    def partition(self, topic: str | UUID, index: int) -> Partition:
        """The replica on this node.

        Raises Rejected: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID (nobody has it), NOT_LEADER_OR_FOLLOWER (others
        have), KAFKA_STORAGE_ERROR (this node had, on a directory that failed).
        """
        known = self.image.topics.get(topic) if isinstance(topic, str) else self.image.topic_of(TopicId(topic))
        if known is None:
            raise Rejected(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if isinstance(topic, str) else ErrorCode.UNKNOWN_TOPIC_ID
            )
        found = self.partitions.get(known.topic_id, {}).get(index)
        if found is not None:
            return found
        registration = known.partitions.get(index)
        if registration is None:
            raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if (known.topic_id, index) in self._backlog:
            raise Rejected(ErrorCode.NOT_LEADER_OR_FOLLOWER)  # it will be, in a moment
        ours = self.node_id in registration.replicas
        raise Rejected(ErrorCode.KAFKA_STORAGE_ERROR if ours else ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def all_partitions(self) -> Iterable[Partition]:
        for partitions in self.partitions.values():
            yield from partitions.values()

    @property
    def settings(self) -> BrokerSettings:
        """This broker's settings in their three layers."""
        cluster = self.image.config(ResourceType.BROKER, "")
        return BrokerSettings(self.config.static, cluster, self.image.config(ResourceType.BROKER, str(self.node_id)))

    def log_settings(self, topic: str) -> LogSettings:
        """What a topic's logs go by; those that set nothing themselves share one value."""
        settings = self.settings
        if self._log_defaults is None or self._log_defaults[0] != settings:
            self._log_defaults = settings, log_defaults(settings)
        return overridden(self._log_defaults[1], self.image.config(ResourceType.TOPIC, topic))

    @property
    def applied_offset(self) -> int:
        """The last metadata offset that this node agrees with in deed: logs are open, roles are taken."""
        return self._applied_offset if self._backlog else self.image.offset

    def close(self) -> None:
        """Stop replicating, and serving: what waits is told."""
        self._backlog.close()
        for close in self.on_close:
            close()
        for shards in self.coordinators.values():
            shards.close()
        self.peers.close()
        self.fetchers.close()
        self.locations.close()
        self.isr_changes.close()
        for partition in self.all_partitions():
            partition.close()

    # What the metadata says

    def open_partitions(self) -> None:
        """Open what the image gives to this node, once the logs are loaded; from here on, changes are followed.

        A log that the metadata does not know, or knows under another id, is set aside: nobody will ask for it, and a
        new topic may need its name. One that other brokers have instead, since it was moved, goes.
        """
        for log in self.logs:
            topic = self.image.topics.get(log.topic)
            partition = None if topic is None else topic.partitions.get(log.partition)
            same = topic is not None and log.topic_id in (None, topic.topic_id)
            if partition is not None and same and self.node_id not in partition.replicas:
                logger.info("removing %s, which was moved to other brokers", log.path)
                self._delete(log.topic, log.partition)
            elif partition is None or not same:
                aside = self.logs.set_aside(log.topic, log.partition)
                if aside is not None:
                    why = "the metadata has no such partition for this node"
                    logger.warning(
                        "%s is now %s: %s. It is kept; remove it when nobody needs it.", log.path, aside, why
                    )
        for copy in self.logs.futures:
            topic = self.image.topics.get(copy.topic)
            partition = None if topic is None else topic.partitions.get(copy.partition)
            same = topic is not None and copy.topic_id in (None, topic.topic_id)
            if partition is None or not same or self.node_id not in partition.replicas:
                with suppress(StorageFailed):  # its directory is offline now, and that was logged
                    self.logs.futures.discard(copy.topic, copy.partition)
        self._opened = True
        self.publish(difference(Image(), self.image), self.image)

    async def agrees(self) -> None:
        """Wait until this node has done all that the metadata says."""
        while self._backlog:
            self._all_agreed.clear()
            await self._all_agreed.wait()

    def publish(self, delta: Delta, image: Image) -> None:
        """Make this node agree with `image`, which `delta` led to. What cannot be opened is logged, and left out.

        A small change is done on return; of a large one the rest follows in turns (`backlog`, `applied_offset`).
        """
        if not self._backlog:
            self._applied_offset = self.image.offset
        before, self.image = self.image, image
        if not self._opened:
            return
        for topic_id in delta.topics_deleted:
            for index in self.partitions.get(topic_id, ()):
                self._backlog.add(topic_id, index, new=False)
        for topic_id, indexes in delta.partitions_changed.items():
            known = before.topic_of(topic_id)
            for index in sorted(indexes):
                former = None if known is None else known.partitions.get(index)
                self._backlog.add(topic_id, index, new=former is None or self.node_id not in former.replicas)
        topics = [resource.name for resource in delta.configs_changed if resource.type == ResourceType.TOPIC]
        self.throttles.published(image, topics, self.clock.now_ms())
        self._backlog.work()
        group_coordinator.published(self.groups, before, delta, image)
        for partition in self.fetchers.moved(delta.brokers_changed):
            self.fetchers.assign(partition)
        self._reconfigure(delta)

    def _agree(self, topic_id: UUID, index: int, new: bool) -> None:
        """Do what the image says of one partition."""
        topic = self.image.topic_of(TopicId(topic_id))
        registration = None if topic is None else topic.partitions.get(index)
        if topic is not None and registration is not None:
            self._assign(topic, index, registration, new=new)
        elif index in self.partitions.get(topic_id, ()):
            self._remove(topic_id, index)

    def _agreed(self) -> None:
        self._all_agreed.set()
        self.settled()

    def _assign(self, topic: Topic, index: int, registration: Registration, *, new: bool = False) -> None:
        if self.node_id not in registration.replicas:
            if index in self.partitions.get(topic.topic_id, {}):
                self._remove(topic.topic_id, index)
            return
        partition = self.partitions.get(topic.topic_id, {}).get(index)
        settings = self.log_settings(topic.name)
        if partition is None:
            partition = self._open(topic, index, registration, settings, new=new)
        self.locations.compare(topic.topic_id, index, registration, partition)
        if partition is not None:
            max_lag_ms = self.config.number("replica.lag.time.max.ms")
            partition.become(registration, self.node_id, settings.min_insync_replicas, max_lag_ms)
            self.fetchers.assign(partition)
            if topic.name in self.coordinators:
                self.coordinators[topic.name].assigned(partition)

    def _open(
        self, topic: Topic, index: int, registration: Registration, settings: LogSettings, *, new: bool
    ) -> Partition | None:
        """new: no replica of this partition can have been here before."""
        try:
            log = self.logs.get(topic.name, index)
            if log is None:
                log = self._found_or_made(topic, index, registration, settings, new=new)
            elif log.topic_id is None:
                log.assign_topic_id(topic.topic_id)
        except (Rejected, StorageFailed, OSError) as e:
            logger.error("replica %s-%d cannot be opened: %s", topic.name, index, e)
            return None
        log.settings = settings
        partition = Partition(
            topic.name,
            topic.topic_id,
            index,
            log,
            self.clock,
            self.writes,
            hw=log.hw,
            propose=self.isr_changes.propose,
            failed=self._failed,
            alive=self._alive,
        )
        self.partitions.setdefault(topic.topic_id, {})[index] = partition
        self.moves.resume(partition)
        return partition

    def _found_or_made(
        self, topic: Topic, index: int, registration: Registration, settings: LogSettings, *, new: bool
    ) -> Log:
        """The log of a replica that has none under its own name. Raises Rejected, StorageFailed, OSError."""
        directory = registration.directory(self.node_id)
        if not new and any(each.offline is not None for each in self.logs.dirs):
            # It may be in there: an empty one elsewhere would lose its records, and be one too many later.
            raise StorageFailed("its log may be in a directory that is offline")
        copy = self.logs.futures.get(topic.name, index)
        if copy is not None and self.logs.dir_of(copy).directory_id == directory:
            return self.logs.futures.adopt(topic.name, index)
        wanted = self.moves.preferred(topic.name, index) or directory
        return self.logs.create_log(topic.name, index, topic.topic_id, settings, wanted)

    def _remove(self, topic_id: UUID, index: int) -> None:
        partition = self.partitions[topic_id].pop(index)
        if not self.partitions[topic_id]:
            del self.partitions[topic_id]
        if partition.topic in self.coordinators:
            self.coordinators[partition.topic].removed(index)
        self.fetchers.drop(partition)
        self.locations.drop(partition)
        partition.close()
        if not partition.log.failed:
            self._delete(partition.topic, index)

    def _delete(self, topic: str, index: int) -> None:
        try:
            self.logs.delete_log(topic, index)
        except StorageFailed as e:  # its directory is offline now, and `LogDirs` has told the node
            logger.error("replica %s-%d is not deleted: %s", topic, index, e)

    def _reconfigure(self, delta: Delta) -> None:
        everywhere = any(resource.type == ResourceType.BROKER for resource in delta.configs_changed)
        names = {resource.name for resource in delta.configs_changed if resource.type == ResourceType.TOPIC}
        for topic in self.image.topics.values() if everywhere else map(self.image.topics.get, names):
            if topic is None or topic.topic_id not in self.partitions:
                continue
            settings = self.log_settings(topic.name)
            for index, partition in self.partitions[topic.topic_id].items():
                partition.log.settings = settings
                self._assign(topic, index, topic.partitions[index])

    # What partitions, coordinators and handlers need done

    def _failed(self, partition: Partition, error: StorageFailed) -> None:
        """A log failed, and its directory with it (`LogDirs` says so itself, to the node)."""
        logger.error("%s failed: %s", partition, error)
        if partition.topic in self.coordinators:
            self.coordinators[partition.topic].assigned(partition)

    def _alive(self, node: NodeId) -> bool:
        known = self.image.brokers.get(node)
        return known is not None and not known.fenced

    def may_join_isr(self, node: NodeId, broker_epoch: int) -> bool:
        """Whether a follower that fetches in this registration may be counted in sync (KIP-841, KIP-903)."""
        known = self.image.brokers.get(node)
        return known is not None and known.active and broker_epoch in (-1, known.epoch)

    def _address_of(self, node: NodeId) -> Address | None:
        known = self.image.brokers.get(node)
        address = None if known is None else known.end_point(self.config.inter_broker_listener_name)
        return None if address is None else (address.host, address.port)

    def _connect(self, host: str, port: int) -> Peer:
        assert self._network is not None, "a broker without a network follows nobody"
        return Peer(self._network, host, port, f"broker-{self.node_id}-fetcher-0")

    async def _alter_partition(self, request: AlterPartitionRequest) -> AlterPartitionResponse:
        response: AlterPartitionResponse = await self.channel.request(ALTER_PARTITION, request)
        return response

    async def _assign_directories(self, request: AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse:
        response: AssignReplicasToDirsResponse = await self.channel.request(ASSIGN_REPLICAS_TO_DIRS, request)
        return response

    async def _allocate_producer_ids(self) -> tuple[int, int]:
        request = AllocateProducerIdsRequest(self.node_id, self.broker_epoch)
        block = await self.channel.request(ALLOCATE_PRODUCER_IDS, request)
        return block.producer_id_start, block.producer_id_len
