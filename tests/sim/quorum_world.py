"""A cluster in a seed: whole nodes, admin clients, crashes and cut links; judged by what was acknowledged.

    report = run(seed)      # raises AssertionError that names what went wrong; one seed, one trace

What must hold (design/acceptance.md, I9): no acknowledged admin operation is lost, an epoch of the quorum has one
leader, what one node has committed all others commit alike, and in the end the metadata logs hold the same bytes.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

from server.metadata.delta import Delta
from server.metadata.image import Image
from server.model.errors import ErrorCode
from server.node import Node
from server.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from server.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tests.sim.client import CREATE_TOPICS, DELETE_TOPICS, Broken
from tests.sim.loop import simulate
from tests.sim.nodes import SimNodes
from tests.sim.quorum_changes import Changes

HEAL_S = 60
SMALL_LOGS = {
    "metadata.log.max.record.bytes.between.snapshots": "3000",
    "metadata.max.retention.bytes": "8000",
    "metadata.log.segment.bytes": "8388608",
}


@dataclass
class Report:
    seed: int
    acknowledged: int = 0
    crashes: int = 0
    power_cuts: int = 0
    link_cuts: int = 0
    stops: int = 0
    epochs: int = 0


@dataclass
class Witness:
    """What all nodes of a world did that can be compared."""

    leaders: dict[int, int] = field(default_factory=dict)  # epoch -> who led it
    committed: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # offset -> what the image was like
    problems: list[str] = field(default_factory=list)
    trace: Callable[[str], None] = lambda line: None
    told: dict[tuple[str, int], int] = field(default_factory=dict)  # partition -> its newest epoch that was told

    def tell(self, line: str) -> None:
        self.trace(f"{asyncio.get_running_loop().time():.6f} {line}")

    def tell_changes(self, delta: Delta, image: Image) -> None:
        """Who leads what from now on, once, when the first node knows it."""
        for topic_id, indexes in delta.partitions_changed.items():
            topic = image.topic_of(topic_id)
            for index in sorted(indexes & topic.partitions.keys()) if topic is not None else ():
                assert topic is not None
                now = topic.partitions[index]
                if self.told.get((topic.name, index), -1) < now.partition_epoch:
                    self.told[topic.name, index] = now.partition_epoch
                    self.tell(
                        f"{topic.name}-{index}: leader {now.leader}, epoch {now.leader_epoch}, isr {list(now.isr)}, "
                        f"elr {list(now.elr)}, partition epoch {now.partition_epoch}"
                    )

    def same(self, known: dict[int, Any], at: int, value: Any, what: str) -> None:
        if known.setdefault(at, value) != value:
            self.problems.append(f"{what} {at}: {known[at]} and {value}")


class WatchedNode(Node):
    """The production node, watched from outside."""

    witness: ClassVar[Witness]

    def lead(self) -> None:
        self.witness.same(self.witness.leaders, self.quorum.core.epoch, self.config.node_id, "two leaders of epoch")
        self.witness.tell(f"node{self.config.node_id} leads the quorum in epoch {self.quorum.core.epoch}")
        super().lead()

    def publish(self, delta: Delta, image: Image) -> None:
        known = (image.epoch, len(image.topics), len(image.brokers))
        self.witness.same(self.witness.committed, image.offset, known, "two metadata logs differ at")
        self.witness.tell_changes(delta, image)
        super().publish(delta, image)


class World:
    def __init__(self, seed: int, seconds: float, trace: Callable[[str], None]) -> None:
        self.rng = Random(seed)
        self.report, self.seconds = Report(seed), seconds
        self.witness = WatchedNode.witness = Witness(trace=trace)
        shape = self.rng.choice([{"combined": 3}, {"combined": 3, "brokers": 1}, {"controllers": 3, "brokers": 2}])
        properties = SMALL_LOGS if self.rng.random() < 0.5 else {}
        self.nodes = SimNodes(self.rng, **shape, properties=properties, trace=trace, make=WatchedNode)
        self.created: dict[str, bool] = {}  # name -> whether it must exist; a name that is not here may or may not
        self.changes = Changes()
        self._names = 0
        self._stopping = False

    async def run(self) -> Report:
        self.nodes.wear()
        await self.nodes.up()
        actors = [asyncio.get_running_loop().create_task(self._administrate()) for _ in range(3)]
        await self._trouble()
        await self._heal()
        self._stopping = True
        await asyncio.gather(*actors)
        await self._judge()
        self.report.epochs = len(self.witness.leaders)
        return self.report

    # -- clients

    async def _administrate(self) -> None:
        """Create, change and delete topics at any node; note what was acknowledged."""
        loop = asyncio.get_running_loop()
        client, until = None, 0.0
        while not self._stopping:
            await asyncio.sleep(self.rng.expovariate(5))
            if client is None or loop.time() > until:
                client, until = self.nodes.client(self.rng.choice(self.nodes.brokers)), loop.time() + 5
            mine = [name for name, there in self.created.items() if there and name not in self.changes.open]
            chance = self.rng.random()
            try:
                if mine and chance < 0.25:
                    await self._delete(client, self.rng.choice(mine))
                elif mine and chance < 0.6:
                    changed = await self.changes.change(client, self.rng, self.rng.choice(mine))
                    self.report.acknowledged += changed
                else:
                    await self._create(client)
            except Broken:
                client = None

    async def _create(self, client: Any) -> None:
        self._names += 1
        name = f"topic-{self._names}"
        wanted = CreatableTopic(name, self.rng.randint(1, 3), self.rng.randint(1, 2))
        client.use_newest(CREATE_TOPICS)
        answer = await client.call(CREATE_TOPICS, CreateTopicsRequest([wanted], 5000))
        if answer.topics[0].error_code == ErrorCode.NONE:
            self.changes.made(name, wanted.num_partitions)
            self.created[name] = True
            self.report.acknowledged += 1

    async def _delete(self, client: Any, name: str) -> None:
        del self.created[name]
        client.use_newest(DELETE_TOPICS)
        answer = await client.call(DELETE_TOPICS, DeleteTopicsRequest(topics=[DeleteTopicState(name)]))
        if answer.responses[0].error_code == ErrorCode.NONE:
            self.created[name] = False
            self.report.acknowledged += 1

    # -- troubles

    async def _trouble(self) -> None:
        rng, loop = self.rng, asyncio.get_running_loop()
        kinds = [self._crash, self._cut, self._stop]
        chosen = rng.sample(kinds, rng.randint(1, len(kinds)))
        end = loop.time() + self.seconds
        while loop.time() < end:
            await asyncio.sleep(rng.uniform(0.05, self.seconds / 4))
            await rng.choice(chosen)()

    async def _crash(self) -> None:
        """One node, or now and then all of them at once."""
        living = [node.id for node in self.nodes.nodes if node.process.alive]
        count = len(living) if self.rng.random() < 0.1 else 1
        for node_id in self.rng.sample(living, min(count, len(living))):
            power = self.rng.random() < 0.4
            self.nodes.crash(node_id, power=power)
            self.report.power_cuts += power
            self.report.crashes += not power
            self._later(self.rng.choice([0.0, self.rng.uniform(0, 8)]), node_id)

    async def _stop(self) -> None:
        ready = [node.id for node in self.nodes.nodes if node.process.alive and node.up.is_set()]
        if ready:
            node_id = self.rng.choice(ready)
            self.report.stops += 1
            process = self.nodes.nodes[node_id].process
            stop = asyncio.get_running_loop().create_task(self.nodes.stop(node_id))
            await asyncio.wait([stop], timeout=30)
            if process.alive:
                self.nodes.crash(node_id)
                stop.cancel()
            self._later(self.rng.uniform(0, 3), node_id)

    def _later(self, seconds: float, node_id: int) -> None:
        def rise() -> None:
            if not self.nodes.nodes[node_id].process.alive:
                self.nodes.launch(node_id)

        asyncio.get_running_loop().call_later(seconds, rise)

    async def _cut(self) -> None:
        one, other = self.rng.sample([node.host for node in self.nodes.nodes], 2)
        pairs = self.rng.choice([[(one, other)], [(one, other), (other, one)], [(one, "*")], [("*", one)]])
        self.report.link_cuts += 1
        for pair in pairs:
            self.nodes.network.cut(*pair)
            asyncio.get_running_loop().call_later(self.rng.uniform(0.5, 15), self.nodes.network.mend, *pair)

    async def _heal(self) -> None:
        self.nodes.network.mend()
        for node in self.nodes.nodes:
            if not node.process.alive:
                self.nodes.launch(node.id)
        await self.nodes.ready(seconds=HEAL_S)

    # -- judgement

    async def _judge(self) -> None:
        await self._alike()
        problems = [*self.nodes.problems, *self.witness.problems]
        for node in self.nodes.nodes:
            image = self.nodes[node.id].broker.image
            topics = image.topics
            for name, there in self.created.items():
                if (name in topics) != there:
                    problems.append(f"{node.host} {'lost' if there else 'still has'} {name}, which was acknowledged")
                elif there and name in self.changes:
                    problems += [f"{node.host}: {each}" for each in self.changes.problems(image, name)]
            fenced = [each.broker_id for each in image.brokers.values() if each.fenced]
            problems += [f"{node.host} takes broker {broker_id} for fenced" for broker_id in fenced]
        problems += self._different_bytes()
        assert not problems, "\n".join(problems[:10])

    async def _alike(self) -> None:
        """Wait until all nodes have all that is committed, and all brokers serve."""

        def settled() -> bool:
            leader = self.nodes.leader()
            if leader is None:
                return False
            images = [self.nodes[node.id].broker.image for node in self.nodes.nodes]
            behind = [image for image in images if image.offset < self.nodes[leader].broker.image.offset]
            return not behind and not any(each.fenced for image in images for each in image.brokers.values())

        async with asyncio.timeout(HEAL_S):
            while True:
                await asyncio.sleep(0.05)
                if settled():
                    return

    def _different_bytes(self) -> list[str]:
        """The committed parts of the logs that two nodes have, compared byte by byte."""
        logs = {node.host: self.nodes[node.id].quorum.log for node in self.nodes.nodes}
        start = max(log.log_start_offset for log in logs.values())
        end = min(self.nodes[node.id].quorum.core.high_watermark for node in self.nodes.nodes)
        texts = {host: bytes(log.read(start, 1 << 30, end, minimum_one=True).data) for host, log in logs.items()}
        return [] if len(set(texts.values())) == 1 else [f"the metadata logs differ in [{start}, {end})"]


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(logging.Formatter().format(record))


def run(
    seed: int, seconds: float = 20, trace: Callable[[str], None] = lambda line: None, make: type[World] = World
) -> Report:
    """Play one world. Raises AssertionError, which names the seed."""
    errors, logger = _Errors(), logging.getLogger("server")
    logger.addHandler(errors)

    async def main() -> Report:
        return await make(seed, seconds, trace).run()

    try:
        report = simulate(main(), Random(seed))
        assert not errors.lines, "logged as errors:\n" + "\n".join(errors.lines[:5])
        return report
    except BaseException as e:
        e.add_note(f"in the cluster of seed {seed}")
        raise
    finally:
        logger.removeHandler(errors)
