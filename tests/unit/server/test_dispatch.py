"""The line that every request walks, and what can befall it there."""

import asyncio
import importlib
import logging
from collections.abc import Awaitable
from random import Random
from typing import Any, cast

import pytest

from server import dispatch
from server.broker.context import Client
from server.dispatch import BROKER, CONTROLLER, TABLE
from server.metadata.image import Image
from server.model.errors import ErrorCode, Rejected
from server.net.answers import AfterWrite, Answer, Disconnect, Service
from server.replication.sessions import Sessions
from server.wire import api, frames
from server.wire.frames import RequestHeader
from server.wire.messages.api_versions import ApiVersionsRequest
from server.wire.messages.by_hand import ALL
from server.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from server.wire.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from server.wire.messages.describe_producers import DescribeProducersRequest, TopicRequest
from server.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from server.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from server.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from server.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.support.data_plane import DataPlane
from tests.unit.server.handlers.worlds import plane, run

DATA_PLANE = (0, 1, 2, 18, 21, 23, 35, 61)


def framed(key: int, version: int, request: Any, correlation_id: int = 7) -> memoryview:
    header = RequestHeader(key, version, correlation_id, "a-client")
    return memoryview(bytearray(frames.request_frame(header, api.encode_request(key, version, request)))[4:])


def read(answer: Answer, key: int, version: int, correlation_id: int = 7) -> Any:
    """The response in an answer that was given at once."""
    assert isinstance(answer, list)
    whole = b"".join(map(bytes, answer))
    assert int.from_bytes(whole[:4], "big") == len(whole) - 4
    got, at = frames.decode_response_header(whole, api.header_versions(key, version)[1], 4)
    assert got == correlation_id
    return api.decode_response(key, version, whole, at)


def ask(service: Service, key: int, version: int, request: Any) -> Any:
    answer = service(framed(key, version, request))
    if isinstance(answer, AfterWrite):
        answer = answer.settle()
    return read(cast(Answer, answer), key, version)


def fetch(topic: str, wait_ms: int = 0, **fields: Any) -> FetchRequest:
    wanted = FetchTopic(topic, partitions=[FetchPartition(0, partition_max_bytes=1000)])
    return FetchRequest(topics=[wanted], max_wait_ms=wait_ms, min_bytes=1, **fields)


def produce(topic: str, data: bytes | bytearray, acks: int = 1) -> ProduceRequest:
    return ProduceRequest(None, acks, 1000, [TopicProduceData(topic, partition_data=[PartitionProduceData(0, data)])])


@pytest.mark.parametrize("key", sorted(TABLE))
def test_the_table_names_handlers_that_exist(key: int) -> None:
    assert TABLE[key].key == key
    assert TABLE[key].handler == ALL[key][0], "named after the API"
    assert callable(importlib.import_module(f"server.handlers.{TABLE[key].handler}").handle)
    low, high = TABLE[key].versions
    assert api.served_versions(key)[0] == low <= high <= api.served_versions(key)[1]


@pytest.mark.parametrize("key", DATA_PLANE)
def test_every_version_is_served_with_the_emptiest_of_requests(key: int) -> None:
    async def main() -> None:
        service = plane(a=1).connect()
        request = getattr(importlib.import_module(f"server.wire.messages.{ALL[key][0]}"), f"{ALL[key][1]}Request")()
        if key == 18:
            request = ApiVersionsRequest("a", "1")
        low, high = TABLE[key].versions
        for version in range(low, high + 1):
            if key == 0:
                request.acks = 1
            ask(service, key, version, request)

    run(main)


@pytest.mark.parametrize("version", range(3, 13))
def test_what_is_produced_is_fetched_by_the_next_frame_of_the_same_read(version: int) -> None:
    async def main() -> None:
        p = plane(a=1)
        service = p.connect()
        data = p.batch(b"hello")
        staged = service(framed(0, version, produce("a", data)))
        fetched = read(service(framed(1, 12, fetch("a"))), 1, 12)
        (row,) = fetched.responses[0].partitions
        assert bytes(row.records)[61:] == bytes(data)[61:]
        assert isinstance(staged, AfterWrite)
        produced = read(cast(Answer, staged.settle()), 0, version)
        assert produced.responses[0].partition_responses[0].error_code == 0

    run(main)


def test_nothing_keeps_a_view_of_the_receive_buffer_once_it_is_written() -> None:
    async def main() -> None:
        p = plane(a=1)
        service = p.connect()
        for _ in range(3):
            received = bytearray(framed(0, 9, produce("a", p.batch(b"x"))))
            answer = service(memoryview(received))
            p.broker.writes.flush()
            received.append(0)  # raises BufferError while there is a view
            assert answer is not None

    run(main)


