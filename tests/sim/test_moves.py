"""Moves between the log directories of a broker: whatever happens in the middle, nothing is lost or left over."""

import asyncio
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from server.metadata.controller import configs
from server.model.errors import ErrorCode
from server.model.settings.kinds import ResourceType
from server.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from server.wire.messages.describe_log_dirs import DescribeLogDirsRequest
from server.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.sim.client import Broken
from tests.sim.one_partition import BROKERS, Three, play

ALTER_DIRS, DESCRIBE_DIRS = 34, 35
ONE, TWO = "/data", "/other"
DIRS = {"log.dirs": f"{ONE},{TWO}", "log.segment.delete.delay.ms": "1000"}
SLOW = 20_000  # bytes a second


async def ask(three: Three, broker: int, api_key: int, request: Any) -> Any:
    client = three.nodes.client(broker)
    client.use_newest(api_key)
    try:
        return await client.call(api_key, request)
    finally:
        client.disconnect()


async def move(three: Three, broker: int, path: str, topic: str = "t") -> ErrorCode:
    request = AlterReplicaLogDirsRequest([AlterReplicaLogDir(path, [AlterReplicaLogDirTopic(topic, [0])])])
    answer = await ask(three, broker, ALTER_DIRS, request)
    return ErrorCode(answer.results[0].partitions[0].error_code)


async def described(three: Three, broker: int) -> dict[str, list[tuple[int, bool]]]:
    """(lag, whether it is a copy) of each row, by directory."""
    answer = await ask(three, broker, DESCRIBE_DIRS, DescribeLogDirsRequest(None))
    return {
        each.log_dir: [(row.offset_lag, row.is_future_key) for topic in each.topics for row in topic.partitions]
        for each in answer.results
    }


def folders(three: Three, broker: int) -> dict[str, list[str]]:
    """What of topic t lies in each directory; a copy's and a deleted folder's unique part left out."""
    disk = three.nodes.nodes[broker].disk
    return {
        path: [f"{name.split('.')[0]}{'-' + name.rsplit('-', 1)[1] if '.' in name else ''}" for name in disk.list(path)
               if name.startswith("t-")]
        for path in (ONE, TWO)
    }  # fmt: skip


def where(three: Three, broker: int) -> str:
    log = three.replica(broker).log
    return three.nodes[broker].broker.logs.dir_of(log).path


def known(three: Three, broker: int) -> bool:
    """Whether the controller knows where the replica is."""
    directory = three.nodes[broker].broker.logs.dir_of(three.replica(broker).log).directory_id
    registration = three.registration
    return registration.directory(registration.replicas[broker - 1]) == directory


async def limit(three: Three, rate: int | None) -> None:
    row = AlterableConfig("replica.alter.log.dirs.io.max.bytes.per.second", 0 if rate else 1, str(rate))
    request = IncrementalAlterConfigsRequest([AlterConfigsResource(ResourceType.BROKER, "", [row])])
    await three.nodes[0].broker.controller.decide(lambda image: configs.alter(image, {}, request))


async def settled(three: Three, broker: int, path: str) -> None:
    await three.until(lambda: where(three, broker) == path and known(three, broker))
    other = TWO if path == ONE else ONE
    await three.until(lambda: folders(three, broker) == {path: ["t-0"], other: []})


async def whole(three: Three, written: list[str]) -> None:
    """All replicas are in sync, and hold just these; what had no answer was written again, and may be there twice."""

    def once(broker: int) -> list[str]:
        values = three.values(broker)
        return [value for before, value in pairwise(["", *values]) if value != before]

    await three.in_sync()
    await three.until(lambda: all(once(each) == written for each in BROKERS))


def elsewhere(three: Three, broker: int) -> str:
    return TWO if where(three, broker) == ONE else ONE


@pytest.mark.parametrize("broker", BROKERS)
def test_a_replica_moves_with_all_that_it_has_while_it_is_written(broker: int) -> None:
    async def main(three: Three) -> None:
        values = [f"{number}" for number in range(20)]
        await three.write(*values)
        target = elsewhere(three, broker)
        assert await move(three, broker, target) == ErrorCode.NONE
        for value in ("a", "b", "c"):
            await three.write(value)
        await settled(three, broker, target)
        await three.write("d")
        await three.whole(*values, "a", "b", "c", "d")
        assert (await described(three, broker))[target] == [(0, False)]
        three.nodes.crash(broker)
        three.nodes.launch(broker)
        await three.nodes.ready(broker)
        await three.whole(*values, "a", "b", "c", "d")
        assert where(three, broker) == target

    play(main, DIRS)


