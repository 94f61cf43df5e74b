"""One partition in a simulated cluster: a controller (node 0), replicas on brokers 1, 2, 3, min.insync.replicas 2."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from server.broker.partition import Partition
from server.metadata.image import RECOVERED
from server.metadata.image import Partition as Registration
from server.model.errors import ErrorCode
from server.model.ids import NO_LEADER, NodeId
from server.records import batch, build
from server.wire.messages import create_topics, produce
from tests.sim.client import CREATE_TOPICS, PRODUCE, Broken
from tests.sim.doors import BIRTH_MS
from tests.sim.loop import simulate
from tests.sim.nodes import SimNodes

TIMEOUT_MS = 10_000
BROKERS = (1, 2, 3)


class Three:
    def __init__(self, seed: int = 0, properties: Mapping[str, str] | None = None) -> None:
        self.rng = Random(seed)
        properties = {"unclean.recovery.timeout.ms": str(TIMEOUT_MS)} | dict(properties or {})
        self.nodes = SimNodes(self.rng, controllers=1, brokers=3, properties=properties)

    async def up(self) -> None:
        await self.nodes.up()
        rows = [create_topics.CreatableReplicaAssignment(0, BROKERS)]
        config = [create_topics.CreatableTopicConfig("min.insync.replicas", "2")]
        client = self.nodes.client(1)
        client.use_newest(CREATE_TOPICS)
        asked = create_topics.CreateTopicsRequest([create_topics.CreatableTopic("t", -1, -1, rows, config)], 5000)
        answer = await client.call(CREATE_TOPICS, asked)
        assert answer.topics[0].error_code == ErrorCode.NONE
        await self.in_sync()

    @property
    def registration(self) -> Registration:
        return self.nodes[0].broker.image.topics["t"].partitions[0]

    async def until(self, holds: Callable[[], bool], seconds: float = 60, step_s: float = 0.01) -> None:
        async with asyncio.timeout(seconds):
            while True:
                await asyncio.sleep(step_s)
                if holds():
                    return

    async def in_sync(self) -> None:
        await self.until(lambda: {*self.registration.isr} == {*BROKERS} and self.registration.leader != NO_LEADER)

    async def write(self, *values: str) -> None:
        """Until they are acknowledged by all in sync."""
        data = build.build([batch.Record(n, BIRTH_MS, None, value.encode()) for n, value in enumerate(values)])
        topic = self.nodes[0].broker.image.topics["t"]
        rows = [produce.TopicProduceData("t", topic.topic_id, [produce.PartitionProduceData(0, data)])]
        while True:
            client = self.nodes.client(self.registration.leader)
            client.use_newest(PRODUCE)
            try:
                answer = await client.call(PRODUCE, produce.ProduceRequest(None, -1, 5000, rows))
            except Broken:
                continue
            finally:
                client.disconnect()
            if answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE:
                return
            await asyncio.sleep(0.05)

    def replica(self, broker: int) -> Partition:
        return self.nodes[broker].broker.partition("t", 0)

    def values(self, broker: int) -> list[str]:
        replica, found = self.replica(broker), []
        data = bytes(replica.read(0, 1 << 20, replica.hw, minimum_one=True).data)
        at = 0
        while at < len(data):
            head = batch.header(data, at)
            found += [(each.value or b"").decode() for each in batch.records(memoryview(data)[at : at + head.size])]
            at += head.size
        return found

    async def fenced(self, broker: int) -> None:
        await self.until(lambda: self.nodes[0].broker.image.brokers[NodeId(broker)].fenced)

    async def gone(self, *brokers: int) -> None:
        """Killed one after the other, each fenced before the next one goes."""
        for broker in brokers:
            self.nodes.crash(broker)
            await self.fenced(broker)

    async def whole(self, *values: str) -> None:
        """All replicas are in sync, and hold just these records."""
        await self.in_sync()
        await self.until(lambda: all(self.values(each) == [*values] for each in BROKERS))
        await self.until(lambda: self.registration.leader_recovery_state == RECOVERED)


def play(main: Callable[[Three], Awaitable[None]], properties: Mapping[str, str] | None = None, seed: int = 0) -> None:
    async def body() -> None:
        three = Three(seed, properties)
        await three.up()
        await main(three)

    simulate(body(), Random(0))
