"""How lines become records: Kafka's LineMessageReader, case by case; and where an --offset begins."""

import re

import pytest

from kcli.errors import Failure, Setup
from kcli.plan.console import Keys, Lines, Parsed, Start, keys, start, unknown

HEADERS = {"parse.headers": "true"}
KEY = {"parse.key": "true"}
BOTH = HEADERS | KEY


def parsed(text: str | bytes, properties: dict[str, str]) -> list[Parsed]:
    raw = text if isinstance(text, bytes) else text.encode()
    lines = Lines(properties)
    return [lines.parse(line, number) for number, line in enumerate(raw.split(b"\n"), 1)]


def record(key: str | None, value: str | None, *headers: tuple[str, str | None]) -> Parsed:
    raw = tuple((name, None if content is None else content.encode()) for name, content in headers)
    return Parsed(None if key is None else key.encode(), None if value is None else value.encode(), raw)


@pytest.mark.parametrize(
    ("properties", "text", "records"),
    [
        ({}, "value", [record(None, "value")]),
        ({}, "", [record(None, "")]),
        (KEY, "key0\tvalue0\nkey1\tvalue1", [record("key0", "value0"), record("key1", "value1")]),
        (KEY, "key\t", [record("key", "")]),
        (KEY | {"key.separator": ":"}, "k:v:3", [record("k", "v:3")]),
        (BOTH, "h0:v0,h1:v1\tk\tv", [record("k", "v", ("h0", "v0"), ("h1", "v1"))]),
        (HEADERS, "h0:v0\tv\tw", [record(None, "v\tw", ("h0", "v0"))]),
        (BOTH, ":\t\t", [record("", "", ("", ""))]),
        (
            BOTH | {"key.separator": "\t\t", "headers.delimiter": "---", "headers.key.separator": "::::"},
            "h0::::,h1::::v1---k\t\tv",
            [record("k", "v", ("h0", ""), ("h1", "v1"))],
        ),
        (
            BOTH
            | {
                "key.separator": "#",
                "headers.delimiter": "!",
                "headers.separator": "&",
                "headers.key.separator": ":",
            },
            "h0:v0&h1:v1!k#v\nh0:v0!#",
            [record("k", "v", ("h0", "v0"), ("h1", "v1")), record("", "", ("h0", "v0"))],
        ),
        (HEADERS, "a:b,,\tv", [record(None, "v", ("a", "b"))]),  # Java drops empty pieces at the end
        (
            HEADERS | {"headers.separator": "[;,]"},
            "a:1;b:2,c:3\tv",
            [record(None, "v", ("a", "1"), ("b", "2"), ("c", "3"))],
        ),
        (KEY | {"parse.key": " TRUE "}, "k\tv", [record("k", "v")]),
        (KEY | {"parse.key": "yes"}, "k\tv", [record(None, "k\tv")]),
    ],
)
def test_lines(properties: dict[str, str], text: str, records: list[Parsed]) -> None:
    assert parsed(text, properties) == records


@pytest.mark.parametrize(
    ("properties", "text", "words"),
    [
        (KEY, "key0\tvalue0\nkey1", "No key separator found on line number 2: 'key1'"),
        (HEADERS, "novalue", "No headers delimiter found on line number 1: 'novalue'"),
        (HEADERS, "key-val\tvalue", "No header key separator found in pair 'key-val' on line number 1"),
        (HEADERS, "\tvalue", "No header key separator found in pair '' on line number 1"),
        (HEADERS, "a:b,,c:d\tvalue", "No header key separator found in pair '' on line number 1"),
        (
            HEADERS | {"null.marker": "NULL"},
            "NULL:x\tv",
            "Header keys should not be equal to the null marker 'NULL' as they can't be null",
        ),
        (KEY, b"\xff", "No key separator found on line number 1: '\\xff'"),
        (HEADERS, b"\xff:1\tv", "The header key '\\xff' on line number 1 is not UTF-8 text"),
    ],
)
def test_lines_that_cannot_be_read(properties: dict[str, str], text: str | bytes, words: str) -> None:
    with pytest.raises(Failure) as failure:
        parsed(text, properties)
    assert failure.value.message == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Without a headers delimiter, the tab in front of the value is taken for it.
        ("h0:v0\tkey\tvalue", record("key", "value", ("h0", "v0"))),
        ("h0:key\tvalue", record(None, "value", ("h0", "key"))),
        ("value", record(None, "value")),
        ("key-val\tk\tv", record("k", "v", ("key-val", None))),
    ],
)
def test_errors_may_be_ignored(text: str, expected: Parsed) -> None:
    assert parsed(text, BOTH | {"ignore.error": "true"}) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NULL\tNULL\tNULL", record(None, None)),
        ("h:NULL\tk\tv", record("k", "v", ("h", None))),
        ("h:x\tNULL\tNULLs", record(None, "NULLs", ("h", "x"))),
    ],
)
def test_a_marker_stands_for_null(text: str, expected: Parsed) -> None:
    assert parsed(text, BOTH | {"null.marker": "NULL"}) == [expected]


