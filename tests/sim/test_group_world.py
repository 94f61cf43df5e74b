"""Groups while brokers crash: one owner for each partition and generation, and no acknowledged commit is lost."""

import asyncio

import pytest

from server.model.ids import OFFSETS_TOPIC
from tests.sim import quorum_world
from tests.sim.group_world import GROUPS, World, run


@pytest.mark.parametrize("seed", range(6))
def test_a_partition_has_one_owner_and_commits_stay(seed: int) -> None:
    report = run(seed, seconds=8)
    assert report.commits > 20


def test_a_world_is_the_same_each_time() -> None:
    assert run(3, seconds=4) == run(3, seconds=4)


class Failover(World):
    """Nothing happens to the members; the coordinators of all groups are killed, one after the other."""

    async def run(self) -> quorum_world.Report:
        await self.begin(3)
        for member in self.members:
            member.behaving = True
        await self.shared()
        before = {group: self.ledgers[group].generations.copy() for group in GROUPS}
        for index in range(2):
            leader = self.image.topics[OFFSETS_TOPIC].partitions[index].leader
            self.nodes.crash(leader)
            await asyncio.sleep(15)
            self.nodes.launch(leader)
            await self.nodes.ready(leader)
            await self._in_sync()
        commits = sum(ledger.commits for ledger in self.ledgers.values())
        await asyncio.sleep(3)
        assert sum(ledger.commits for ledger in self.ledgers.values()) > commits, "members go on committing"
        assert {group: self.ledgers[group].generations for group in GROUPS} == before, "there was a rebalance"
        await self.end()
        return self.report


@pytest.mark.parametrize("seed", range(3))
def test_a_broker_failover_alone_causes_no_rebalance(seed: int) -> None:
    quorum_world.run(seed, 0, make=Failover)
