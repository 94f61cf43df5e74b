"""What a decoder does with bytes that nobody should have sent: Malformed, soon, and nothing else."""

import random
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.model.errors import ErrorCode
from server.ports import Buffer
from server.wire import api
from server.wire.codec import Decoder, Malformed, decoder, encoder
from server.wire.messages.index import APIS
from server.wire.primitives import read_uvarint, uvarint
from server.wire.schema import Struct, parse
from tests.support.kio_schema import DIRECTIONS, fields_of, message_class
from tests.support.wire_messages import our_class

REQUEST, _ = DIRECTIONS
KEYS = sorted(APIS)


@dataclass
class Row:
    name: str = ""
    data: bytes | None = None
    numbers: tuple[int, ...] = ()
    ids: tuple[UUID, ...] = ()
    extra: int = 0


LEGACY = parse("Legacy", "name string, data nullable bytes, numbers []int32, ids []uuid", Row)
FLEXIBLE = parse("Flexible", "name compact string, numbers compact []int16, <tags 3: extra int32>", Row)
SAMPLE = Row("nam\u00e9", b"data", (1, -2), (UUID(int=5), UUID(int=0)))


def written(struct: Struct, message: Any) -> bytes:
    out = bytearray()
    encoder(struct)(message, out)
    return bytes(out)


def refused(struct: Struct, data: Buffer, at: int = 0) -> str:
    with pytest.raises(Malformed) as caught:
        decoder(struct)(data, at)
    assert caught.value.code == ErrorCode.INVALID_REQUEST
    return str(caught.value.message)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read_from_any_offset(kind: Any) -> None:
    data = written(LEGACY, SAMPLE)
    assert decoder(LEGACY)(kind(b"before" + data + b"after"), 6) == (SAMPLE, 6 + len(data))


def test_bytes_are_as_written() -> None:
    data = (
        "00056e616dc3a9" + "0000000464617461" + "0000000200000001fffffffe" + "00000002" + "00" * 15 + "05" + "00" * 16
    )
    assert written(LEGACY, SAMPLE).hex() == data
    assert written(FLEXIBLE, Row("a", numbers=(1,), extra=7)).hex() == "0261" + "020001" + "01030400000007"


@pytest.mark.parametrize("count", [0, 1, 126, 127, 128, 200, 20_000])
def test_lengths_around_the_edges_of_a_varint(count: int) -> None:
    row = Row("n" * count, numbers=tuple(range(-5, count - 5)))
    assert decoder(FLEXIBLE)(written(FLEXIBLE, row), 0)[0] == row


def test_lists_and_tuples_are_written_alike() -> None:
    row = Row("a")
    row.numbers = [1, 2]  # type: ignore[assignment]
    assert written(FLEXIBLE, row) == written(FLEXIBLE, Row("a", numbers=(1, 2)))


def test_unknown_tags_are_skipped() -> None:
    data = bytes.fromhex("0261" + "01" + "03" + "0002abcd" + "030400000007" + "050101")
    assert decoder(FLEXIBLE)(data, 0) == (Row("a", extra=7), len(data))


@pytest.mark.parametrize(
    ("struct", "data", "complaint"),
    [
        (LEGACY, "ffff", "null or negative"),  # a name that may not be null
        (LEGACY, "7fff", "ends before Legacy.name"),
        (LEGACY, "0001ff", "not UTF-8"),
        (LEGACY, "0000" + "7fffffff", "ends before Legacy.data"),
        (LEGACY, "0000" + "ffffffff" + "7fffffff", "ends before Legacy.numbers"),
        (LEGACY, "0000" + "ffffffff" + "ffffffff", "null or negative"),
        (LEGACY, "0000" + "ffffffff" + "00000000" + "00000002" + "00" * 31, "ends before Legacy.ids"),
        (FLEXIBLE, "00", "null or negative"),
        (FLEXIBLE, "ffffffff0f", "ends before Flexible.name"),
        (FLEXIBLE, "ffffffff1f", "larger than 32 bits"),
        (FLEXIBLE, "8080808080808001", "longer than 5 bytes"),
        (FLEXIBLE, "808080808000", "longer than 5 bytes"),
        (FLEXIBLE, "80" * 1000, "longer than 5 bytes"),
        (FLEXIBLE, "01" + "ffffffff0f", "ends before Flexible.numbers"),
        (FLEXIBLE, "01" + "01" + "ffffffff0f", "ends before Flexible tags"),
        (FLEXIBLE, "01" + "01" + "01" + "0305" + "0000000000", "size"),  # a tag that is longer than its field
        (FLEXIBLE, "01" + "01" + "01" + "0303" + "0000000000", "size"),
        (FLEXIBLE, "01" + "01" + "01" + "0709" + "00", "ends before Flexible tags"),
        (FLEXIBLE, "", "ends inside Flexible"),
    ],
)
def test_bad_bytes_are_malformed(struct: Struct, data: str, complaint: str) -> None:
    assert complaint in refused(struct, bytes.fromhex(data))


