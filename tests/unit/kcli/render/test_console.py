"""What records look like: Kafka's formatters to the byte, its deserializers, and JSON."""

import json
import struct
from pathlib import Path

import jsonschema
import pytest

from kcli.errors import Failure, Usage
from kcli.pipeline.decoding import Record
from kcli.render import console
from kcli.render.console import Json, Nothing, Text, formatter, java_number

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/console-consumer.schema.json").read_text())
PLAIN = Record(123, 456, b"key", b"value", (("h1", b"v1"), ("h2", b"v2")))
BARE = Record(7, -1, None, None, ())
ALL = {f"print.{name}": "true" for name in ("timestamp", "partition", "offset", "delivery", "epoch", "headers", "key")}


def shown(properties: dict[str, str], *records: Record, append_time: bool = False) -> str:
    return Text(properties).records("t", 0, append_time, records).decode()


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, "value\n"),
        ({"print.key": "true"}, "key\tvalue\n"),
        ({"print.key": " TRUE "}, "key\tvalue\n"),
        ({"print.key": "yes"}, "value\n"),
        ({"print.key": "true", "print.value": "false"}, "key\n"),
        ({"print.value": "false"}, ""),
        (
            ALL,
            "CreateTime:456\tPartition:0\tOffset:123\tDelivery:NOT_PRESENT\tEpoch:NOT_PRESENT\th1:v1,h2:v2\tkey\tvalue\n",
        ),
        (
            ALL | {"key.separator": "<sep>", "line.separator": "<end>", "headers.separator": "|"},
            "CreateTime:456<sep>Partition:0<sep>Offset:123<sep>Delivery:NOT_PRESENT<sep>Epoch:NOT_PRESENT<sep>"
            "h1:v1|h2:v2<sep>key<sep>value<end>",
        ),
    ],
)
def test_fields_in_kafkas_order(properties: dict[str, str], expected: str) -> None:
    assert shown(properties, PLAIN) == expected


def test_what_a_record_has_not_got() -> None:
    found = shown({"print.timestamp": "true", "print.headers": "true", "print.key": "true"}, BARE)
    assert found == "NO_TIMESTAMP\tNO_HEADERS\tnull\tnull\n"
    assert shown({"print.key": "true", "null.literal": "(nil)"}, BARE) == "(nil)\t(nil)\n"
    nothing = PLAIN._replace(headers=(("h", None),))
    assert shown({"print.headers": "true", "print.value": "false", "null.literal": "-"}, nothing) == "h:-\n"


def test_a_brokers_time_is_named() -> None:
    assert shown({"print.timestamp": "true"}, PLAIN, append_time=True) == "LogAppendTime:456\tvalue\n"


def test_values_alone_take_the_fast_way_and_look_the_same() -> None:
    values = [b"a", None, b"", b"\xff\n"]
    for properties in ({}, {"line.separator": ";", "null.literal": "nil"}):
        text = Text(properties)
        assert text.values_only
        records = [BARE._replace(value=value) for value in values]
        assert text.values(values) == text.records("t", 0, False, records)
        assert text.values([]) == b""


