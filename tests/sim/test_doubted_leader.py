"""What clients are told of a leader that has just died, before the controller knows.

One controller (node 0), three brokers, one partition on brokers 1, 2, 3.
"""

import asyncio

from server.model.errors import ErrorCode
from server.model.ids import NO_LEADER
from server.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.sim.client import Client
from tests.sim.one_partition import BROKERS, Three, play

METADATA = 3
RESET_S = 0.04  # the longest that the network takes to tell of a death


async def told(client: Client) -> tuple[ErrorCode, int]:
    answer = await client.call(METADATA, MetadataRequest([MetadataRequestTopic(name="t")]))
    (partition,) = answer.topics[0].partitions
    return ErrorCode(partition.error_code), partition.leader_id


def test_followers_do_not_name_a_leader_whose_connection_broke() -> None:
    async def main(three: Three) -> None:
        await three.write("a")
        dead = three.registration.leader
        clients = [three.nodes.client(each) for each in BROKERS if each != dead]
        for client in clients:
            client.use_newest(METADATA)
            assert await told(client) == (ErrorCode.NONE, dead)
        three.nodes.crash(dead)
        await asyncio.sleep(RESET_S)
        assert three.registration.leader == dead
        assert [await told(client) for client in clients] == [(ErrorCode.LEADER_NOT_AVAILABLE, NO_LEADER)] * 2
        await three.until(lambda: three.registration.leader != dead, seconds=1)
        await asyncio.sleep(0.5)
        new = three.registration.leader
        assert [await told(client) for client in clients] == [(ErrorCode.NONE, new)] * 2

    play(main)


def test_a_leader_that_is_only_silent_is_named() -> None:
    """It may be slow, or there is nothing to say; the session's time decides."""

    async def main(three: Three) -> None:
        await three.write("a")
        silent = three.registration.leader
        other = next(each for each in BROKERS if each != silent)
        client = three.nodes.client(other)
        client.use_newest(METADATA)
        three.nodes.network.cut(f"node{silent}", f"node{other}")
        await asyncio.sleep(3)
        assert await told(client) == (ErrorCode.NONE, silent)

    play(main)
