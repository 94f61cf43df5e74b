"""A replicated cluster in a seed: whole nodes, producers and consumers, crashes, clean stops and cut links.

    report = run(seed)      # raises AssertionError that names what went wrong; one seed, one trace

Topics have three replicas, and min.insync.replicas is 2; producers ask for acks of all. Told in the end by the history
checker: no acknowledged record is lost, none is there twice, offsets stay. And all replicas have the same bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

from server.broker.partition import Partition
from server.metadata.image import Image
from server.model.errors import ErrorCode
from server.model.ids import NO_LEADER, BrokerEpoch, LeaderEpoch, NodeId, TopicId
from server.ports import Network
from server.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from tests.sim import quorum_world
from tests.sim.actors import EARLIEST, LATEST, Consumer, Place, Producer, Scene, end_of
from tests.sim.client import CREATE_TOPICS, LIST_OFFSETS, Broken, Client, Connection
from tests.sim.nodes import PORT, SimNodes
from tests.sim.quorum_world import HEAL_S, WatchedNode, Witness
from tests.support import history
from tests.support.history import FINAL, Event

TOPICS = {
    "plain": {"min.insync.replicas": "2"},
    "rolling": {"min.insync.replicas": "2", "segment.bytes": "1048576", "segment.ms": "700"},
}
PLACES = tuple(Place(topic, index) for topic in TOPICS for index in range(2))
PROPERTIES = {
    "replica.lag.time.max.ms": "3000",
    "replica.fetch.wait.max.ms": "200",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "unclean.recovery.timeout.ms": "60000",  # no replica stays away for as long
}


FIRST_EPOCH_VERSION = 4  # of ListOffsets: clients before it cannot tell a deposed leader from the one they know


@dataclass
class Report(quorum_world.Report):
    records: int = 0
    read: int = 0
    elections: int = 0


class LeaderClient(Client):
    """Finds the leader of one partition, as well as the cluster itself knows it.

    As a Kafka client it never turns back from a leader epoch that it has seen to an older one (KIP-320): a leader that
    was deposed and has not heard of it would show it less than it knows.
    """

    def __init__(self, network: Network, rng: Random, find: Callable[[], tuple[LeaderEpoch, str]]) -> None:
        self.metadata_epoch, host = find()
        super().__init__(network, rng, host, PORT)
        self._find = find

    async def _connected(self) -> Connection:
        epoch, host = self._find()
        if epoch >= self.metadata_epoch:
            self.metadata_epoch = epoch
            if host != self._host:
                self.disconnect()
                self._host = host
        connection = await super()._connected()
        if self._spoken[LIST_OFFSETS][1] >= FIRST_EPOCH_VERSION:
            self._versions.setdefault(
                LIST_OFFSETS, self._rng.randint(FIRST_EPOCH_VERSION, self._spoken[LIST_OFFSETS][1])
            )
        return connection


class World(quorum_world.World):
    def __init__(self, seed: int, seconds: float, trace: Callable[[str], None]) -> None:
        super().__init__(seed, seconds, trace)
        self.rng = Random(seed)
        self.report: Report = Report(seed)
        self.witness = WatchedNode.witness = Witness(trace=trace)
        shape = self.rng.choice([{"combined": 3}, {"combined": 3}, {"combined": 3, "brokers": 1}])
        self.nodes = SimNodes(self.rng, **shape, properties=PROPERTIES, trace=trace, make=WatchedNode)
        self.events: list[Event] = []
        self._actors: list[asyncio.Task[None]] = []
        self._scenes: list[Scene] = []
        self._wound: tuple[NodeId, BrokerEpoch] | None = None  # who lost power, in which registration

    async def run(self) -> quorum_world.Report:
        self.nodes.wear()
        await self.nodes.up()
        for name, config in TOPICS.items():
            await self._make_topic(name, config)
        await self._alike()
        for number, place in enumerate(PLACES):
            scene = self._scene(place)
            mains = [Producer(scene, f"p{number}{letter}", place).run for letter in "ab"[: self.rng.randint(1, 2)]]
            mains.append(Consumer(scene, f"c{number}", place).run)
            self._actors += [asyncio.get_running_loop().create_task(main()) for main in mains]
        await self._trouble()
        await self._heal()
        await self._in_sync()
        await asyncio.sleep(self.rng.uniform(0, 2))
        for scene in self._scenes:
            scene.stopping = True
        async with _in_time("unanswered: a client waits for ever"):
            await asyncio.gather(*self._actors)
        await self._judge()
        self.report.records = history.acknowledged(self.events)
        self.report.read = sum(len(event.rows) for event in self.events)
        self.report.elections = sum(
            registration.leader_epoch
            for topic in self.image.topics.values()
            for registration in topic.partitions.values()
        )
        return self.report

    async def _make_topic(self, name: str, config: dict[str, str]) -> None:
        rows = [CreatableTopicConfig(key, value) for key, value in config.items()]
        request = CreateTopicsRequest([CreatableTopic(name, 2, 3, configs=rows)], 5000)
        while True:
            client = self.nodes.client(self.rng.choice(self.nodes.brokers))
            client.use_newest(CREATE_TOPICS)
            try:
                answer = await client.call(CREATE_TOPICS, request)
            except Broken:
                continue
            finally:
                client.disconnect()
            if answer.topics[0].error_code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
                self.created[name] = True
                return
            await asyncio.sleep(0.1)

    # -- clients

    @property
    def image(self) -> Image:
        """What the active controller's node has published; any living node's while there is none."""
        leader = self.nodes.leader()
        if leader is not None:
            return self.nodes[leader].broker.image
        living = [each.node for each in self.nodes.nodes if each.node is not None and hasattr(each.node, "broker")]
        return living[0].broker.image if living else Image()

    def _scene(self, place: Place) -> Scene:
        scene = Scene(self.rng, partial(self._leader_client, place), self._topic_id, self.events)
        self._scenes.append(scene)
        return scene

    def _leader_client(self, place: Place) -> Client:
        self.nodes._clients += 1
        network = self.nodes.network.host(f"client{self.nodes._clients}")
        return LeaderClient(network, self.rng, lambda: self._leader_of(place))

    def _leader_of(self, place: Place) -> tuple[LeaderEpoch, str]:
        """The epoch and the host of who leads; any broker in epoch -1 or where nobody does."""
        topic = self.image.topics.get(place.topic)
        registration = None if topic is None else topic.partitions[place.index]
        if registration is None:
            return LeaderEpoch(-1), self.nodes.nodes[self.rng.choice(self.nodes.brokers)].host
        leader = registration.leader
        if leader == NO_LEADER:
            leader = NodeId(self.rng.choice(self.nodes.brokers))
        return registration.leader_epoch, self.nodes.nodes[leader].host

    def _topic_id(self, name: str) -> TopicId:
        return self.topic_ids[name]

    @property
    def topic_ids(self) -> dict[str, TopicId]:
        if not hasattr(self, "_ids"):
            self._ids = {name: topic.topic_id for name, topic in self.image.topics.items()}
        return self._ids

    # -- troubles

    async def _crash(self) -> None:
        """A host may lose its page cache while all replicas have all; till they have again, others are merely killed.

        Without syncing no more is promised: two hosts that lose power may be all that had a record.
        """
        healed = self._healed()
        living = [node.id for node in self.nodes.nodes if node.process.alive]
        known = self.image.brokers.keys() >= set(self.nodes.brokers) and self.image.topics.keys() >= TOPICS.keys()
        whole = known and len(living) == len(self.nodes.nodes) and not self._lagging(self.image)
        power = healed and whole and self.rng.random() < 0.4
        count = 1 if self.rng.random() < 0.7 else len(living)
        for number, node_id in enumerate(self.rng.sample(living, min(count, len(living)))):
            power = power and number == 0
            if power and node_id in self.nodes.brokers:
                self._wound = NodeId(node_id), self.image.brokers[NodeId(node_id)].epoch
            self.nodes.crash(node_id, power=power)
            self.report.power_cuts += power
            self.report.crashes += not power
            self._later(self.rng.choice([0.0, self.rng.uniform(0, 8)]), node_id)

    def _healed(self) -> bool:
        """Whether what the last power cut took has been copied back."""
        if self._wound is not None:
            node, epoch = self._wound
            known = self.image.brokers.get(node)
            if known is None or known.epoch == epoch or not self.image.topics or self._lagging(self.image):
                return False
            self._wound = None
        return True

    # -- judgement

    @staticmethod
    def _lagging(image: Image) -> list[str]:
        return [
            f"{topic.name}-{index}: {registration}"
            for topic, index, registration in image.all_partitions()
            if topic.name in TOPICS and (set(registration.isr) != set(registration.replicas) or registration.leader < 0)
        ]

    async def _in_sync(self) -> None:
        """I11: after healing, no partition is under-replicated."""
        try:
            async with asyncio.timeout(HEAL_S):
                while True:
                    await asyncio.sleep(0.05)
                    if self.nodes.leader() is not None and not self._lagging(self.image):
                        return
        except TimeoutError:
            raise AssertionError("\n".join(self._lagging(self.image))) from None

    async def _judge(self) -> None:
        for place in PLACES:
            scene = self._scene(place)
            reader, client = Consumer(scene, FINAL, place), self._leader_client(place)
            async with _in_time(f"unreadable: {place} cannot be read to its end"):
                reader.position = start = await end_of(scene, client, place, EARLIEST)
                end = await end_of(scene, client, place, LATEST)
                scene.note("ok", "poll", FINAL, str(place), start=start)
                await reader.read_to(end)
            client.disconnect()
        anomalies = history.check(self.events, frozenset(map(str, PLACES)))
        assert not anomalies, "\n".join(map(str, anomalies[:10]))
        await asyncio.sleep(2)  # for the followers to hear of the last high watermark
        for place in PLACES:
            self._same_bytes(place)
        await super()._judge()

    def _same_bytes(self, place: Place) -> None:
        registration = self.image.topics[place.topic].partitions[place.index]
        replicas = [self.nodes[node].broker.partition(place.topic, place.index) for node in registration.replicas]
        start, end = max(each.log_start_offset for each in replicas), min(each.hw for each in replicas)
        assert end == max(each.leo for each in replicas), f"{place}: {[(each.hw, each.leo) for each in replicas]}"
        texts = {_bytes(each, start, end) for each in replicas}
        assert len(texts) == 1, f"the logs of {place} differ in [{start}, {end}): {[len(each) for each in texts]} bytes"
        epochs = [each.log.epochs.entries for each in replicas]
        written = [[entry for entry in each if entry[1] < end] for each in epochs]
        assert all(each == written[0] for each in written), f"{place}: epochs differ: {epochs}"


@asynccontextmanager
async def _in_time(anomaly: str) -> AsyncIterator[None]:
    """What lasts longer is called so."""
    try:
        async with asyncio.timeout(5 * HEAL_S):
            yield
    except TimeoutError:
        raise AssertionError(anomaly) from None


def _bytes(partition: Partition, start: int, end: int) -> bytes:
    data, offset = b"", start
    while offset < end:
        got = partition.read(offset, 1 << 20, end, minimum_one=True)
        data, offset = data + bytes(got.data), got.next_offset
    return data


def run(seed: int, seconds: float = 12, trace: Callable[[str], None] = lambda line: None) -> Report:
    """Play one world. Raises AssertionError, which names the seed."""
    report = quorum_world.run(seed, seconds, trace, World)
    assert isinstance(report, Report)
    return report