def test_acks_0_has_no_answer() -> None:
    async def main() -> None:
        p = plane(a=1)
        assert p.connect()(framed(0, 9, produce("a", p.batch(b"x"), acks=0))) is None

    run(main)


def test_acks_all_comes_later_and_holds_nobody_up() -> None:
    async def main() -> None:
        p = plane(a=1)
        p.publish(p.registration("a", epoch=1, replicas=(1, 2), isr=(1, 2), partition_epoch=1))
        staged = p.connect()(framed(0, 9, produce("a", p.batch(b"x"), acks=-1)))
        p.broker.writes.flush()
        assert isinstance(staged, AfterWrite)
        later = staged.settle()
        assert isinstance(later, asyncio.Future)
        p.partition("a").fetched(2, 1)  # type: ignore[arg-type]
        produced = read(await later, 0, 9)
        assert produced.responses[0].partition_responses[0].error_code == 0

    run(main)


def test_a_poll_is_awaited() -> None:
    async def main() -> None:
        p = plane(a=1)
        answer = p.connect()(framed(1, 12, fetch("a", wait_ms=300)))
        fetched = read(await cast(Awaitable[Any], answer), 1, 12)
        assert fetched.responses[0].partitions[0].error_code == 0
        assert p.clock.now_ms() == 300

    run(main)


def disconnected(service: Service, frame: bytes | memoryview) -> str:
    with pytest.raises(Disconnect) as caught:
        service(memoryview(bytearray(frame)))
    return str(caught.value)


@pytest.mark.parametrize("size", range(8))
def test_a_frame_too_short_for_a_header(size: int) -> None:
    async def main() -> None:
        assert disconnected(plane().connect(), bytes(size)) == f"a request of {size} bytes"

    run(main)


def test_only_record_data_may_be_as_large_as_a_frame() -> None:
    async def main() -> None:
        p = plane()
        p.create("a", max_message_bytes="50000000", segment_bytes="100000000")
        service = p.connect()
        assert (
            ask(service, 0, 9, produce("a", p.batch(bytes(20_000_000)))).responses[0].partition_responses[0].error_code
            == 0
        )
        rows = [ListOffsetsPartition(n) for n in range(1_100_000)]
        large = framed(2, 5, ListOffsetsRequest(-1, topics=[ListOffsetsTopic("a", rows)]))
        assert disconnected(service, large) == f"a list_offsets request of {len(large)} bytes"

    run(main)