def test_a_string_has_a_limit_where_its_length_has_none() -> None:
    assert "too long" in refused(FLEXIBLE, uvarint(32_769) + b"a" * 32_768 + b"\0" * 100)
    assert decoder(FLEXIBLE)(uvarint(32_768) + b"a" * 32_767 + b"\1\0", 0)[0] == Row("a" * 32_767)
    with pytest.raises(ValueError, match="longer than 32767"):
        written(FLEXIBLE, Row("a" * 32_768))


def test_nothing_behind_the_end_of_a_view_is_read() -> None:
    data = written(LEGACY, SAMPLE)
    for end in range(len(data)):
        refused(LEGACY, memoryview(data)[:end])


def test_a_negative_length_is_null_where_null_is_allowed() -> None:
    """As Kafka reads it; -1 is what is written."""
    data = bytes.fromhex("0000" + "fffffffe" + "00000000" + "00000000")
    assert decoder(LEGACY)(data, 0)[0] == Row("", None)


@given(st.integers(0, 2**32 - 1))
def test_varints_come_back(value: int) -> None:
    data = uvarint(value)
    assert read_uvarint(data, 0) == (value, len(data))
    assert len(data) == max(1, -(-value.bit_length() // 7))


@pytest.mark.parametrize("data", ["", "80", "ffff"])
def test_a_varint_that_ends_early_is_malformed(data: str) -> None:
    with pytest.raises(Malformed):
        read_uvarint(bytes.fromhex(data), 0)


def filled(key: int, direction: Any, entity: type[Any]) -> Any:
    """A message in which every array has an element and everything else its default."""
    values = {}
    for field in fields_of(entity):
        if field.entity is not None:
            inner = filled(key, direction, field.entity)
            values[field.name] = (inner,) if field.array else inner
        elif field.array:
            zero = {"string": "é", "uuid": UUID(int=3)}.get(field.kafka_type, 1)
            values[field.name] = (zero, zero)
        elif field.kafka_type in ("bytes", "records"):
            values[field.name] = b"abc"
        elif field.kafka_type == "string":
            values[field.name] = "é"
    return our_class(key, entity.__name__, direction)(**values)


def samples(key: int) -> list[tuple[Decoder, bytes]]:
    """Every version of an API, both directions: its decoder, and the bytes of a message."""
    name, _, first, last, _ = APIS[key]
    found = []
    for version in range(first, last + 1):
        for direction in DIRECTIONS:
            message = filled(key, direction, message_class(name, version, direction))
            encode = api.encode_request if direction is REQUEST else api.encode_response
            struct = (api.request_struct if direction is REQUEST else api.response_struct)(key, version)
            found.append((decoder(struct), bytes(encode(key, version, message))))
    return found


@pytest.mark.parametrize("key", KEYS, ids=lambda key: APIS[key][0])
def test_a_truncated_message_is_malformed_wherever_it_ends(key: int) -> None:
    for decode, data in samples(key):
        assert decode(data, 0)[1] == len(data)
        for end in range(len(data)):
            with pytest.raises(Malformed):
                decode(memoryview(data)[:end], 0)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: APIS[key][0])
def test_changed_bytes_are_a_message_or_malformed(key: int) -> None:
    rng = random.Random(key)
    for decode, data in samples(key):
        for _ in range(60):
            changed = bytearray(data)
            for _ in range(rng.choice((1, 1, 2, 5))):
                if changed:
                    changed[rng.randrange(len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            try:
                decode(changed, 0)
            except Malformed:
                continue


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(data=st.binary(max_size=120), key=st.sampled_from(KEYS))
def test_noise_is_a_message_or_malformed(data: bytes, key: int) -> None:
    for decode, _ in samples(key)[-2:]:
        try:
            _, end = decode(data, 0)
        except Malformed:
            continue
        assert end <= len(data)