def test_a_move_takes_what_its_rate_says_and_is_shown_with_its_lag() -> None:
    async def main(three: Three) -> None:
        await limit(three, SLOW)
        for _ in range(20):
            await three.write("x" * 10_000)
        source, target = where(three, 2), elsewhere(three, 2)
        since = asyncio.get_running_loop().time()
        await move(three, 2, target)
        assert await described(three, 2) in ({source: [(0, False)], target: [(lag, True)]} for lag in (19, 20))
        assert folders(three, 2) == {source: ["t-0"], target: ["t-0-future"]}
        await asyncio.sleep(5)
        ((lag, copy),) = (await described(three, 2))[target]
        assert copy
        assert 8 <= lag <= 12
        await three.until(lambda: where(three, 2) == target)
        took = asyncio.get_running_loop().time() - since
        assert 0.9 <= took * SLOW / 200_000 <= 1.3
        await settled(three, 2, target)

    play(main, DIRS)


def test_a_move_is_given_up_by_moving_back_and_leaves_nothing() -> None:
    async def main(three: Three) -> None:
        await limit(three, 10)
        for _ in range(3):
            await three.write("a")
        source, target = where(three, 1), elsewhere(three, 1)
        assert await move(three, 1, target) == ErrorCode.NONE
        assert await move(three, 1, target) == ErrorCode.NONE
        assert folders(three, 1)[target] == ["t-0-future"]
        assert await move(three, 1, source) == ErrorCode.NONE
        assert await move(three, 1, source) == ErrorCode.NONE
        await settled(three, 1, source)
        await three.whole("a", "a", "a")

    play(main, DIRS)


def test_what_cannot_be_moved_is_refused_and_what_is_to_come_is_remembered() -> None:
    async def main(three: Three) -> None:
        assert await move(three, 1, "/nowhere") == ErrorCode.LOG_DIR_NOT_FOUND
        assert await move(three, 1, TWO, "none") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await move(three, 1, TWO, "n" * 249) == ErrorCode.INVALID_TOPIC_EXCEPTION
        assert await move(three, 1, ONE, "none") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        directories = {each.path: each.directory_id for each in three.nodes[1].broker.logs.dirs}
        assert three.nodes[1].broker.moves.preferred("none", 0) == directories[ONE]
        assert three.nodes[1].broker.moves.preferred("none", 0) is None

    play(main, DIRS)


@pytest.mark.parametrize("seed", range(25))
def test_a_crash_anywhere_in_a_move_loses_nothing(seed: int) -> None:
    """Power cuts and kills while replicas move to and fro, under a rate or none; then all moves end."""

    async def main(three: Three) -> None:
        rng, written = Random(seed), list[str]()

        async def write() -> None:
            written.append(f"{len(written)}" + "x" * rng.randrange(3000))
            await three.write(written[-1])

        for _ in range(rng.randint(1, 20)):
            await write()
        await limit(three, rng.choice([None, 2000, 20_000]))
        for _ in range(rng.randint(1, 4)):
            broker = rng.choice(BROKERS)
            for each in rng.sample(BROKERS, rng.randint(1, 3)):
                try:
                    await move(three, each, rng.choice([ONE, TWO]))
                except Broken:
                    continue
            await asyncio.sleep(rng.choice([0, 0.002, 0.005, 0.01, 0.02, 0.1, 1]))
            await write()
            three.nodes.crash(broker, power=rng.random() < 0.5)
            await write()
            three.nodes.launch(broker)
            await three.nodes.ready(broker)
            await three.in_sync()
        await limit(three, None)
        await whole(three, written)
        for broker in BROKERS:
            await three.until(lambda: three.nodes[broker].broker.logs.futures.get("t", 0) is None)  # noqa: B023
            await settled(three, broker, where(three, broker))
        await whole(three, written)

    play(main, DIRS, seed)
