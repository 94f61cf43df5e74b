"""Throttled replication in virtual time: it takes what its rate says; those in sync are not held back (KIP-73)."""

import asyncio
from random import Random

import pytest

from server.metadata.controller import configs
from server.model.settings.kinds import ResourceType
from server.wire.messages.incremental_alter_configs import AlterableConfig, AlterConfigsResource
from server.wire.messages.incremental_alter_configs import IncrementalAlterConfigsRequest as AlterConfigs
from tests.sim.one_partition import Three, play

RATE = 200_000
LEADER = {"leader.replication.throttled.rate": str(RATE)}
FOLLOWER = {"follower.replication.throttled.rate": str(RATE)}
LEADERS, FOLLOWERS = "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"
VALUE = "x" * 50_000
SET, DELETE = 0, 1


async def alter(three: Three, kind: ResourceType, name: str, values: dict[str, str], operation: int = SET) -> None:
    rows = [AlterableConfig(key, operation, value) for key, value in values.items()]
    request = AlterConfigs([AlterConfigsResource(kind, name, rows)])
    answer = await three.nodes[0].broker.controller.decide(lambda image: configs.alter(image, {}, request))
    assert [each.error_code for each in answer.responses] == [0]


async def left_behind(three: Three, count: int) -> int:
    """Broker 3 comes back without `count` records that the others have; the bytes of those."""
    await three.gone(3)
    before = three.replica(1).log.size
    for _ in range(count):
        await three.write(VALUE)
    return three.replica(1).log.size - before


async def caught_up(three: Three) -> float:
    """Bring broker 3 back; how many seconds it took to get everything."""
    three.nodes.launch(3)
    await three.nodes.ready(3)
    since = asyncio.get_running_loop().time()
    await three.until(lambda: three.replica(3).leo == three.replica(1).leo, seconds=600)
    return asyncio.get_running_loop().time() - since


@pytest.mark.parametrize("rates", [LEADER, FOLLOWER, LEADER | FOLLOWER], ids=["leader", "follower", "both"])
def test_a_throttled_replica_gets_what_it_lacks_in_the_time_that_its_rate_says(rates: dict[str, str]) -> None:
    async def main(three: Three) -> None:
        await alter(three, ResourceType.BROKER, "", rates)
        await alter(three, ResourceType.TOPIC, "t", {LEADERS: "0:1,0:2", FOLLOWERS: "0:3"})
        size = await left_behind(three, 40)
        took = await caught_up(three)
        assert 0.9 * size / RATE <= took <= 1.3 * size / RATE
        await three.in_sync()

    play(main)


def test_other_replicas_are_not_throttled() -> None:
    async def main(three: Three) -> None:
        await alter(three, ResourceType.BROKER, "", LEADER | FOLLOWER)
        await alter(three, ResourceType.TOPIC, "t", {LEADERS: "1:1,1:2", FOLLOWERS: "0:1,0:2,1:3"})
        await left_behind(three, 40)
        assert await caught_up(three) < 1

    play(main)


def test_a_throttle_that_is_taken_away_holds_nothing_back_any_more() -> None:
    async def main(three: Three) -> None:
        await alter(three, ResourceType.BROKER, "", dict.fromkeys(LEADER | FOLLOWER, "1"))
        await alter(three, ResourceType.TOPIC, "t", {LEADERS: "*", FOLLOWERS: "*"})
        await left_behind(three, 40)
        three.nodes.launch(3)
        await three.nodes.ready(3)
        await asyncio.sleep(30)
        assert three.replica(3).leo < three.replica(1).leo
        await alter(three, ResourceType.BROKER, "", LEADER | FOLLOWER, DELETE)
        await three.until(lambda: three.replica(3).leo == three.replica(1).leo, seconds=5)

    play(main)


@pytest.mark.parametrize("seed", range(4))
def test_those_in_sync_stay_so_whatever_the_rate(seed: int) -> None:
    """Far more is written than the throttles let through; nobody leaves the ISR, and no write waits for long."""

    async def main(three: Three) -> None:
        rng = Random(seed)
        await alter(three, ResourceType.BROKER, "", dict.fromkeys(LEADER | FOLLOWER, "1000"))
        await alter(three, ResourceType.TOPIC, "t", {LEADERS: "*", FOLLOWERS: "*"})
        since = asyncio.get_running_loop().time()
        for _ in range(60):
            await three.write(VALUE[: rng.randrange(1, 50_000)])
            assert len(three.registration.isr) == 3
            await asyncio.sleep(rng.choice([0, 0, 1]))
        assert asyncio.get_running_loop().time() - since < 100
        await three.gone(3)
        for _ in range(10):
            await three.write(VALUE)
        assert {*three.registration.isr} == {1, 2}

    play(main)
