"""Records as the console consumer prints them: Kafka's formatters, and one JSON object a line. Pure.

A formatter turns records into bytes; what it cannot turn (a value that its deserializer does not accept) raises
Failure. Deserializers are those of org.apache.kafka.common.serialization, and print what Java's would.
"""

import base64
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from kcli.errors import Failure, Usage

PACKAGE = "org.apache.kafka.tools.consumer."
DEFAULT, LOGGING, NOTHING = (f"{PACKAGE}{name}MessageFormatter" for name in ("Default", "Logging", "NoOp"))
INTERNAL = (
    "org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
    "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter",
    "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter",
    "org.apache.kafka.tools.consumer.group.share.ShareGroupStateMessageFormatter",
)
SERDES = "org.apache.kafka.common.serialization."


class Record(Protocol):
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


Decode = Callable[[bytes], bytes]
_BEYOND_FLOAT = 3.4028235677973366e38  # rounds to a number that four bytes do not hold


class Formatter:
    """Base of the formatters: records of one partition at a time.

    append_time  whether their timestamps are the broker's
    """

    values_only = False  # `values` will do, and is faster

    def records(self, topic: str, partition: int, append_time: bool, records: Iterable[Record]) -> bytes:
        raise NotImplementedError

    def values(self, values: Sequence[bytes | None]) -> bytes:
        raise NotImplementedError


class Text(Formatter):
    """Kafka's DefaultMessageFormatter."""

    def __init__(self, properties: Mapping[str, str], complain: Callable[[str], None] = lambda text: None) -> None:
        def on(name: str, default: str = "false") -> bool:
            return properties.get(f"print.{name}", default).strip().lower() == "true"

        def text(name: str, default: str) -> bytes:
            return properties.get(name, default).encode()

        shown = ("timestamp", "partition", "offset", "delivery", "epoch", "headers", "key")
        self._shown = [name for name in shown if on(name)] + (["value"] if on("value", "true") else [])
        self._between, self._end = text("key.separator", "\t"), text("line.separator", "\n")
        self._headers_between, self._null = text("headers.separator", ","), text("null.literal", "null")
        self._decoders: dict[str, Decode | None] = {}
        for field in ("key", "value", "headers"):
            name = properties.get(f"{field}.deserializer")
            self._decoders[field] = _decoder(name, complain) if name else None
        self.values_only = self._shown == ["value"] and self._decoders["value"] is None

    def records(self, topic: str, partition: int, append_time: bool, records: Iterable[Record]) -> bytes:
        if not self._shown:
            return b""
        kind = "LogAppendTime" if append_time else "CreateTime"
        place = f"Partition:{partition}".encode()
        lines = []
        for record in records:
            fields: list[bytes] = []
            for name in self._shown:
                if name == "value":
                    fields.append(self._field(name, record.value))
                elif name == "key":
                    fields.append(self._field(name, record.key))
                elif name == "headers":
                    fields.append(self._headers(record.headers))
                elif name == "offset":
                    fields.append(b"Offset:%d" % record.offset)
                elif name == "partition":
                    fields.append(place)
                elif name == "timestamp":
                    when = record.timestamp_ms
                    fields.append(b"NO_TIMESTAMP" if when < 0 else f"{kind}:{when}".encode())
                else:  # Kafka's tool does not keep these two, either
                    fields.append(f"{name.capitalize()}:NOT_PRESENT".encode())
            lines.append(self._between.join(fields))
        lines.append(b"")
        return self._end.join(lines)

    def values(self, values: Sequence[bytes | None]) -> bytes:
        end = self._end
        try:
            return end.join(values) + end if values else b""  # type: ignore[arg-type]  # the rare None raises
        except TypeError:
            null = self._null
            return end.join([null if value is None else value for value in values]) + end

    def _headers(self, headers: Sequence[tuple[str, bytes | None]]) -> bytes:
        if not headers:
            return b"NO_HEADERS"
        shown = [name.encode() + b":" + self._field("headers", content) for name, content in headers]
        return self._headers_between.join(shown)

    def _field(self, name: str, content: bytes | None) -> bytes:
        if content is None:
            return self._null
        decode = self._decoders[name]
        return decode(content) if decode else content


class Nothing(Formatter):
    """Kafka's NoOpMessageFormatter: records are counted, not shown."""

    values_only = True

    def records(self, topic: str, partition: int, append_time: bool, records: Iterable[Record]) -> bytes:
        return b""

    def values(self, values: Sequence[bytes | None]) -> bytes:
        return b""


