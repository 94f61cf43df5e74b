"""Every API has an error response, read off its schema."""

from importlib import import_module

import pytest

from server.model.errors import ErrorCode
from server.wire import api
from server.wire.messages import delete_topics, describe_producers, fetch, list_offsets, metadata, produce
from server.wire.messages.index import APIS
from server.wire.refusal import refusal

CODE = ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("key", APIS)
def test_every_version_has_room_for_an_error_and_can_be_sent(key: int) -> None:
    module = import_module(f"server.wire.messages.{APIS[key][0]}")
    request = getattr(module, f"{APIS[key][1]}Request")()
    for version in range(APIS[key][2], APIS[key][3] + 1):
        response = refusal(key, version, request, CODE, "what is wrong")
        assert response is not None
        api.encode_response(key, version, response)


def test_an_error_at_the_top() -> None:
    request = fetch.FetchRequest(topics=[fetch.FetchTopic("a")])
    assert refusal(1, 7, request, CODE, None) == fetch.FetchResponse(error_code=CODE)


def test_rows_are_echoed_where_there_is_no_top() -> None:
    request = produce.ProduceRequest(
        topic_data=[
            produce.TopicProduceData("a", partition_data=[produce.PartitionProduceData(i, b"xyz") for i in (3, 4)]),
            produce.TopicProduceData("b", partition_data=[produce.PartitionProduceData(0)]),
        ]
    )
    response = refusal(0, 9, request, CODE, "why")
    assert response is not None
    assert [
        (topic.name, row.index, row.error_code, row.error_message)
        for topic in response.responses
        for row in topic.partition_responses
    ] == [("a", 3, CODE, "why"), ("a", 4, CODE, "why"), ("b", 0, CODE, "why")]


def test_only_what_names_a_row_is_echoed() -> None:
    request = list_offsets.ListOffsetsRequest(
        topics=[list_offsets.ListOffsetsTopic("a", [list_offsets.ListOffsetsPartition(1, 5, 77)])]
    )
    assert refusal(2, 6, request, CODE, None) == list_offsets.ListOffsetsResponse(
        topics=[
            list_offsets.ListOffsetsTopicResponse("a", [list_offsets.ListOffsetsPartitionResponse(1, CODE, -1, -1, -1)])
        ]
    )


def test_rows_may_be_bare_names_or_numbers() -> None:
    deletion = delete_topics.DeleteTopicsRequest(topic_names=["a", "b"])
    assert refusal(20, 5, deletion, CODE, None) == delete_topics.DeleteTopicsResponse(
        responses=[delete_topics.DeletableTopicResult(name, error_code=CODE) for name in "ab"]
    )
    producers = describe_producers.DescribeProducersRequest([describe_producers.TopicRequest("a", [1, 2])])
    assert refusal(61, 0, producers, CODE, None) == describe_producers.DescribeProducersResponse(
        topics=[describe_producers.TopicResponse("a", [describe_producers.PartitionResponse(i, CODE) for i in (1, 2)])]
    )


def test_a_request_for_everything_has_no_rows_to_echo() -> None:
    request = metadata.MetadataRequest(topics=None)
    assert refusal(3, 12, request, CODE, None) == metadata.MetadataResponse(topics=[])
