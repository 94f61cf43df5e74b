"""The hand-written messages, against the server's codecs (made from kio's schemas): every version, both ways.

Where a decoded request equals the expected message, and encodes to the same bytes again, every byte is accounted for.
"""

import dataclasses
from typing import Any
from uuid import UUID

import pytest

from kcli.errors import Refused
from kcli.pipeline import fetch, messages, produce, wire
from kcli.pipeline.fetch import Limits, Wanted
from kcli.pipeline.link import Link
from kcli.pipeline.messages import EARLIEST, FoundOffset, MetadataPartition, MetadataTopic
from kcli.pipeline.produce import Appended, Topic
from kcli.pipeline.wire import FETCH, INIT_PRODUCER_ID, LIST_OFFSETS, METADATA, PRODUCE, Malformed, Reader
from server.wire import api, frames
from server.wire.messages import fetch as fetch_messages
from server.wire.messages import produce as produce_messages
from server.wire.messages.fetch import FetchableTopicResponse, FetchPartition, FetchRequest, FetchResponse, FetchTopic
from server.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from server.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from server.wire.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from server.wire.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

ID, OTHER_ID = UUID(int=7), UUID(int=9)
ALL = [(key, version) for key, (low, high, _) in wire.VERSIONS.items() for version in range(low, high + 1)]


def versions(key: int) -> range:
    low, high, _ = wire.VERSIONS[key]
    return range(low, high + 1)


def sent(key: int, version: int, body: bytes | bytearray, expected: Any) -> None:
    """What went out is `expected`, as far as `version` can say it, and nothing more."""
    assert bytes(body) == bytes(api.encode_request(key, version, expected))
    assert api.decode_request(key, version, bytes(body)) == api.decode_request(
        key, version, bytes(api.encode_request(key, version, expected))
    )


def came(key: int, version: int, message: Any) -> Reader:
    return Reader(bytes(api.encode_response(key, version, message)), wire.flexible(key, version))


@pytest.mark.parametrize(("key", "version"), ALL)
def test_request_headers_are_read_by_the_server(key: int, version: int) -> None:
    head = wire.request_header(key, version, 77, b"me")
    read, at = frames.decode_request_header(head + b"rest")
    assert (read.api_key, read.version, read.correlation_id, read.client_id, at) == (key, version, 77, "me", len(head))


@pytest.mark.parametrize("version", versions(METADATA))
@pytest.mark.parametrize("names", [None, [], ["a", "b"]])
def test_metadata_is_asked_for(version: int, names: list[str] | None) -> None:
    asked = None if names is None else tuple(MetadataRequestTopic(name=name) for name in names)
    expected = MetadataRequest(topics=asked, allow_auto_topic_creation=False)
    sent(METADATA, version, messages.metadata_request(version, names, auto_create=False), expected)


@pytest.mark.parametrize("version", versions(METADATA))
def test_metadata_is_read(version: int) -> None:
    rows = (
        MetadataResponsePartition(0, 0, 1, 5, (1, 2), (1,), (2,)),
        MetadataResponsePartition(5, 1, -1, 6, (1, 2), (), ()),
    )
    topics = (
        MetadataResponseTopic(0, "a", ID, True, rows),
        MetadataResponseTopic(error_code=17, name="b c", topic_id=OTHER_ID),
    )
    brokers = (MetadataResponseBroker(1, "one", 9092, "rack"), MetadataResponseBroker(2, "two", 9093, None))
    message = MetadataResponse(throttle_time_ms=4, brokers=brokers, cluster_id="c", controller_id=1, topics=topics)
    read = messages.read_metadata(came(METADATA, version, message), version)
    assert read.nodes == {1: ("one", 9092), 2: ("two", 9093)}
    assert read.throttle_ms == 4
    named = version >= 10
    epochs = (5, 6) if version >= 7 else (-1, -1)
    assert read.topics == (
        MetadataTopic(
            0,
            "a",
            ID if named else wire.NO_ID,
            True,
            (MetadataPartition(0, 0, 1, epochs[0]), MetadataPartition(5, 1, -1, epochs[1])),
        ),
        MetadataTopic(17, "b c", OTHER_ID if named else wire.NO_ID, False, ()),
    )


@pytest.mark.parametrize("version", versions(LIST_OFFSETS))
def test_offsets_are_asked_for(version: int) -> None:
    rows = (ListOffsetsPartition(0, 5, EARLIEST), ListOffsetsPartition(3, 6, 1_700_000_000_000))
    expected = ListOffsetsRequest(
        replica_id=-1, isolation_level=1, topics=(ListOffsetsTopic("a", rows),), timeout_ms=900
    )
    wanted = {"a": [(0, 5, EARLIEST), (3, 6, 1_700_000_000_000)]}
    sent(LIST_OFFSETS, version, messages.list_offsets_request(version, wanted, True, 900), expected)


