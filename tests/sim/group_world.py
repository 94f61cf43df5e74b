"""Groups in a seed: whole nodes, consumers that join, leave, die and pause, while brokers crash and links are cut.

    report = run(seed)      # raises AssertionError that names what went wrong; one seed, one trace

Told by the ledgers (`group_members`): a partition has one owner in a generation, nothing is committed that nobody asked
for, no commit that was acknowledged is lost. And in the end: every group shares all partitions among those who live.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from server.metadata.image import Image
from server.model.ids import NO_LEADER, OFFSETS_TOPIC
from tests.sim import quorum_world, replicated_world
from tests.sim.actors import Place
from tests.sim.client import Client
from tests.sim.group_members import REBALANCE_MS, SESSION_MS, Ledger, Member
from tests.sim.nodes import SimNodes
from tests.sim.quorum_world import HEAL_S, WatchedNode
from tests.sim.replicated_world import PLACES, PROPERTIES, TOPICS

SHARDS = 2
PROPERTIES_OF_GROUPS = PROPERTIES | {
    "min.insync.replicas": "2",
    "offsets.topic.num.partitions": str(SHARDS),
    "offsets.topic.replication.factor": "3",
    "group.initial.rebalance.delay.ms": "300",
    "group.min.session.timeout.ms": "1000",
}
GROUPS = ("alpha", "beta", "gamma")


@dataclass
class Report(replicated_world.Report):
    commits: int = 0
    generations: int = 0


class World(replicated_world.World):
    def __init__(self, seed: int, seconds: float, trace: Callable[[str], None]) -> None:
        super().__init__(seed, seconds, trace)
        self.report: Report = Report(seed)
        shape = self.rng.choice([{"combined": 3}, {"combined": 3, "brokers": 1}])
        self.nodes = SimNodes(self.rng, **shape, properties=PROPERTIES_OF_GROUPS, trace=trace, make=WatchedNode)
        self.ledgers = {group: Ledger(self._heard) for group in GROUPS}
        self._beheading = False
        self.members: list[Member] = []

    async def run(self) -> quorum_world.Report:
        await self.begin(self.rng.randint(1, 4))
        self._beheading = self.rng.random() < 0.5
        await self._trouble()
        self._beheading = False
        await self._heal()
        await self._in_sync()
        for member in self.members:
            member.behaving = True
        await self.shared()
        for group in GROUPS:
            first, *others = [member for member in self.members if member.group == group]
            if others:
                first.die()
        await self.shared()
        await self.end()
        self.report.commits = sum(ledger.commits for ledger in self.ledgers.values())
        self.report.generations = sum(len(ledger.generations) for ledger in self.ledgers.values())
        return self.report

    async def begin(self, members: int) -> None:
        await self.nodes.up()
        for name, config in TOPICS.items():
            await self._make_topic(name, config)
        await self._alike()
        for group, ledger in self.ledgers.items():
            for number in range(members):
                rng = Random(self.rng.random())
                member = Member(f"{group}{number}", group, PLACES, ledger, rng, self._find)
                self.members.append(member)
                self._actors.append(asyncio.get_running_loop().create_task(member.run()))

    async def end(self) -> None:
        for member in self.members:
            member.stopping = True
        async with asyncio.timeout(5 * HEAL_S):
            await asyncio.gather(*self._actors)
        await quorum_world.World._judge(self)
        # Sessions end, and are recorded; then the followers hear of the last high watermark.
        await asyncio.sleep((SESSION_MS + REBALANCE_MS) / 1000 + 2)
        for index in range(SHARDS):
            self._same_bytes(Place(OFFSETS_TOPIC, index))

    def _heard(self) -> None:
        """A commit was acknowledged a moment ago: what if its coordinator dies, before others have it?"""
        topic = self.image.topics.get(OFFSETS_TOPIC)
        if self._beheading and topic is not None and self.rng.random() < 0.1:
            leader = topic.partitions[self.rng.randrange(SHARDS)].leader
            if leader != NO_LEADER and self.nodes.nodes[leader].process.alive:
                self.nodes.crash(leader)
                self.report.crashes += 1
                self._later(self.rng.uniform(4, 8), leader)

    def _find(self, node_id: int) -> Client:
        return self.nodes.client(self.rng.choice(self.nodes.brokers) if node_id < 0 else node_id)

    @staticmethod
    def _lagging(image: Image) -> list[str]:
        return [
            f"{topic.name}-{index}: {registration}"
            for topic, index, registration in image.all_partitions()
            if set(registration.isr) != set(registration.replicas) or registration.leader < 0
        ]

    async def shared(self) -> None:
        """Wait until the members of each group own all partitions, each of them one."""
        try:
            async with asyncio.timeout(HEAL_S):
                while True:
                    await asyncio.sleep(0.1)
                    for actor in self._actors:
                        if actor.done():
                            actor.result()
                    if all(map(self._is_shared, GROUPS)):
                        return
        except TimeoutError:
            owned = {member.name: (member.generation, sorted(map(str, member.owned))) for member in self.members}
            raise AssertionError(f"partitions are not shared: {owned}") from None

    def _is_shared(self, group: str) -> bool:
        members = [member for member in self.members if member.group == group and not member.dead]
        owned = [place for member in members for place in member.owned]
        joined = all(member.generation >= 0 for member in members)
        return joined and len({member.generation for member in members}) == 1 and sorted(owned) == sorted(PLACES)


def run(seed: int, seconds: float = 10, trace: Callable[[str], None] = lambda line: None) -> Report:
    """Play one world. Raises AssertionError, which names the seed."""
    report = quorum_world.run(seed, seconds, trace, World)
    assert isinstance(report, Report)
    return report