class Json(Formatter):
    """One JSON object a line. Bytes that are not UTF-8 text stand under the name with `_base64` at its end."""

    def records(self, topic: str, partition: int, append_time: bool, records: Iterable[Record]) -> bytes:
        import orjson  # only for those who want JSON

        kind = "LogAppendTime" if append_time else "CreateTime"
        lines = []
        for record in records:
            told: dict[str, object] = {"topic": topic, "partition": partition, "offset": record.offset}
            if record.timestamp_ms >= 0:
                told |= {"timestamp": record.timestamp_ms, "timestamp_type": kind}
            told |= _told("key", record.key) | _told("value", record.value)
            if record.headers:
                told["headers"] = [{"key": name} | _told("value", content) for name, content in record.headers]
            lines.append(orjson.dumps(told))
        lines.append(b"")
        return b"\n".join(lines)


def _told(name: str, content: bytes | None) -> dict[str, object]:
    if content is None:
        return {name: None}
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content).decode()}


def formatter(name: str, properties: Mapping[str, str], complain: Callable[[str], None]) -> Formatter:
    """Make the formatter of this class name, with or without its package. Raises Usage."""
    full = name if "." in name else f"{PACKAGE}{name}"
    if full in (DEFAULT, LOGGING):  # what LoggingMessageFormatter logs is not visible in Kafka's tool, either
        return Text(properties, complain)
    if full == NOTHING:
        return Nothing()
    if full in INTERNAL:
        raise Usage(f"{name} is not built yet in this version of kcli", "Print the records as they are: --output json.")
    raise Usage(name, f"There is no such formatter. Choose from {DEFAULT}, {LOGGING}, {NOTHING}.")


def summary(count: int) -> str:
    return f"Processed a total of {count} messages"


# --- Kafka's deserializers


def _decoder(name: str, complain: Callable[[str], None]) -> Decode | None:
    """What a deserializer prints; None: the bytes as they are."""
    short = name.removeprefix(SERDES)
    if short in ("StringDeserializer", "BytesDeserializer", "ByteArrayDeserializer", "ByteBufferDeserializer"):
        return None
    if short not in _DECODERS:
        complain(f"Unable to instantiate a deserializer from {name}; the bytes are printed as they are")
        return None
    return _DECODERS[short]


def _fixed(name: str, layout: str, show: Callable[[float], str]) -> Decode:
    size = struct.calcsize(layout)

    def decode(content: bytes) -> bytes:
        if len(content) != size:
            raise Failure(f"Size of data received by {name} is not {size}")
        return show(struct.unpack(layout, content)[0]).encode()

    return decode


def _boolean(content: bytes) -> bytes:
    if content not in (b"\0", b"\1"):
        raise Failure("Unexpected byte received by BooleanDeserializer: a boolean is one byte, 0 or 1")
    return b"true" if content == b"\1" else b"false"


def _uuid(content: bytes) -> bytes:
    try:
        return str(UUID(content.decode())).encode()
    except ValueError as error:
        raise Failure("Error parsing data into UUID") from error


def _void(content: bytes) -> bytes:
    raise Failure("Data should be null for a VoidDeserializer.")


def java_number(value: float, single: bool = False) -> str:
    """A number as Double.toString prints it, or with `single` Float.toString."""
    from decimal import Decimal  # few records hold such numbers

    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1, value) < 0 else ""
    _, figures, exponent = Decimal(_shortest(abs(value), single)).normalize().as_tuple()
    digits = "".join(map(str, figures))
    assert isinstance(exponent, int), "it is a finite number"
    point = len(digits) + exponent  # where the decimal point stands, counted from the first digit
    if value == 0:
        return f"{sign}0.0"
    if not 1e-3 <= abs(value) < 1e7:
        return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"


def _shortest(value: float, single: bool) -> str:
    """The fewest digits that say which number it is."""
    if single:
        raw = struct.pack(">f", value)
        for digits in range(1, 9):
            text = f"{value:.{digits}g}"
            if float(text) < _BEYOND_FLOAT and struct.pack(">f", float(text)) == raw:
                return text
        return f"{value:.9g}"
    return repr(value)


_DECODERS: dict[str, Decode] = {
    name: _fixed(name, layout, show)
    for name, layout, show in (
        ("ShortDeserializer", ">h", str),
        ("IntegerDeserializer", ">i", str),
        ("LongDeserializer", ">q", str),
        ("FloatDeserializer", ">f", lambda value: java_number(value, single=True)),
        ("DoubleDeserializer", ">d", java_number),
    )
} | {"BooleanDeserializer": _boolean, "UUIDDeserializer": _uuid, "VoidDeserializer": _void}
