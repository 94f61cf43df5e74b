"""Produce requests that come again. The oracle is the decoder: what `find` finds is what it would have decoded."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire import api, frames
from server.wire.codec import Malformed
from server.wire.frames import RequestHeader
from server.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from server.wire.repeats import MAX_REMEMBERED, Remembered, Repeats

VERSIONS = range(3, 14)


def framed(
    version: int = 9,
    records: bytes = b"r" * 100,
    *,
    topic: str = "orders",
    index: int = 0,
    client: str | None = "c",
    acks: int = -1,
    timeout_ms: int = 30_000,
    partitions: int = 1,
    correlation_id: int = 5,
) -> bytearray:
    rows = [PartitionProduceData(index + n, records) for n in range(partitions)]
    request = ProduceRequest(None, acks, timeout_ms, [TopicProduceData(topic, UUID(int=len(topic)), rows)])
    header = RequestHeader(0, version, correlation_id, client)
    return bytearray(frames.request_frame(header, api.encode_request(0, version, request))[4:])


def decoded(frame: bytearray) -> tuple[str | None, ProduceRequest]:
    header, at = frames.decode_request_header(frame)
    request = api.decode_request(0, header.version, memoryview(frame), at)
    assert isinstance(request, ProduceRequest)
    return header.client_id, request


def learn(repeats: Repeats, frame: bytearray) -> None:
    client, request = decoded(frame)
    repeats.learn(frame[3], client, memoryview(frame), request)


def find(repeats: Repeats, frame: bytearray) -> Remembered | None:
    return repeats.find(frame[3], memoryview(frame))


def records(frame: bytearray) -> bytes | None:
    """What the oracle says."""
    try:
        _, request = decoded(frame)
    except Malformed:
        return None
    data = request.topic_data[0].partition_data[0].records
    return None if data is None else bytes(data)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 61, 126, 127, 128, 16_382, 16_383, 16_384, 100_000])
def test_a_request_with_other_records_is_recognised(version: int, size: int) -> None:
    repeats = Repeats()
    learn(repeats, framed(version))
    again = framed(version, b"x" * size, correlation_id=99)
    known = find(repeats, again)
    assert known is not None
    assert (known.client_id, known.request) == decoded(again)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_kept_of_the_bytes_that_were_learned(version: int) -> None:
    repeats, frame = Repeats(), framed(version)
    client, request = decoded(frame)
    repeats.learn(version, client, memoryview(frame), request)
    assert request.topic_data[0].partition_data[0].records is None


@pytest.mark.parametrize(
    "other",
    [
        framed(topic="orderz"),
        framed(topic="order"),
        framed(index=1),
        framed(client="d"),
        framed(client=None),
        framed(acks=1),
        framed(timeout_ms=1),
        framed(10),
        framed(8),
        framed(partitions=2),
    ],
)
def test_a_request_that_differs_otherwise_is_not(other: bytearray) -> None:
    repeats = Repeats()
    learn(repeats, framed())
    assert find(repeats, other) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_without_records_or_for_several_partitions_are_not_learned(version: int) -> None:
    repeats = Repeats()
    for frame in (framed(version, b""), framed(version, partitions=2), framed(version, partitions=0)):
        learn(repeats, frame)
        assert find(repeats, frame) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_behind_the_message_keep_it_from_being_learned(version: int) -> None:
    repeats = Repeats()
    learn(repeats, framed(version) + b"\1\2\3")
    assert find(repeats, framed(version)) is None


def test_several_partitions_are_remembered_and_not_too_many() -> None:
    repeats = Repeats()
    for index in range(3):
        learn(repeats, framed(index=index))
    assert all(find(repeats, framed(index=index)) for index in range(3))
    for index in range(3, MAX_REMEMBERED + 1):
        learn(repeats, framed(index=index))
    assert find(repeats, framed(index=0)) is None
    assert find(repeats, framed(index=MAX_REMEMBERED)) is not None


@given(st.sampled_from([3, 8, 9, 12, 13]), st.binary(min_size=1, max_size=300), st.data())
def test_a_damaged_frame_is_read_as_the_decoder_reads_it_or_not_at_all(
    version: int, data: bytes, draw: st.DataObject
) -> None:
    repeats = Repeats()
    learn(repeats, framed(version))
    frame = framed(version, data)
    for _ in range(draw.draw(st.integers(0, 3))):
        match draw.draw(st.sampled_from(["set", "cut", "add"])):
            case "set":
                frame[draw.draw(st.integers(8, len(frame) - 1))] = draw.draw(st.integers(0, 255))
            case "cut":
                del frame[draw.draw(st.integers(9, len(frame))) :]
            case "add":
                frame += draw.draw(st.binary(max_size=5))
    known = find(repeats, frame)
    if known is not None:
        assert known.row.records is not None
        assert bytes(known.row.records) == records(frame)
        assert (known.client_id, known.request) == decoded(frame)
