"""A connection to another node, over a network in memory, to a service that a test writes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

import pytest

from server.model.errors import ErrorCode, Rejected
from server.net.answers import Disconnect, Service
from server.net.limits import Limits
from server.net.listener import listen
from server.net.peer import Peer, PeerLimits, Unreachable
from server.net.registry import Registry
from server.wire import api as wire
from server.wire.frames import decode_request_header, response_frame
from server.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from server.wire.messages.fetch import FetchableTopicResponse, FetchRequest, FetchResponse, PartitionData
from server.wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from tests.sim.loop import simulate
from tests.sim.network import MemoryNetwork

FETCH, LIST_GROUPS, API_VERSIONS = 1, 16, 18
Serve = Callable[[int, int, Any], Any]


class World:
    """One node at "a" that asks, and at "b" a port 1 that answers as `serve(api_key, version, request)` says."""

    def __init__(self, serve: Serve, versions: dict[int, tuple[int, int]] | None = None) -> None:
        self.net = MemoryNetwork(Random(0))
        self.versions = versions or {FETCH: (4, 18), LIST_GROUPS: (0, 5), API_VERSIONS: (0, 4)}
        self.serve, self.connections = serve, 0
        self.registry = Registry(Limits())
        self.peer = Peer(self.net.host("a"), "b", 1, "test")

    async def up(self) -> None:
        self.listening = await listen(self.net.host("b"), self.registry, "", 1, self._service, lambda: None)

    def down(self) -> None:
        self.listening.close()
        self.registry.close_all()

    def _service(self, _: object) -> Service:
        self.connections += 1
        return self._answer

    def _answer(self, frame: memoryview) -> Any:
        header, at = decode_request_header(frame)
        request = wire.decode_request(header.api_key, header.version, frame, at)
        if header.api_key == API_VERSIONS:
            response = ApiVersionsResponse(0, [ApiVersion(key, *span) for key, span in self.versions.items()])
            return self._frame(header, response)
        response = self.serve(header.api_key, header.version, request)
        return self._later(header, response) if asyncio.iscoroutine(response) else self._frame(header, response)

    async def _later(self, header: Any, response: Awaitable[Any]) -> list[Any]:
        return self._frame(header, await response)

    def _frame(self, header: Any, response: Any) -> list[Any]:
        body = wire.encode_response(header.api_key, header.version, response)
        version = wire.header_versions(header.api_key, header.version)[1]
        return [response_frame(header.correlation_id, version, body)]


def run(main: Coroutine[Any, Any, None]) -> None:
    simulate(main)


def groups(throttle_time_ms: int = 0) -> ListGroupsResponse:
    return ListGroupsResponse(throttle_time_ms)


def test_the_newest_version_that_both_know_is_spoken() -> None:
    async def main() -> None:
        world = World(lambda key, version, request: groups(version), {LIST_GROUPS: (0, 3)})
        await world.up()
        assert (await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)).throttle_time_ms == 3
        assert (await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000, max_version=1)).throttle_time_ms == 1
        assert world.connections == 1

    run(main())


def test_what_the_other_does_not_know_is_refused_here() -> None:
    async def main() -> None:
        world = World(lambda *_: groups(), {LIST_GROUPS: (9, 9)})
        await world.up()
        with pytest.raises(Rejected) as refused:
            await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
        assert refused.value.code == ErrorCode.UNSUPPORTED_VERSION

    run(main())


def test_requests_are_pipelined_over_one_connection() -> None:
    async def main() -> None:
        count = iter(range(100))
        world = World(lambda *_: groups(next(count)))
        await world.up()
        asked = [world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000) for _ in range(20)]
        assert [answer.throttle_time_ms for answer in await asyncio.gather(*asked)] == list(range(20))
        assert world.connections == 1

    run(main())


@pytest.mark.parametrize("size", [10, 60_000, 70_000, 1_000_000])
def test_records_keep_their_bytes_when_later_answers_arrive(size: int) -> None:
    async def main() -> None:
        sent = iter(range(1, 100))

        def fetched(*_: object) -> FetchResponse:
            row = PartitionData(0, aborted_transactions=None, records=bytes([next(sent)]) * size)
            return FetchResponse(responses=[FetchableTopicResponse("t", partitions=[row])])

        world = World(fetched)
        await world.up()
        kept = []
        for _ in range(12):
            answer = await world.peer.request(FETCH, FetchRequest(), 5000)
            kept.append(answer.responses[0].partitions[0].records)
        assert all(isinstance(records, memoryview) for records in kept)
        assert [bytes(records) for records in kept] == [bytes([n]) * size for n in range(1, 13)]

    run(main())


def test_nobody_listens_is_told_apart_from_nobody_answers() -> None:
    async def main() -> None:
        world = World(lambda *_: groups())
        with pytest.raises(Unreachable, match="nobody listens at b:1") as refused:
            await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
        assert refused.value.refused
        world.net.cut("a", "b")
        with pytest.raises(Unreachable, match="did not answer within 1000 ms") as silent:
            await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
        assert not silent.value.refused

    run(main())


def test_it_connects_again_after_the_other_came_back() -> None:
    async def main() -> None:
        world = World(lambda *_: groups())
        await world.up()
        await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
        world.down()
        for _ in range(5):
            with pytest.raises(Unreachable):
                await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
        await world.up()
        await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
        assert world.connections == 2

    run(main())


def test_dials_that_fail_wait_longer_and_longer_up_to_a_limit() -> None:
    async def main() -> None:
        world, now = World(lambda *_: groups()), asyncio.get_running_loop().time
        waited = []
        for _ in range(8):
            began = now()
            with pytest.raises(Unreachable):
                await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 1000)
            waited.append(round(now() - began, 1))
        limits = PeerLimits()
        assert waited[0] == 0.0
        assert waited[-1] == pytest.approx(limits.reconnect_backoff_max_ms / 1000, abs=0.1)

    run(main())


def test_all_that_wait_fail_with_the_connection() -> None:
    async def main() -> None:
        world = World(lambda *_: asyncio.sleep(1000))
        await world.up()
        asked = [world.peer.request(LIST_GROUPS, ListGroupsRequest(), 60_000) for _ in range(3)]
        waiting = asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(1)
        world.down()
        assert [type(answer) for answer in await waiting] == [Unreachable] * 3

    run(main())


def test_an_answer_that_does_not_come_ends_the_connection() -> None:
    async def main() -> None:
        slow = iter([asyncio.sleep(1000)])
        world = World(lambda *_: next(slow, groups()))
        await world.up()
        with pytest.raises(Unreachable, match="did not answer"):
            await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 500)
        assert not world.peer.connected
        await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 500)
        assert world.connections == 2

    run(main())


def test_an_answer_that_cannot_be_read_ends_the_connection() -> None:
    async def main() -> None:
        world = World(lambda *_: groups())
        await world.up()
        await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 500)
        world._frame = lambda header, response: [response_frame(header.correlation_id + 1, 1, b"")]  # type: ignore[method-assign]
        with pytest.raises(Unreachable, match="cannot be read"):
            await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 500)
        assert not world.peer.connected

    run(main())


def test_a_frame_beyond_the_limit_is_not_received() -> None:
    async def main() -> None:
        row = PartitionData(0, aborted_transactions=None, records=bytes(5000))
        world = World(lambda *_: FetchResponse(responses=[FetchableTopicResponse("t", partitions=[row])]))
        world.peer = Peer(world.net.host("a"), "b", 1, "test", PeerLimits(max_response_bytes=4000))
        await world.up()
        with pytest.raises(Unreachable, match="a frame of 50"):
            await world.peer.request(FETCH, FetchRequest(), 500)

    run(main())


def test_a_closed_peer_asks_nobody() -> None:
    async def main() -> None:
        def hang_up(*_: object) -> None:
            raise Disconnect("never asked")

        world = World(hang_up)
        await world.up()
        waiting = asyncio.ensure_future(world.peer.request(LIST_GROUPS, ListGroupsRequest(), 500))
        await asyncio.sleep(0)
        world.peer.close()
        with pytest.raises(Unreachable, match="closed"):
            await waiting
        with pytest.raises(Unreachable, match="closed"):
            await world.peer.request(LIST_GROUPS, ListGroupsRequest(), 500)

    run(main())
