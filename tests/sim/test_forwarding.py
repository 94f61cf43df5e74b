"""What a broker hands on to the active controller, while that one is slow, is lost, or gives its place to another."""

import asyncio
from random import Random

from server.broker.outcome import WHY
from server.model.errors import ErrorCode
from server.wire.messages import create_topics, delete_topics
from tests.sim.client import CREATE_TOPICS
from tests.sim.loop import simulate
from tests.sim.nodes import SimNodes

BROKER = 3
DELETE_TOPICS = 20


async def cluster() -> SimNodes:
    nodes = SimNodes(Random(0), controllers=3, brokers=1)
    await nodes.up()
    await create(nodes, "first")  # the connection is there
    return nodes


async def create(nodes: SimNodes, *names: str) -> list[tuple[str, ErrorCode, str | None]]:
    client = nodes.client(BROKER)
    client.use_newest(CREATE_TOPICS)
    rows = [create_topics.CreatableTopic(name, 1, 1) for name in names]
    answer = await client.call(CREATE_TOPICS, create_topics.CreateTopicsRequest(rows, 30_000))
    return [(row.name, ErrorCode(row.error_code), row.error_message) for row in answer.topics]


async def delete(nodes: SimNodes, name: str) -> ErrorCode:
    client = nodes.client(BROKER)
    client.use_newest(DELETE_TOPICS)
    rows = [delete_topics.DeleteTopicState(name)]
    answer = await client.call(DELETE_TOPICS, delete_topics.DeleteTopicsRequest(topics=rows, timeout_ms=30_000))
    return ErrorCode(answer.responses[0].error_code)


async def without_its_answer(nodes: SimNodes, asked: "asyncio.Task[object]", done: str, *, there: bool) -> None:
    """Kill the controller when it has done what `asked` asks; its answer, and the news of it, never get through."""
    leader = nodes.leader()
    assert leader is not None
    nodes.network.cut(f"node{leader}", f"node{BROKER}")
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.001)
            if (done in nodes[leader].broker.image.topics) == there:
                break
    assert not asked.done()
    nodes.crash(leader, power=True)


def test_a_create_that_was_carried_out_by_a_controller_now_dead_is_not_called_a_repetition() -> None:
    async def main() -> None:
        nodes = await cluster()
        asked = asyncio.create_task(create(nodes, "t"))
        await without_its_answer(nodes, asked, "t", there=True)
        assert await asked == [("t", ErrorCode.REQUEST_TIMED_OUT, WHY)]
        assert await create(nodes, "t", "u") == [
            ("t", ErrorCode.TOPIC_ALREADY_EXISTS, "Topic 't' already exists."),
            ("u", ErrorCode.NONE, None),
        ]

    simulate(main())


def test_a_delete_that_was_carried_out_by_a_controller_now_dead_is_not_told_that_there_is_no_such_topic() -> None:
    async def main() -> None:
        nodes = await cluster()
        await create(nodes, "t")
        asked = asyncio.create_task(delete(nodes, "t"))
        await without_its_answer(nodes, asked, "t", there=False)
        assert await asked == ErrorCode.REQUEST_TIMED_OUT
        assert await delete(nodes, "t") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    simulate(main())


def test_a_create_that_never_reached_the_controller_is_just_made_by_the_next_one() -> None:
    async def main() -> None:
        nodes = await cluster()
        leader = nodes.leader()
        assert leader is not None
        nodes.network.cut(f"node{BROKER}", f"node{leader}")
        asked = asyncio.create_task(create(nodes, "t"))
        await asyncio.sleep(1)
        nodes.crash(leader)
        nodes.network.mend()
        assert await asked == [("t", ErrorCode.NONE, None)]

    simulate(main())


def test_a_controller_that_is_deposed_while_it_creates_leaves_it_to_the_next() -> None:
    """Its own half is never committed, so that the client hears nothing of it."""

    async def main() -> None:
        nodes = await cluster()
        leader = nodes.leader()
        assert leader is not None
        for voter in nodes.voters:
            if voter != leader:
                nodes.network.cut(f"node{leader}", f"node{voter}")
                nodes.network.cut(f"node{voter}", f"node{leader}")
        assert await create(nodes, "t") == [("t", ErrorCode.NONE, None)]
        nodes.network.mend()

    simulate(main())