@pytest.mark.parametrize("version", versions(LIST_OFFSETS))
def test_offsets_are_read(version: int) -> None:
    rows = (ListOffsetsPartitionResponse(0, 0, 17, 42, 5), ListOffsetsPartitionResponse(3, 6))
    message = ListOffsetsResponse(topics=(ListOffsetsTopicResponse("a", rows),))
    read = messages.read_list_offsets(came(LIST_OFFSETS, version, message), version)
    assert read == {("a", 0): FoundOffset(0, 17, 42), ("a", 3): FoundOffset(6, -1, -1)}


@pytest.mark.parametrize("version", versions(INIT_PRODUCER_ID))
def test_a_producer_id_is_asked_for_and_read(version: int) -> None:
    expected = InitProducerIdRequest(
        transactional_id=None, transaction_timeout_ms=0x7FFFFFFF, producer_id=-1, producer_epoch=-1
    )
    sent(INIT_PRODUCER_ID, version, messages.init_producer_id_request(version), expected)
    message = InitProducerIdResponse(error_code=14, producer_id=1 << 40, producer_epoch=3)
    read = messages.read_init_producer_id(came(INIT_PRODUCER_ID, version, message))
    assert read == messages.ProducerId(14, 1 << 40, 3)


@pytest.mark.parametrize("version", versions(PRODUCE))
@pytest.mark.parametrize("size", [0, 40, 20_000])
def test_one_batch_is_sent_as_among_many(version: int, size: int) -> None:
    batch = b"h" * 61, b"r" * size
    body = produce.single(version, 1, 900, Topic("a", ID), 300, batch)
    assert b"".join(body) == b"".join(produce.request(version, 1, 900, {Topic("a", ID): [(300, batch)]}))


@pytest.mark.parametrize("version", versions(PRODUCE))
@pytest.mark.parametrize(
    "row",
    [
        PartitionProduceResponse(3, 0, 77, -1, 5),
        PartitionProduceResponse(3, 6, -1, -1, -1),
        PartitionProduceResponse(4, 0, 77, -1, 5),
        PartitionProduceResponse(3, 0, 77, -1, 5, (), "words"),
        PartitionProduceResponse(3, 0, 77, -1, 5, (BatchIndexAndErrorMessage(0, "why"),)),
    ],
)
def test_success_is_known_at_a_glance_and_nothing_else_is_taken_for_it(
    version: int, row: PartitionProduceResponse
) -> None:
    """What is not known at a glance is read."""
    topic = Topic("a", ID)
    message = ProduceResponse((TopicProduceResponse("a", ID, (row,)),), 0)
    told = produce.response(came(PRODUCE, version, message), version, {ID: "a"})
    answer = came(PRODUCE, version, message)
    glance = produce.succeeded(answer, version, topic, 3)
    assert not glance or told["a", 3] == Appended(0, 77, None, ())
    if wire.flexible(PRODUCE, version):
        assert glance == (row == PartitionProduceResponse(3, 0, 77, -1, 5))
    assert answer.at == 0


@pytest.mark.parametrize("version", versions(PRODUCE))
def test_batches_are_sent(version: int) -> None:
    payload: dict[Topic, list[tuple[int, produce.Batch]]] = {
        Topic("a", ID): [(0, (b"head", b"body" * 100)), (5, (b"x",))],
        Topic("b", OTHER_ID): [(1, (b"", b"y"))],
    }
    body = produce.request(version, -1, 1500, payload)
    expected = ProduceRequest(
        acks=-1,
        timeout_ms=1500,
        topic_data=(
            TopicProduceData(
                "a", ID, (PartitionProduceData(0, b"head" + b"body" * 100), PartitionProduceData(5, b"x"))
            ),
            TopicProduceData("b", OTHER_ID, (PartitionProduceData(1, b"y"),)),
        ),
    )
    sent(PRODUCE, version, b"".join(body), expected)


def test_batches_are_sent_without_a_copy() -> None:
    batch = bytes(1000)
    assert any(part is batch for part in produce.request(13, 1, 0, {Topic("a", ID): [(0, (b"h", batch))]}))


@pytest.mark.parametrize("version", versions(PRODUCE))
def test_answers_to_batches_are_read(version: int) -> None:
    error = BatchIndexAndErrorMessage(2, "no key")
    leader = produce_messages.LeaderIdAndEpoch(1, 2)
    rows = (
        PartitionProduceResponse(0, 0, 42, -1, 7),
        PartitionProduceResponse(3, 87, -1, -1, -1, (error,), "no", leader),
    )
    message = ProduceResponse(responses=(TopicProduceResponse("a", ID, rows),), throttle_time_ms=9)
    read = produce.response(came(PRODUCE, version, message), version, {ID: "a"})
    told = version >= 8
    assert read == {
        ("a", 0): Appended(0, 42, None, ()),
        ("a", 3): Appended(87, -1, "no" if told else None, ((2, "no key"),) if told else ()),
    }


