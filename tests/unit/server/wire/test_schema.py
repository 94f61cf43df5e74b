"""The notation in which records are declared, and what a struct is checked for."""

import re
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.wire.codec import decoder, encoder
from server.wire.schema import Struct, parse

ZERO = UUID(int=0)
TEXTS = (Path(__file__).parent / "record_texts.txt").read_text().splitlines()


@dataclass(frozen=True)
class Endpoint:
    name: str = ""
    host: str = ""
    port: int = 0


@dataclass
class Change:
    partition_id: int
    topic_id: UUID = ZERO
    isr: tuple[int, ...] | None = None
    leader: int = -2
    endpoint: Endpoint | None = None


TEXT = "partition_id int32, topic_id uuid, <tags 0: isr compact []int32, 1: leader int32>"


def shape(struct: Struct) -> list[tuple[Any, ...]]:
    return [(f.name, f.type, f.array, f.nullable, f.tag, f.default) for f in struct.fields]


def written(struct: Struct, message: Any) -> str:
    out = bytearray()
    encoder(struct)(message, out)
    assert decoder(struct)(out, 0) == (message, len(out))
    return out.hex()


def test_a_text_gives_fields_and_the_constructor_their_defaults() -> None:
    struct = parse("Change", TEXT, Change)
    assert struct.flexible
    assert shape(struct) == [
        ("partition_id", "int32", False, False, None, None),
        ("topic_id", "uuid", False, False, None, ZERO),
        ("isr", "int32", True, True, 0, None),
        ("leader", "int32", False, False, 1, -2),
    ]


def test_a_tagged_field_is_written_when_it_is_not_its_default() -> None:
    struct = parse("Change", TEXT, Change)
    assert written(struct, Change(1)) == "00000001" + "00" * 16 + "00"
    assert written(struct, Change(1, isr=())) == "00000001" + "00" * 16 + "01" + "000101"
    assert (
        written(struct, Change(1, isr=(7,), leader=3))
        == "00000001" + "00" * 16 + "02" + "00050200000007" + "010400000003"
    )


def test_a_nullable_struct_has_a_marker() -> None:
    """KIP-893; -1 and 1, but in a tagged field an unsigned varint, as Kafka's generated classes write it."""
    inner = "endpoint nullable {name compact string, host compact string, port uint16, <tags>}"
    plain = parse("Plain", f"partition_id int32, {inner}, <tags>", Change, {"endpoint": Endpoint})
    tagged = parse("Tagged", f"partition_id int32, <tags 0: {inner}>", Change, {"endpoint": Endpoint})
    there = Change(1, endpoint=Endpoint("a", "b", 258))
    assert written(plain, Change(1)) == "00000001" + "ff" + "00"
    assert written(plain, there) == "00000001" + "01" + "0261" + "0262" + "0102" + "00" + "00"
    assert written(tagged, Change(1)) == "00000001" + "00"
    assert written(tagged, there) == "00000001" + "01" + "00" + "08" + "01" + "0261" + "0262" + "0102" + "00"
    assert decoder(tagged)(bytes.fromhex("00000001" + "01" + "00" + "01" + "00"), 0)[0] == Change(1)


def test_null_in_a_tagged_field_that_defaults_to_something() -> None:
    holder = make_dataclass(
        "Holder", [("end", Endpoint | None, Endpoint("a")), ("ids", object, ()), ("n", str | None, "")]
    )
    inner = "{name compact string, host compact string, port uint16, <tags>}"
    text = f"<tags 0: end nullable {inner}, 1: ids compact nullable []int8, 2: n compact nullable string>"
    struct = parse("Holder", text, holder, {"end": Endpoint})
    assert written(struct, holder()) == "00"
    assert written(struct, holder(Endpoint("a"))) == "00"
    assert written(struct, holder(None, None, None)) == "03" + "000100" + "010100" + "020100"
    assert written(struct, holder(Endpoint("a"), (1,), "é")) == "02" + "01020201" + "020303c3a9"


def test_a_legacy_string_in_a_flexible_struct() -> None:
    """The client id of a request header: the struct has tags, the string an int16 length."""
    header = make_dataclass("Header", [("id", int), ("client", str | None)])
    struct = parse("Header", "id int32, client nullable string, <tags>", header)
    assert written(struct, header(1, "ab")) == "00000001" + "0002" + "6162" + "00"
    assert written(struct, header(1, None)) == "00000001" + "ffff" + "00"


def test_makers_of_structs_inside_go_by_name_or_by_path() -> None:
    inner, outer = make_dataclass("Inner", [("a", int)]), make_dataclass("Outer", [("rows", object)])
    other = make_dataclass("Other", [("rows", object)])
    text = "rows []{rows []{a int32}}"
    struct = parse("Outer", text, outer, {"rows": other, "rows.rows": inner})
    assert written(struct, outer((other((inner(5),)),))) == "00000001" * 2 + "00000005"


def test_an_untagged_text_is_not_flexible() -> None:
    struct = parse("Key", "partition_id int32", Change)
    assert written(struct, Change(5)) == "00000005"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("partition_id int33", "no type"),
        ("partition_id", "where a word should be"),
        ("partition_id int32 topic_id uuid", "where , should be"),
        ("partition_id int32, <tags 0: isr compact []int32", "should be"),
        ("partition_id int32; topic_id uuid", "unreadable"),
        ("partition_id int32, <tags>, topic_id uuid", "left over"),
        ("partition_id int32, epoch int32", "takes no epoch"),
        ("topic_id uuid", "needs partition_id"),
        ("topic_id uuid, <tags 0: partition_id int32>", "needs a default"),
        ("partition_id int32, isr compact []int32", "compact"),
        ("partition_id int32, endpoint {name string}", "not said to be nullable"),
        ("partition_id int32, ends []{name string}", "no constructor"),
    ],
)
def test_a_bad_text_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse("Change", text, Change, {"endpoint": Endpoint})


class AnyMaker(dict[str, Any]):
    """Makers of whatever fields are asked for, one per name."""

    def __missing__(self, path: str) -> Any:
        return lambda **values: tuple(values.items())

    def get(self, path: str, default: Any = None) -> Any:
        return self[path]


@pytest.mark.parametrize("line", TEXTS, ids=lambda line: line.partition(" ")[0])
def test_every_record_of_kafka_is_readable(line: str) -> None:
    """Record formats that Kafka 4.3.1's own classes print."""
    name, text = re.split(r" ", line, maxsplit=1)
    struct = parse(name, text, lambda **values: values, AnyMaker())
    decoder(struct), encoder(struct)
    assert len(struct.fields) == len({field.name for field in struct.fields})


def test_the_client_id_is_the_only_legacy_length_in_a_flexible_struct() -> None:
    odd = {}
    for line in TEXTS:
        name, text = line.split(" ", 1)
        struct = parse(name, text, lambda **values: values, AnyMaker())
        if struct.flexible and (legacy := [field.name for field in struct.fields if field.legacy]):
            odd[name] = legacy
    assert odd == {"RequestHeaderData.v2": ["client_id"]}
