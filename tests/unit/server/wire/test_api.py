"""Every API, version and direction, against two implementations that nobody here wrote: kio and kafka-python."""

import importlib
import pkgutil
from functools import cache
from typing import Any

import kafka.protocol
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka.protocol.api_message import ApiMessage
from kio.static.constants import EntityType

from server.model.errors import ErrorCode, Rejected
from server.wire import api
from server.wire.messages.by_hand import BY_HAND
from server.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from server.wire.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from server.wire.messages.index import APIS
from server.wire.messages.join_group import JoinGroupResponse
from server.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.support import generate_messages
from tests.support.kio_schema import DIRECTIONS, Direction, message_class, versions
from tests.support.wire_messages import as_version, draw_message, kio_bytes, kio_read, newest, to_kio

EVERY = [(key, direction) for key in sorted(APIS) for direction in DIRECTIONS]
few = settings(
    max_examples=3,
    report_multiple_bugs=False,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def name_of(case: Any) -> str:
    return APIS[case][0] if isinstance(case, int) else str(case.name)


def encode(key: int, version: int, direction: Direction, message: Any) -> bytearray:
    return (api.encode_request if direction is EntityType.request else api.encode_response)(key, version, message)


def decode(key: int, version: int, direction: Direction, data: Any) -> Any:
    return (api.decode_request if direction is EntityType.request else api.decode_response)(key, version, data)


@cache
def kafka_python() -> dict[tuple[int, str], Any]:
    """kafka-python's message classes by API key and direction."""
    found = {}
    for package in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" in package.name or package.name.endswith("generate_stubs"):
            continue
        classes: list[Any] = [v for v in vars(importlib.import_module(package.name)).values() if isinstance(v, type)]
        for value in classes:
            if issubclass(value, ApiMessage) and value is not ApiMessage and value._json:
                found[value.API_KEY, value.type] = value
    return found


@pytest.mark.parametrize(("key", "direction"), EVERY, ids=name_of)
@given(data=st.data())
@few
def test_a_message_has_kios_bytes_and_comes_back(key: int, direction: Direction, data: st.DataObject) -> None:
    for version in versions(APIS[key][0]):
        entity = message_class(APIS[key][0], version, direction)
        message = draw_message(data.draw, key, direction, entity)
        ours = encode(key, version, direction, message)
        assert ours.hex() == kio_bytes(message, entity).hex(), version
        assert decode(key, version, direction, ours) == message, version
        assert kio_read(bytes(ours), entity) == to_kio(message, entity), version


@pytest.mark.parametrize(("key", "direction"), EVERY, ids=name_of)
@given(data=st.data())
@few
def test_an_older_version_keeps_what_it_can_say(key: int, direction: Direction, data: st.DataObject) -> None:
    message = draw_message(data.draw, key, direction, newest(key, direction))
    for version in versions(APIS[key][0]):
        there = encode(key, version, direction, message)
        entity = message_class(APIS[key][0], version, direction)
        assert decode(key, version, direction, there) == as_version(message, key, direction, entity), version


@pytest.mark.parametrize(("key", "direction"), EVERY, ids=name_of)
@given(data=st.data())
@few
def test_kafka_python_reads_and_writes_the_same_bytes(key: int, direction: Direction, data: st.DataObject) -> None:
    theirs = kafka_python().get((key, direction.name))
    if theirs is None:
        return
    for version in versions(APIS[key][0]):
        if version <= theirs.max_version:
            message = draw_message(data.draw, key, direction, message_class(APIS[key][0], version, direction))
            if key == api.API_VERSIONS and direction is EntityType.response:
                message.error_code = 0  # kafka-python takes any failed answer for version 0
            ours = bytes(encode(key, version, direction, message))
            read = theirs.decode(ours, version=version)
            read._header = None  # some of its encoders ask, though its decoder left it out
            assert read.encode().hex() == ours.hex(), version


def test_generated_messages_are_current() -> None:
    """After an upgrade of kio: `python -m tests.support.generate_messages`."""
    written = generate_messages.files()
    by_hand = {generate_messages.TARGET / f"{name}.py" for name in ("by_hand", *(api[0] for api in BY_HAND.values()))}
    assert set(generate_messages.TARGET.glob("[a-z]*.py")) == set(written) | by_hand
    for path, text in written.items():
        assert path.read_text() == text, path.name


def test_a_handler_names_only_what_it_sets() -> None:
    topic = CreatableTopic(name="orders", num_partitions=3, replication_factor=1)
    request = CreateTopicsRequest(topics=[topic], timeout_ms=100)
    assert api.encode_request(19, 7, request).hex() == "02076f7264657273000000030001010100000000640000"


def test_null_is_empty_where_the_version_has_no_null() -> None:
    answer = JoinGroupResponse(protocol_name=None)
    assert api.decode_response(11, 6, api.encode_response(11, 6, answer)).protocol_name == ""
    assert api.decode_response(11, 7, api.encode_response(11, 7, answer)).protocol_name is None


def test_records_are_views_of_the_buffer() -> None:
    row = PartitionProduceData(index=0, records=b"x" * 100)
    request = ProduceRequest(acks=1, topic_data=[TopicProduceData(name="orders", partition_data=[row])])
    buffer = api.encode_request(0, 9, request)
    records = api.decode_request(0, 9, buffer).topic_data[0].partition_data[0].records
    buffer[buffer.index(b"xxx")] = ord("y")
    assert isinstance(records, memoryview)
    assert bytes(records) == b"y" + b"x" * 99


@pytest.mark.parametrize("version", versions("fetch"))
def test_record_data_goes_out_uncopied(version: int) -> None:
    big, small = memoryview(bytes(5000)), b"small"
    parts: list[list[Any] | Any] = [big, [small, small], [big, big], None]
    rows = [PartitionData(partition_index=n, records=part) for n, part in enumerate(parts)]
    response = FetchResponse(responses=[FetchableTopicResponse(topic="orders", partitions=rows)])
    pieces = api.encode_response_pieces(1, version, response)
    assert sum(piece is big for piece in pieces) == 3
    assert b"".join(pieces) == api.encode_response(1, version, response)
    assert small + small in b"".join(pieces)


@pytest.mark.parametrize(("key", "version"), [(4, 0), (-1, 0), (999, 0), (0, 2), (0, 14), (18, -1)])
def test_what_is_not_in_the_schema_is_unsupported(key: int, version: int) -> None:
    with pytest.raises(Rejected) as caught:
        api.decode_request(key, version, b"")
    assert caught.value.code == ErrorCode.UNSUPPORTED_VERSION


def test_served_versions_leave_out_what_kafka_calls_unstable() -> None:
    assert api.served_versions(22) == (0, 5)
    assert api.served_versions(1) == (4, 18)


@pytest.mark.parametrize("key", sorted(APIS), ids=name_of)
def test_header_versions_are_kios(key: int) -> None:
    for version in versions(APIS[key][0]):
        theirs = tuple(
            int(message_class(APIS[key][0], version, direction).__header_schema__.__version__)
            for direction in DIRECTIONS
        )
        assert api.header_versions(key, version) == theirs


def test_the_header_of_an_api_versions_request_of_tomorrow_is_known() -> None:
    assert api.header_versions(18, 99) == (2, 0)