@pytest.mark.parametrize("version", versions(FETCH))
def test_records_are_asked_for(version: int) -> None:
    wanted = {Topic("a", ID): [Wanted(0, 5, 1 << 40), Wanted(3, 6, 0)], Topic("b", OTHER_ID): [Wanted(1, 7, 9)]}
    topics = tuple(
        FetchTopic(
            topic.name,
            topic.id,
            tuple(FetchPartition(row.partition, row.epoch, row.offset, partition_max_bytes=400) for row in rows),
        )
        for topic, rows in wanted.items()
    )
    expected = FetchRequest(max_wait_ms=500, min_bytes=2, max_bytes=300, isolation_level=1, topics=topics)
    sent(FETCH, version, fetch.request(version, Limits(500, 2, 300, 400), True, wanted), expected)


@pytest.mark.parametrize("version", versions(FETCH))
def test_records_are_read(version: int) -> None:
    rows = (
        fetch_messages.PartitionData(
            0, 0, 50, 40, 30,
            current_leader=fetch_messages.LeaderIdAndEpoch(3, 4),
            aborted_transactions=(fetch_messages.AbortedTransaction(8, 35),),
            preferred_read_replica=2,
            records=b"records",
        ),
        fetch_messages.PartitionData(3, 6, aborted_transactions=None, records=None),
    )  # fmt: skip
    message = FetchResponse(error_code=0, responses=(FetchableTopicResponse("a", ID, rows),))
    error, (one, two) = fetch.response(came(FETCH, version, message), version, {ID: "a"})
    assert error == 0
    start = 30 if version >= 5 else -1
    assert (*one[:-1], bytes(one.records)) == ("a", 0, 0, 50, 40, start, ((8, 35),), b"records")
    assert (two.topic, two.partition, two.error, two.aborted, bytes(two.records)) == ("a", 3, 6, (), b"")


def test_an_error_of_a_whole_fetch_is_read() -> None:
    assert fetch.response(came(FETCH, 17, FetchResponse(error_code=70)), 17, {}) == (70, [])


@pytest.mark.parametrize(("key", "version"), [(key, version) for key, version in ALL if key != INIT_PRODUCER_ID])
def test_an_answer_that_ends_anywhere_is_malformed_and_nothing_else(key: int, version: int) -> None:
    rows = (PartitionProduceResponse(3, 87, -1, -1, -1, (BatchIndexAndErrorMessage(2, "x"),), "no"),)
    fetched = (fetch_messages.PartitionData(0, records=b"abc"),)
    answers: dict[int, Any] = {
        METADATA: MetadataResponse(
            brokers=(MetadataResponseBroker(1, "one", 9092),),
            topics=(MetadataResponseTopic(0, "a", ID, False, (MetadataResponsePartition(0, 0, 1, 5, (1,), (1,)),)),),
        ),
        LIST_OFFSETS: ListOffsetsResponse(topics=(ListOffsetsTopicResponse("a", (ListOffsetsPartitionResponse(),)),)),
        PRODUCE: ProduceResponse(responses=(TopicProduceResponse("a", ID, rows),)),
        FETCH: FetchResponse(responses=(FetchableTopicResponse("a", ID, fetched),)),
    }
    readers: dict[int, Any] = {
        METADATA: lambda data: messages.read_metadata(data, version),
        LIST_OFFSETS: lambda data: messages.read_list_offsets(data, version),
        PRODUCE: lambda data: produce.response(data, version, {}),
        FETCH: lambda data: fetch.response(data, version, {}),
    }
    whole = bytes(api.encode_response(key, version, answers[key]))
    cut_short = 0
    for size in range(len(whole)):
        try:
            readers[key](Reader(whole[:size], wire.flexible(key, version)))
        except Malformed:
            cut_short += 1
    assert cut_short >= len(whole) - 10  # what follows the rows is not looked at


def test_versions_are_chosen_from_both_sides() -> None:
    assert [wire.chosen(FETCH, 0, 11), wire.chosen(FETCH, 4, 99), wire.chosen(FETCH, 18, 20)] == [11, 17, None]


def test_a_broker_without_a_common_version_is_told() -> None:
    link = object.__new__(Link)
    link.address, link._versions = ("h", 1), {FETCH: (0, 3)}
    for key in (FETCH, PRODUCE):
        with pytest.raises(Refused, match=r"The broker at h:1 does not speak (Fetch|Produce) as kcli does"):
            link.version(key)


def test_expected_messages_have_fields_for_all_that_is_sent() -> None:
    """If a newer schema gives these requests more fields, somebody has to think about them."""
    counts = {one: len(dataclasses.fields(one)) for one in (ProduceRequest, FetchRequest, ListOffsetsRequest)}
    assert counts == {ProduceRequest: 4, FetchRequest: 12, ListOffsetsRequest: 4}
