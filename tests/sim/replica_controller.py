"""The controller of the replica world: the production decisions on one line of images, each committed at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from server.broker.partition import Partition
from server.metadata import records as r
from server.metadata.controller import brokers, elect_leaders, isr
from server.metadata.delta import applied
from server.metadata.image import Image
from server.metadata.image import Partition as Registration
from server.model.errors import ErrorCode, Rejected
from server.model.features import ELR_VERSION, LATEST_METADATA_VERSION, METADATA_VERSION
from server.model.ids import BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId
from server.replication.leader import ProposeIsr
from server.wire.messages.alter_partition import (
    AlterPartitionRequest,
    BrokerState,
    RequestPartitionData,
    RequestTopicData,
)
from server.wire.messages.broker_registration import BrokerRegistrationRequest, Feature, Listener
from server.wire.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from tests.sim.replica_recovery import recovered

if TYPE_CHECKING:
    from tests.sim.replica_parts import Replica
    from tests.sim.replica_world import World

CLUSTER = "a-cluster-of-tests-abc"
TOPIC = TopicId(UUID(int=500))
NODES = tuple(map(NodeId, (1, 2, 3)))
MAX_LAG_MS = 120  # that a replica may lag and stay in sync
STATIC = {"min.insync.replicas": "2"}
PREFERRED = 0


class Controller:
    def __init__(self, world: "World") -> None:
        self.images = [Image()]
        self.elections = 0
        self._world = world
        self._incarnations = 0
        self._open: dict[NodeId, ProposeIsr] = {}  # the last proposal of each leader
        self._refused: dict[int, ProposeIsr] = {}  # by identity: the same words may be another proposal
        self.commit(
            r.FeatureLevelRecord(METADATA_VERSION, LATEST_METADATA_VERSION),
            r.FeatureLevelRecord(ELR_VERSION, 1),
            r.ConfigRecord(2, "t", "min.insync.replicas", "2"),
        )

    @property
    def image(self) -> Image:
        return self.images[-1]

    @property
    def registration(self) -> Registration:
        found = self.image.partition(TOPIC, 0)
        assert found is not None
        return found

    def commit(self, *records: r.Record) -> None:
        if not records:
            return
        before = self.image.partition(TOPIC, 0)
        self.images.append(replace(applied(self.image, records), offset=len(self.images)))
        now = self.image.partition(TOPIC, 0)
        if now is not None and now != before:
            self.elections += before is not None and before.leader != now.leader
            if now.leader >= 0:
                self._world.hot = now.leader
            self._world.tell(
                f"the controller: leader {now.leader}, epoch {now.leader_epoch}, isr {list(now.isr)}, "
                f"elr {list(now.elr)}, partition epoch {now.partition_epoch}"
            )

    def make_topic(self) -> None:
        record = r.PartitionRecord(
            0,
            TOPIC,
            NODES,
            NODES,
            leader=NODES[0],
            leader_epoch=LeaderEpoch(0),
            partition_epoch=0,
            directories=tuple(self._directory(node) for node in NODES),
        )
        self.commit(r.TopicRecord("t", TOPIC), record)

    @staticmethod
    def _directory(node: NodeId) -> DirectoryId:
        return DirectoryId(UUID(int=1000 + node))

    def register(self, replica: "Replica") -> None:
        """A new incarnation; it says in which registration it stopped, if it stopped cleanly."""
        self._incarnations += 1
        request = BrokerRegistrationRequest(
            replica.node,
            CLUSTER,
            UUID(int=replica.node * 1_000_000 + self._incarnations),
            [Listener("PLAINTEXT", "localhost", 9092, 0)],
            [Feature(METADATA_VERSION, 7, LATEST_METADATA_VERSION), Feature(ELR_VERSION, 0, 1)],
            None,
            log_dirs=[self._directory(replica.node)],
            previous_broker_epoch=replica.clean,
        )
        epoch = BrokerEpoch(len(self.images))
        decision = brokers.register(
            self.image, STATIC, request, cluster_id=CLUSTER, new_epoch=epoch, session_alive=False
        )
        self.commit(*decision.records)
        replica.epoch = BrokerEpoch(decision.response.broker_epoch)

    def fence(self, node: NodeId) -> None:
        self.commit(*brokers.fence(self.image, STATIC, node).records)

    def unfence(self, replica: "Replica") -> None:
        self.commit(*brokers.unfence(self.image, STATIC, replica.node).records)

    def recover(self) -> None:
        """Where nobody is known to have every record, let the longest log lead, once all have told theirs."""
        self.commit(*recovered(self.image, STATIC, TOPIC, self._world.replicas))

    def elect_preferred(self) -> None:
        request = ElectLeadersRequest(PREFERRED, [TopicPartitions("t", [0])])
        self.commit(*elect_leaders.elect(self.image, STATIC, request).records)

    def proposal(
        self, replica: "Replica", partition: Partition, wanted: ProposeIsr
    ) -> tuple[Callable[[], None], Callable[[], bool]]:
        """AlterPartition: what to do where it arrives, and how to ask again; False once there is nothing to ask.

        An answer counts for the proposal that it answers, as on one connection. A copy of a refused one does not come
        after the refusal is known: it would have been overtaken, on another connection, by as long as a fence lasts.
        """
        world, leader = self._world, partition.leader
        assert leader is not None
        members = [
            BrokerState(each, replica.epoch if each == replica.node else leader.broker_epoch(each))
            for each in sorted(wanted.isr)
        ]
        row = RequestPartitionData(0, leader.epoch, (), members, partition_epoch=wanted.partition_epoch)
        request = AlterPartitionRequest(replica.node, replica.epoch, [RequestTopicData(TOPIC, [row])])
        self._open[replica.node] = wanted

        def ask() -> None:
            if id(wanted) in self._refused:
                return
            try:
                decision = isr.alter(self.image, STATIC, request)
            except Rejected:
                return
            self.commit(*decision.records)
            answer = decision.response.topics[0].partitions[0]
            members, epoch = frozenset(map(NodeId, answer.isr)), answer.partition_epoch
            world.send("controller", replica.node, lambda: hear(ErrorCode(answer.error_code), members, epoch))

        def hear(code: ErrorCode, members: frozenset[NodeId], epoch: int) -> None:
            if partition.leader is not leader or self._open[replica.node] is not wanted:
                return
            if code == ErrorCode.INELIGIBLE_REPLICA:
                self._refused[id(wanted)] = wanted
                partition.proposal_refused()
            elif code == ErrorCode.NONE:
                partition.altered(members, epoch)

        def again() -> bool:
            still = partition.leader is leader and leader.partition_epoch == wanted.partition_epoch
            if still and self._open[replica.node] is wanted and id(wanted) not in self._refused:
                world.send(replica.node, "controller", ask)
            return still

        return ask, again
