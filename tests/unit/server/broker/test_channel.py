"""The way to the active controller, over a network in memory, to a controller that a test writes."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.broker.channel import BROKER_HEARTBEAT, ENVELOPE, Channel
from server.broker.context import Client, Context
from server.broker.controller import ActiveController
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NodeId
from server.net.answers import Service
from server.net.limits import Limits
from server.net.listener import listen
from server.net.registry import Registry
from server.raft.voters import Peer
from server.wire import api as wire
from server.wire.frames import decode_request_header, response_frame
from server.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from server.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from server.wire.messages.envelope import EnvelopeResponse
from tests.sim.doors import SimClock
from tests.sim.loop import simulate
from tests.sim.network import MemoryNetwork

API_VERSIONS, CREATE_TOPICS, CREATE_VERSION = 18, 19, 7
LOCAL = Client("10.0.0.1", 1, "PLAINTEXT")


class World:
    """A broker's channel at "a", and at "b" a controller that takes `create_s` for what is handed on to it."""

    def __init__(self, create_s: float) -> None:
        self.create_s, self.beat_s, self.asked = create_s, 0.0, 0
        self.net = MemoryNetwork(Random(0))
        leader = SimpleNamespace(active=False, leader_peer=Peer(NodeId(1), "b", 1))
        self.channel = Channel(cast(ActiveController, leader), {}, _nobody, self.net.host("a"), SimClock(), NodeId(0))

    async def up(self) -> None:
        self.registry = Registry(Limits())
        await listen(self.net.host("b"), self.registry, "", 1, self._service, lambda: None)

    def _service(self, _: object) -> Service:
        return self._answer

    def _answer(self, frame: memoryview) -> Any:
        header, at = decode_request_header(frame)
        wire.decode_request(header.api_key, header.version, frame, at)
        if header.api_key == ENVELOPE:
            return self._create(header)
        keys = [ApiVersion(API_VERSIONS, 0, 4), ApiVersion(ENVELOPE, 0, 0), ApiVersion(BROKER_HEARTBEAT, 0, 1)]
        if header.api_key == BROKER_HEARTBEAT:
            return self._beat(header)
        return self._frame(header, ApiVersionsResponse(0, keys))

    async def _beat(self, header: Any) -> list[Any]:
        await asyncio.sleep(self.beat_s)
        return self._frame(header, BrokerHeartbeatResponse())

    async def _create(self, header: Any) -> list[Any]:
        self.asked += 1
        await asyncio.sleep(self.create_s)
        inner = CreateTopicsResponse(topics=[CreatableTopicResult("t")])
        body = wire.encode_response(CREATE_TOPICS, CREATE_VERSION, inner)
        data = response_frame(0, wire.header_versions(CREATE_TOPICS, CREATE_VERSION)[1], body)
        return self._frame(header, EnvelopeResponse(bytes(data)[4:]))

    def _frame(self, header: Any, response: Any) -> list[Any]:
        body = wire.encode_response(header.api_key, header.version, response)
        return [response_frame(header.correlation_id, wire.header_versions(header.api_key, header.version)[1], body)]

    async def create(self, timeout_ms: int) -> ErrorCode:
        request = CreateTopicsRequest([CreatableTopic("t", 1, 1)], timeout_ms)
        answer = await self.channel.forward(Context(CREATE_VERSION, "c", LOCAL, False, {}), CREATE_TOPICS, request)
        return ErrorCode(answer.topics[0].error_code)


async def _nobody(client: Client, frame: memoryview) -> bytes:
    raise AssertionError("the controller is elsewhere")


def run(world: World, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def body() -> None:
        await world.up()
        await main()

    simulate(body())


def test_heartbeats_go_on_while_a_long_request_is_served_and_it_is_sent_once() -> None:
    world = World(create_s=20)

    async def main() -> None:
        asked = asyncio.create_task(world.create(timeout_ms=1000))
        for _ in range(6):
            await world.channel.request(BROKER_HEARTBEAT, BrokerHeartbeatRequest(), timeout_ms=100)
            await asyncio.sleep(3)
        assert not asked.done()
        assert await asked == ErrorCode.NONE
        assert world.asked == 1

    run(world, main)


def test_a_controller_has_as_long_as_the_request_says() -> None:
    world = World(create_s=100)

    async def main() -> None:
        assert await world.create(timeout_ms=120_000) == ErrorCode.NONE
        assert world.asked == 1

    run(world, main)


def test_a_request_does_not_wait_behind_another_one() -> None:
    world = World(create_s=20)

    async def main() -> None:
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*(world.create(timeout_ms=1000) for _ in range(4)))
        assert asyncio.get_running_loop().time() - started < 21

    run(world, main)


def test_a_controller_that_was_found_may_take_longer_than_one_is_looked_for() -> None:
    world = World(create_s=0)
    world.beat_s = 4

    async def main() -> None:
        beat = BrokerHeartbeatRequest()
        await world.channel.request(BROKER_HEARTBEAT, beat, timeout_ms=1000, answer_ms=10_000)
        with pytest.raises(Rejected):
            await world.channel.request(BROKER_HEARTBEAT, beat, timeout_ms=1000)

    run(world, main)