def test_a_value_alone_may_be_null() -> None:
    assert parsed("NULL", {"null.marker": "NULL"}) == [record(None, None)]


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"headers.delimiter": ","}, "headers.delimiter and headers.separator may not be equal"),
        ({"headers.delimiter": ":"}, "headers.delimiter and headers.key.separator may not be equal"),
        ({"headers.separator": ":"}, "headers.separator and headers.key.separator may not be equal"),
        ({"null.marker": "\t"}, "null.marker and key.separator may not be equal"),
        ({"null.marker": ","}, "null.marker and headers.separator may not be equal"),
        ({"null.marker": "|", "headers.delimiter": "|"}, "null.marker and headers.delimiter may not be equal"),
        ({"null.marker": ":"}, "null.marker and headers.key.separator may not be equal"),
        ({"key.separator": ""}, "key.separator may not be empty"),
        ({"line.ending": "cr"}, "Invalid value cr for line.ending: it is lf or crlf"),
    ],
)
def test_properties_that_contradict_each_other(properties: dict[str, str], words: str) -> None:
    with pytest.raises(Setup) as setup:
        Lines(properties)
    assert setup.value.message == words


def test_bytes_stay_bytes() -> None:
    every = bytes(byte for byte in range(256) if byte not in b"\t\n")
    assert parsed(every + b"\t" + every, KEY) == [Parsed(every, every, ())]


def test_a_carriage_return_is_data_unless_it_is_said_to_end_lines() -> None:
    assert parsed("a\r", {}) == [record(None, "a\r")]
    assert parsed("a\r\nb\rc\nd", {"line.ending": "crlf"}) == [
        record(None, "a"), record(None, "b\rc"), record(None, "d"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "plain"),
    [({}, True), ({"key.separator": ":"}, True), (KEY, False), (HEADERS, False), ({"null.marker": "x"}, False)],
)
def test_the_fast_way_is_for_lines_that_are_values(properties: dict[str, str], plain: bool) -> None:
    assert Lines(properties).plain is plain


def test_mistyped_properties_are_found() -> None:
    assert unknown({"parse.keys": "true", "parse.key": "true", "topic": "t"}) == ["parse.keys"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("earliest", Start(word="earliest")),
        ("LatEst", Start(word="latest")),
        ("0", Start(offset=0)),
        ("123", Start(offset=123)),
        ("-5", Start(last=5)),
        ("@2026-01-31T12:00", Start(when="2026-01-31T12:00")),
    ],
)
def test_offsets(text: str, expected: Start) -> None:
    assert start(text) == expected


@pytest.mark.parametrize("text", ["abc", "", "1.5", "--1", "@", "9223372036854775808", "+1", "1 2", "²"])
def test_offsets_that_are_none(text: str) -> None:
    with pytest.raises(Setup) as setup:
        start(text)
    assert setup.value.message == (
        f"The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative "
        "long."
    )


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (keys(None, None), [None, b"", b"ab", b"abc"]),
        (keys("ab", None), [b"ab"]),
        (keys("", None), [b""]),
        (keys(None, "a."), [b"ab"]),
        (keys(None, ".*"), [b"", b"ab", b"abc"]),
    ],
)
def test_records_are_chosen_by_key(chosen: Keys, wanted: list[bytes | None]) -> None:
    assert [key for key in (None, b"", b"ab", b"abc") if chosen.wants(key)] == wanted


def test_a_key_expression_that_is_none_is_told() -> None:
    with pytest.raises(Setup, match=re.escape("--key-regex: '[' is not a regular expression")):
        keys(None, "[")