@pytest.mark.parametrize("properties", [{"print.key": "true"}, {"value.deserializer": "LongDeserializer"}])
def test_more_than_values_take_the_other(properties: dict[str, str]) -> None:
    assert not Text(properties).values_only


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("String", "é".encode(), "é"),
        ("ByteArray", b"raw", "raw"),
        ("Short", struct.pack(">h", -5), "-5"),
        ("Integer", struct.pack(">i", 123456), "123456"),
        ("Long", struct.pack(">q", -(1 << 60)), str(-(1 << 60))),
        ("Float", struct.pack(">f", 0.1), "0.1"),
        ("Double", struct.pack(">d", 1e10), "1.0E10"),
        ("Boolean", b"\1", "true"),
        ("UUID", b"00000000-0000-0000-0000-000000000007", "00000000-0000-0000-0000-000000000007"),
    ],
)
@pytest.mark.parametrize("package", ["", console.SERDES])
def test_deserializers(package: str, name: str, raw: bytes, expected: str) -> None:
    record = Record(0, 0, raw, raw, (("h", raw),))
    properties = {f"{field}.deserializer": f"{package}{name}Deserializer" for field in ("key", "value", "headers")}
    found = shown(properties | {"print.key": "true", "print.headers": "true"}, record)
    assert found == f"h:{expected}\t{expected}\t{expected}\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Integer", "Size of data received by IntegerDeserializer is not 4"),
        ("Long", "Size of data received by LongDeserializer is not 8"),
        ("UUID", "Error parsing data into UUID"),
        ("Void", "Data should be null for a VoidDeserializer."),
    ],
)
def test_what_a_deserializer_does_not_take(name: str, words: str) -> None:
    with pytest.raises(Failure) as failure:
        shown({"value.deserializer": f"{name}Deserializer"}, PLAIN)
    assert failure.value.message == words


def test_an_unknown_deserializer_is_told_and_left_out() -> None:
    told: list[str] = []
    text = Text({"value.deserializer": "no.such.Class"}, told.append)
    assert text.records("t", 0, False, [PLAIN]) == b"value\n"
    assert told == ["Unable to instantiate a deserializer from no.such.Class; the bytes are printed as they are"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (100.0, "100.0"), (0.001, "0.001"), (0.0009, "9.0E-4"),
        (9999999.0, "9999999.0"), (1e7, "1.0E7"), (123456.789, "123456.789"), (1.5e300, "1.5E300"),
        (float("inf"), "Infinity"), (float("-inf"), "-Infinity"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_numbers_as_java_prints_them(value: float, expected: str) -> None:
    assert java_number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.1, "0.1"), (16777216.0, "1.6777216E7"), (3.4028235e38, "3.4028235E38")]
)
def test_floats_as_java_prints_them(value: float, expected: str) -> None:
    (single,) = struct.unpack(">f", struct.pack(">f", value))
    assert java_number(single, single=True) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            PLAIN,
            {
                "topic": "t", "partition": 3, "offset": 123, "timestamp": 456, "timestamp_type": "CreateTime",
                "key": "key", "value": "value",
                "headers": [{"key": "h1", "value": "v1"}, {"key": "h2", "value": "v2"}],
            },
        ),
        (BARE, {"topic": "t", "partition": 3, "offset": 7, "key": None, "value": None}),
        (
            Record(7, -1, b"\xff", "é\n".encode(), (("h", b"\xff"), ("i", None))),
            {
                "topic": "t", "partition": 3, "offset": 7, "key_base64": "/w==", "value": "é\n",
                "headers": [{"key": "h", "value_base64": "/w=="}, {"key": "i", "value": None}],
            },
        ),
    ],
)  # fmt: skip
def test_json_is_one_object_a_line_under_its_schema(record: Record, expected: dict[str, object]) -> None:
    text = Json().records("t", 3, False, [record, record])
    lines = text.decode().splitlines()
    assert [json.loads(line) for line in lines] == [expected, expected]
    assert text.endswith(b"\n")
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(lines[0]))


@pytest.mark.parametrize("name", ["DefaultMessageFormatter", console.DEFAULT, console.LOGGING])
def test_formatters_by_name(name: str) -> None:
    assert isinstance(formatter(name, {}, print), Text)


def test_a_formatter_that_shows_nothing() -> None:
    nothing = formatter("NoOpMessageFormatter", {}, print)
    assert isinstance(nothing, Nothing)
    assert nothing.values([b"a"]) == nothing.records("t", 0, False, [PLAIN]) == b""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no.such.Formatter", "no.such.Formatter"),
        ("OffsetsMessageFormatter", "OffsetsMessageFormatter is not built yet in this version of kcli"),
    ],
)
def test_formatters_that_are_not_there(name: str, words: str) -> None:
    with pytest.raises(Usage) as usage:
        formatter(name, {}, print)
    assert usage.value.message == words