@pytest.mark.parametrize(("key", "version"), [(999, 0), (-1, 0), (0, 2), (0, 14), (1, -1), (3, 99), (4, 0), (52, 0)])
def test_what_is_not_served_ends_the_connection(key: int, version: int) -> None:
    async def main() -> None:
        frame = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True) + bytes(8)
        told = disconnected(plane().connect(), frame)
        assert told == f"api key {key} version {version} is not served"

    run(main)


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (b"\x70\0\0\0", ErrorCode.UNSUPPORTED_VERSION),  # an API that this server does not have
        (b"\0\x13\0\x63", ErrorCode.UNSUPPORTED_VERSION),  # CreateTopics from the future
        (b"\0\0\0\x0c", ErrorCode.INVALID_REQUEST),  # Produce
        (b"\0\x38\0\x02", ErrorCode.INVALID_REQUEST),  # AlterPartition, which brokers ask in their own name
        (b"\0", ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_is_not_forwarded_is_refused_with_what_a_broker_of_kafkas_can_act_on(
    start: bytes, code: ErrorCode
) -> None:
    async def main() -> None:
        broker, client = cast(Any, plane()), Client("127.0.0.1", 0, "CONTROLLER")
        frame = memoryview(start + b"\0\0\0\x07" if len(start) > 1 else start)
        with pytest.raises(Rejected) as refused:
            await dispatch.answer_forwarded(broker, client, frame)
        assert refused.value.code is code

    run(main)


@pytest.mark.parametrize("version", [5, 99, 32767, -1])
def test_a_client_that_is_too_new_learns_what_there_is(version: int) -> None:
    """KIP-511: in version 0, whatever else it sent."""

    async def main() -> None:
        frame = b"\0\x12" + version.to_bytes(2, "big", signed=True) + (7).to_bytes(4, "big") + b"\xff" * 9
        answered = read(plane().connect()(memoryview(frame)), 18, 0)
        assert answered.error_code == ErrorCode.UNSUPPORTED_VERSION
        assert {row.api_key: (row.min_version, row.max_version) for row in answered.api_keys} == {
            key: entry.versions for key, entry in TABLE.items() if entry.planes & BROKER
        }

    run(main)


@pytest.mark.parametrize("key", DATA_PLANE)
def test_a_request_cut_anywhere_ends_the_connection(key: int) -> None:
    async def main() -> None:
        p = plane(a=1)
        service = p.connect()
        _, version = TABLE[key].versions
        whole = bytes(framed(key, version, some_request(p, key)))
        for end in range(8, len(whole)):
            told = disconnected(service, whole[:end])
            assert told.startswith(f"{TABLE[key].handler} version {version}: "), told
        assert p.partition("a").log.leo == 0

    run(main)


def test_a_refusal_is_the_apis_own_error_response() -> None:
    async def main() -> None:
        service = plane(a=1).connect()
        produced = ask(service, 0, 9, produce("a", b"", acks=7))
        assert produced.responses[0].partition_responses[0].error_code == ErrorCode.INVALID_REQUIRED_ACKS
        fetched = ask(service, 1, 12, fetch("a", session_id=5, session_epoch=3))
        assert fetched.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND

    run(main)


class Broken(Sessions):
    """A bug, where handlers may meet one."""

    def plan(self, *args: Any, **options: Any) -> Any:
        raise ZeroDivisionError("a bug")


def test_a_bug_is_logged_with_its_traceback_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        p = plane(a=1)
        p.broker.sessions = Broken(1)
        service = p.connect()
        assert ask(service, 1, 12, fetch("a")).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert ask(service, 1, 4, fetch("a")).responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        assert ask(service, 18, 3, ApiVersionsRequest("a", "1")).error_code == 0

    with caplog.at_level(logging.ERROR):
        run(main)
    first = caplog.records[0]
    assert first.message == "fetch from 10.0.0.9 failed"
    assert first.exc_info is not None
    assert first.exc_info[0] is ZeroDivisionError


def test_a_bug_behind_an_await_is_answered_too(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        p = plane(a=1)
        answer = p.connect()(framed(1, 12, fetch("a", wait_ms=300)))
        p.broker.image = cast(Image, None)
        fetched = read(await cast(Awaitable[Any], answer), 1, 12)
        assert fetched.error_code == ErrorCode.UNKNOWN_SERVER_ERROR

    with caplog.at_level(logging.ERROR):
        run(main)
    assert len(caplog.records) == 1


def test_a_controllers_listener_serves_what_is_the_controllers() -> None:
    async def main() -> None:
        service = plane(a=1).connect(CONTROLLER)
        answered = ask(service, 18, 3, ApiVersionsRequest("a", "1"))
        keys = {row.api_key for row in answered.api_keys}
        assert keys == {key for key, entry in TABLE.items() if entry.planes & CONTROLLER}
        assert 0 not in keys
        assert disconnected(service, framed(0, 9, produce("a", b""))) == "api key 0 version 9 is not served"

    run(main)


def test_versions_are_advertised_as_the_table_has_them() -> None:
    assert dispatch.advertised(BROKER)[22] == (0, 5), "version 6 is unstable in Kafka 4.3"


@pytest.mark.parametrize("key", DATA_PLANE)
def test_damaged_requests_are_answered_or_end_the_connection(key: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a peer sends: no bug is met, no other connection notices, nothing is left waiting for ever."""

    async def main() -> None:
        rng = Random(key)
        p = plane(a=1)
        service = p.connect()
        low, high = TABLE[key].versions
        for _ in range(400):
            version = rng.randint(low, high)
            frame = bytearray(framed(key, version, some_request(p, key)))
            for _ in range(rng.randint(1, 4)):
                frame[rng.randrange(8, len(frame))] = rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])
            try:
                answer = service(memoryview(frame[: rng.choice([len(frame), rng.randrange(8, len(frame))])]))
            except Disconnect:
                continue
            p.broker.writes.flush()
            settled = answer.settle() if isinstance(answer, AfterWrite) else answer
            if settled is not None and not isinstance(settled, list):
                asyncio.get_running_loop().call_soon(asyncio.ensure_future(settled).cancel)
                await asyncio.sleep(0)
        assert ask(service, 18, 3, ApiVersionsRequest("a", "1")).error_code == 0

    with caplog.at_level(logging.ERROR):
        run(main)
    assert caplog.messages == []


def some_request(p: DataPlane, key: int) -> Any:
    module = importlib.import_module(f"server.wire.messages.{ALL[key][0]}")
    requests = {
        0: produce("a", p.batch(b"x")),
        1: fetch("a", wait_ms=1, session_epoch=0),
        2: ListOffsetsRequest(-1, topics=[ListOffsetsTopic("a", [ListOffsetsPartition(0)])]),
        18: ApiVersionsRequest("name", "1"),
        21: DeleteRecordsRequest([DeleteRecordsTopic("a", [DeleteRecordsPartition(0, -1)])], 1000),
        23: OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic("a", [OffsetForLeaderPartition(0)])]),
        35: DescribeLogDirsRequest([DescribableLogDirTopic("a", [0])]),
        61: DescribeProducersRequest([TopicRequest("a", [0])]),
    }
    return requests.get(key) or getattr(module, f"{ALL[key][1]}Request")()
