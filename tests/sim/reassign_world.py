"""Replicas that move in a seed: reassignments, others over them, cancels, elections, deletions; crashes, cut links.

    report = run(seed)      # raises AssertionError that names what went wrong; one seed, one trace

All that `replicated_world` asks for, and: every reassignment ends or is cancelled, and no node keeps a replica on its
disk that the metadata gives to others. In half of the worlds what moves is throttled, below the load, till all heals.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from server.broker.throttles import FOLLOWER_RATE, FOLLOWERS, LEADER_RATE, LEADERS
from server.log.names import FOLDER_STRAY
from server.metadata.controller.reassignments import is_moving
from server.metadata.image import Image
from server.model.errors import ErrorCode
from server.model.settings.kinds import ResourceType
from server.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from server.wire.messages.elect_leaders import ElectLeadersRequest, TopicPartitions
from server.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.sim import quorum_world, replicated_world
from tests.sim.actors import Place
from tests.sim.client import Broken, Client
from tests.sim.nodes import DATA, SimNodes
from tests.sim.quorum_world import HEAL_S, WatchedNode
from tests.sim.replicated_world import PLACES, PROPERTIES, TOPICS

ELECT_LEADERS, ALTER_CONFIGS, ALTER_REASSIGNMENTS = 43, 44, 45
SET, DELETE, THROTTLED = 0, 1, 2_000  # bytes a second
METADATA = "__cluster_metadata-0"
SHAPES = ({"combined": 3, "brokers": 1}, {"combined": 3, "brokers": 2}, {"controllers": 3, "brokers": 4})
MOVING = PROPERTIES | {"leader.imbalance.check.interval.seconds": "4", "log.segment.delete.delay.ms": "1000"}
REMOVED_S = 10  # in which a replica that was dropped is gone from the disk
REFUSED = (ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, ErrorCode.INVALID_REPLICA_ASSIGNMENT)


@dataclass
class Report(replicated_world.Report):
    moves: int = 0
    cancels: int = 0
    deletions: int = 0


class World(replicated_world.World):
    def __init__(self, seed: int, seconds: float, trace: Callable[[str], None]) -> None:
        super().__init__(seed, seconds, trace)
        self.report: Report = Report(seed)
        shape = self.rng.choice(SHAPES)
        self.nodes = SimNodes(self.rng, **shape, properties=MOVING, trace=trace, make=WatchedNode)
        self._trace, self._calm = trace, False

    async def _trouble(self) -> None:
        self._throttled = self.rng.random() < 0.5
        if self._throttled:
            await self._throttle(SET)
        mover = asyncio.get_running_loop().create_task(self._move())
        await super()._trouble()
        self._calm = True
        await mover

    async def _move(self) -> None:
        """Ask any broker to move, to cancel, to elect; what it says counts, not whether it says anything."""
        while not self._calm:
            await asyncio.sleep(self.rng.choice([0.02, 0.2, 1.0]))
            place = self.rng.choice(PLACES[:2])  # few, so that one move meets another
            client = self.nodes.client(self.rng.choice(self.nodes.brokers))
            try:
                if self.rng.random() < 0.2:
                    await self._pass(client)
                elif self.rng.random() < 0.2:
                    named = [TopicPartitions(place.topic, [place.index])]
                    wanted = self.rng.choice([None, named])
                    await client.call(ELECT_LEADERS, ElectLeadersRequest(topic_partitions=wanted, timeout_ms=5000))
                else:
                    await self._reassign(client, place)
            except Broken:
                continue
            finally:
                client.disconnect()

    async def _throttle(self, operation: int) -> None:
        """Hold what moves to a rate, or do not any more."""
        row = AlterableConfig("", operation, "*")
        rates = [replace(row, name=name, value=str(THROTTLED)) for name in (LEADER_RATE, FOLLOWER_RATE)]
        rows = [replace(row, name=name) for name in (LEADERS, FOLLOWERS)]
        resources = [AlterConfigsResource(ResourceType.TOPIC, topic, rows) for topic in TOPICS]
        resources.append(AlterConfigsResource(ResourceType.BROKER, "", rates))
        while True:
            client = self.nodes.client(self.rng.choice(self.nodes.brokers))
            try:
                answer = await client.call(ALTER_CONFIGS, IncrementalAlterConfigsRequest(resources))
            except Broken:
                continue
            finally:
                client.disconnect()
            if not any(each.error_code for each in answer.responses):
                return
            await asyncio.sleep(0.1)

    async def _pass(self, client: Client) -> None:
        """Make a topic that does not stay, or move one, and delete it in the middle."""
        passing = [name for name, there in self.created.items() if there and name not in TOPICS]
        if not passing:
            await self._create(client)
            return
        name = self.rng.choice(passing)
        await self._ask(client, Place(name, 0), self.rng.sample(self.nodes.brokers, self.rng.randint(1, 3)))
        if self.rng.random() < 0.6:
            await self._delete(client, name)
            self.report.deletions += 1

    async def _reassign(self, client: Client, place: Place) -> None:
        replicas = self.rng.sample(self.nodes.brokers, self.rng.randint(2, 3))
        if self.rng.random() < 0.7:
            await self._ask(client, place, replicas)
        if self.rng.random() < 0.5:  # at once, or it would be done already
            await self._ask(client, place, None)

    async def _ask(self, client: Client, place: Place, replicas: list[int] | None) -> None:
        row = ReassignablePartition(place.index, replicas)
        request = AlterPartitionReassignmentsRequest(5000, topics=[ReassignableTopic(place.topic, [row])])
        answer = await client.call(ALTER_REASSIGNMENTS, request)
        if answer.error_code == ErrorCode.NONE:
            code = answer.responses[0].partitions[0].error_code
            assert code == ErrorCode.NONE or code in REFUSED, f"{request} was told {ErrorCode(code).name}"
            self._trace(f"{place} to {replicas}: {ErrorCode(code).name}")
            self.report.moves += replicas is not None and code == ErrorCode.NONE
            self.report.cancels += replicas is None and code == ErrorCode.NONE

    # -- judgement

    @staticmethod
    def _moving(image: Image) -> list[str]:
        found = image.all_partitions()
        return [f"{topic.name}-{index} still moves: {each}" for topic, index, each in found if is_moving(each)]

    async def _in_sync(self) -> None:
        """A reassignment ends, once all nodes are there."""
        if self._throttled:
            await self._throttle(DELETE)
        try:
            async with asyncio.timeout(HEAL_S):
                while True:
                    await asyncio.sleep(0.05)
                    if self.nodes.leader() is not None and not self._moving(self.image):
                        break
        except TimeoutError:
            raise AssertionError("\n".join(self._moving(self.image))) from None
        await super()._in_sync()

    async def _judge(self) -> None:
        await super()._judge()
        await asyncio.sleep(REMOVED_S)
        left = [problem for node in self.nodes.nodes for problem in self._left_over(node.id)]
        assert not left, "\n".join(left)

    def _left_over(self, node_id: int) -> list[str]:
        """Folders of replicas that this node should not have. A topic that it lost while it was away, it sets aside."""
        topics = self.image.topics
        disk = self.nodes.nodes[node_id].disk
        folders = [name for name in disk.list(DATA) if disk.is_dir(f"{DATA}/{name}") and name != METADATA]
        folders = [name for name in folders if not name.endswith(FOLDER_STRAY)]
        wanted = {
            f"{name}-{index}"
            for name, topic in topics.items()
            for index, each in topic.partitions.items()
            if node_id in each.replicas
        }
        return [f"node {node_id} still has {name}" for name in folders if name not in wanted]


def run(seed: int, seconds: float = 12, trace: Callable[[str], None] = lambda line: None) -> Report:
    """Play one world. Raises AssertionError, which names the seed."""
    report = quorum_world.run(seed, seconds, trace, World)
    assert isinstance(report, Report)
    return report
