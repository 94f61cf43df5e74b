"""Exactly once in a seed: consume, copy, produce in transactions, while whole nodes crash and links break.

    report = run(seed)      # raises AssertionError that names what went wrong; one seed, one trace

Copiers of both versions of transactions copy numbers into four partitions, and commit in the same transaction how far
they are; twins share a transactional id, and shut each other out. Coordinators, leaders and controllers crash under
them. Readers of committed data watch. In the end (tests/support/txn_history.py): no duplicate, nothing lost, nothing
torn, nothing read that was aborted; no transaction hangs, and all replicas have the same bytes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from server.metadata.image import Image
from server.model.errors import ErrorCode
from server.model.ids import NO_LEADER
from server.records import batch
from server.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tests.sim import quorum_world, replicated_world
from tests.sim.actors import Place
from tests.sim.client import Broken
from tests.sim.nodes import SimNodes
from tests.sim.quorum_world import HEAL_S, WatchedNode
from tests.sim.replicated_world import PLACES, PROPERTIES, TOPICS
from tests.sim.txn_client import Copier, Hosts, TxnClient
from tests.support.txn_history import Read, TxnHistory, check

FETCH, READ_COMMITTED = 1, 1
SOURCES = (Place("plain", 0), Place("plain", 1))  # whose records are the numbers from 0 on, and stand nowhere
TRANSACTIONAL = PROPERTIES | {
    "transaction.state.log.num.partitions": "2",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "offsets.topic.num.partitions": "2",
    "offsets.topic.replication.factor": "3",
    "request.timeout.ms": "3000",
}
ENDED_S = 30


@dataclass
class Report(replicated_world.Report):
    commits: int = 0
    lives: int = 0


class World(replicated_world.World):
    def __init__(self, seed: int, seconds: float, trace: Callable[[str], None]) -> None:
        super().__init__(seed, seconds, trace)
        self.report: Report = Report(seed)
        shape = self.rng.choice([{"combined": 3}, {"combined": 3}, {"combined": 3, "brokers": 1}])
        self.nodes = SimNodes(self.rng, **shape, properties=TRANSACTIONAL, trace=trace, make=WatchedNode)
        self.told, self.copiers = TxnHistory(), list[Copier]()
        self._calm = False
        self._epochs: dict[str, int] = {}

    async def run(self) -> quorum_world.Report:
        await self.nodes.up()
        for name, config in TOPICS.items():
            await self._make_topic(name, config)
        await self._alike()
        for number, source in enumerate(SOURCES):
            for twin in "ab"[: self.rng.randint(1, 2)]:
                copier = self._copier(f"{number}{twin}", number, source)
                self.copiers.append(copier)
        loop = asyncio.get_running_loop()
        self._actors += [loop.create_task(copier.run()) for copier in self.copiers]
        self._actors += [loop.create_task(self._watch(place)) for place in PLACES[:2]]
        await asyncio.sleep(2)  # for the coordinators' topics
        await self._trouble()
        await self._heal()
        await self._in_sync()
        await asyncio.sleep(self.rng.uniform(0, 3))
        self._calm = True
        for copier in self.copiers:
            copier.stopping = True
        async with asyncio.timeout(5 * HEAL_S):
            await asyncio.gather(*self._actors)
        await self._judge()
        self.report.records = len(self.told.final)
        self.report.read = len(self.told.reads)
        self.report.commits = sum(copier.commits for copier in self.copiers)
        self.report.lives = sum(copier.lives for copier in self.copiers)
        self.report.elections = sum(each.leader_epoch for _, _, each in self.image.all_partitions())
        return self.report

    # -- clients

    def _copier(self, name: str, number: int, source: Place) -> Copier:
        version = self.rng.choice([1, 2])
        client = TxnClient(
            self.rng, self._hosts(), f"t{number}", version, self._node_leading, self._topic_id, self._timestamp_ms
        )
        return Copier(client, name, f"g{number}", source, PLACES, self.told.attempts)

    def _hosts(self) -> Hosts:
        return Hosts(self.nodes.client, lambda: self.rng.choice(self.nodes.brokers))

    def _timestamp_ms(self) -> int:
        return self.nodes.nodes[0].clock.timestamp_ms()

    def _node_leading(self, place: Place) -> int | None:
        topic = self.image.topics.get(place.topic)
        registration = None if topic is None else topic.partitions.get(place.index)
        return None if registration is None or registration.leader == NO_LEADER else int(registration.leader)

    def _epoch_of(self, place: Place) -> int:
        """The latest leader epoch that anybody here has seen: a client goes back to none before it (KIP-320)."""
        topic = self.image.topics.get(place.topic)
        registration = None if topic is None else topic.partitions.get(place.index)
        known = -1 if registration is None else registration.leader_epoch
        self._epochs[str(place)] = max(known, self._epochs.get(str(place), -1))
        return self._epochs[str(place)]

    async def _watch(self, place: Place) -> None:
        """Read committed data while it comes."""
        position, hosts = 0, self._hosts()
        while not self._calm:
            await asyncio.sleep(self.rng.uniform(0.02, 0.3))
            rows, position, _ = await self._read(hosts, place, position)
            self.told.reads += rows
        hosts.close()

    async def _read(self, hosts: Hosts, place: Place, position: int) -> tuple[list[Read], int, tuple[int, int]]:
        """One Fetch of committed data: the rows, the next position, (LSO, HW); (-1, -1) where there is no answer."""
        topic = FetchTopic(
            place.topic,
            self._topic_id(place.topic),
            [FetchPartition(place.index, self._epoch_of(place), position, partition_max_bytes=1 << 16)],
        )
        request = FetchRequest(
            max_wait_ms=100, min_bytes=1, max_bytes=1 << 16, isolation_level=READ_COMMITTED, topics=[topic]
        )
        try:
            answer = await hosts.call(self._node_leading(place), FETCH, 12, request)
        except Broken:
            return [], position, (-1, -1)
        row = answer.responses[0].partitions[0]
        if row.error_code:
            assert row.error_code != ErrorCode.OFFSET_OUT_OF_RANGE, f"{place} ends before {position}"
            return [], position, (-1, -1)
        now_ns = round(asyncio.get_running_loop().time() * 1e9)
        rows, position = _committed_rows(row, str(place), position, now_ns)
        return rows, position, (row.last_stable_offset, row.high_watermark)

    # -- judgement

    @staticmethod
    def _lagging(image: Image) -> list[str]:
        return [
            f"{topic.name}-{index}: {registration}"
            for topic, index, registration in image.all_partitions()
            if set(registration.isr) != set(registration.replicas) or registration.leader < 0
        ]

    async def _judge(self) -> None:
        hosts = self._hosts()
        await self._all_ended(hosts)
        for place in PLACES:
            rows, position, ends = await self._read(hosts, place, 0)
            while ends != (position, position):
                more, position, ends = await self._read(hosts, place, position)
                rows += more
            self.told.final += [read._replace(time_ns=-1) for read in rows]
        reader = self._copier("judge", 0, SOURCES[0]).client
        self.told.positions = {
            str(source): await reader.position(f"g{number}", source) for number, source in enumerate(SOURCES)
        }
        reader.hosts.close()
        hosts.close()
        anomalies = check(self.told)
        assert not anomalies, "\n".join(map(str, anomalies[:10]))
        await asyncio.sleep(2)  # for the followers to hear of the last high watermark
        for place in PLACES:
            self._same_bytes(place)
        await quorum_world.World._judge(self)

    async def _all_ended(self, hosts: Hosts) -> None:
        """No transaction hangs: each one left open is aborted when its time is over, and readers go on."""
        try:
            async with asyncio.timeout(ENDED_S):
                for place in PLACES:
                    lso, hw = -1, 0
                    while lso != hw or hw < 0:
                        await asyncio.sleep(0.2)
                        _, _, (lso, hw) = await self._read(hosts, place, 0)
        except TimeoutError:
            raise AssertionError(f"a transaction hangs in {place}: {lso} of {hw} is stable") from None


def _committed_rows(row: object, place: str, position: int, now_ns: int) -> tuple[list[Read], int]:
    """What a consumer makes of the batches: without those of aborted transactions, and without markers."""
    aborted = sorted(((txn.first_offset, txn.producer_id) for txn in row.aborted_transactions or ()), reverse=True)  # type: ignore[attr-defined]
    hidden: set[int] = set()
    rows = []
    data = row.records or b""  # type: ignore[attr-defined]
    for at, head in batch.headers(data):
        while aborted and aborted[-1][0] <= head.last_offset:
            hidden.add(aborted.pop()[1])
        if head.is_control:
            hidden.discard(head.producer_id)
        elif head.producer_id not in hidden:
            rows += [
                Read(place, record.offset, bytes(record.value or b"").decode(), now_ns)
                for record in batch.records(data, at)
                if record.offset >= position
            ]
        position = max(position, head.next_offset)
    return rows, position


def run(seed: int, seconds: float = 10, trace: Callable[[str], None] = lambda line: None) -> Report:
    """Play one world. Raises AssertionError, which names the seed."""
    report = quorum_world.run(seed, seconds, trace, World)
    assert isinstance(report, Report)
    return report
