"""Requests for many topics: decided piece by piece, answered as one."""

from typing import Any

from server.broker.creating import TOPICS_A_PIECE
from server.metadata.controller.topics import MAX_PARTITIONS_A_REQUEST
from server.model.errors import ErrorCode
from server.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from tests.sim.loop import simulate
from tests.support.one_node import OneNode

CREATE_TOPICS = 19
MANY = 2 * TOPICS_A_PIECE + 1


def wanted(count: int = MANY) -> list[CreatableTopic]:
    return [CreatableTopic(f"t{number:04}", 1, 1) for number in range(count)]


async def create(world: OneNode, topics: list[CreatableTopic], **options: Any) -> dict[str, int]:
    response = await world.ask(CREATE_TOPICS, CreateTopicsRequest(topics, timeout_ms=60_000, **options))
    return {row.name: row.error_code for row in response.topics}


def test_all_are_created_and_answered_in_their_order() -> None:
    async def main() -> None:
        world = OneNode()
        node = await world.start()
        assert list((await create(world, wanted())).items()) == [(topic.name, 0) for topic in wanted()]
        assert set(node.broker.image.topics) == {topic.name for topic in wanted()}
        await world.node.stop()

    simulate(main())


def test_the_limit_of_partitions_is_that_of_the_whole_request() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        last = CreatableTopic("last", MAX_PARTITIONS_A_REQUEST - MANY + 1, 1)
        assert (await create(world, [*wanted(), last]))["last"] == ErrorCode.POLICY_VIOLATION
        await world.node.stop()

    simulate(main())


def test_a_name_that_comes_twice_is_refused_wherever_it_stands() -> None:
    async def main() -> None:
        world = OneNode()
        await world.start()
        answers = await create(world, [*wanted(), wanted(1)[0]])
        assert answers["t0000"] == ErrorCode.INVALID_REQUEST
        assert sum(answers.values()) == ErrorCode.INVALID_REQUEST
        await world.node.stop()

    simulate(main())


def test_what_is_only_validated_is_not_created() -> None:
    async def main() -> None:
        world = OneNode()
        node = await world.start()
        assert set((await create(world, wanted(), validate_only=True)).values()) == {0}
        assert not node.broker.image.topics
        await world.node.stop()

    simulate(main())
