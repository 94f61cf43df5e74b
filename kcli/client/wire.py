"""One connection to one broker: requests out, answers in, each with a deadline.

The messages are kafka-python's. Its package imports producer, consumer and crc32c when it is imported, 130 ms that an
admin command does not have, so `_package` puts that off; the classes of a request and its answer are made at first use
from the schemas that it ships (1-2 ms each).
Source: KIP-35 (ApiVersions), KIP-482 (flexible versions), KIP-511.
"""

import importlib.util
import struct
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from kcli import sockets
from kcli.errors import Refused, Unreachable
from kcli.properties import Address

MAX_ANSWER_BYTES = 512 * 1024 * 1024
API_VERSIONS = 18
UNSUPPORTED_VERSION = 35
OWN_SCHEMAS, NOT_IN_KAFKA_PYTHON = "schemas.protocol", frozenset({"UnregisterBroker", "ConsumerGroupDescribe"})
# Newer versions speak of topics by their ids, which a tool for people would have to look up.
NEWEST = {"OffsetFetch": 9, "OffsetCommit": 9, "Fetch": 12}
Clock = Callable[[], float]


class Silence(Unreachable):
    """The broker took a request and did not answer in time."""


class Broken(Unreachable):
    """The connection ended in the middle of a call."""


class Reader(NamedTuple):
    """How to read the body of an answer of one version, where kafka-python's way takes too long."""

    version: int
    read: Callable[[bytes], Any]


class Wire:
    """A connection that knows which versions its broker speaks."""

    def __init__(
        self, address: Address, settings: Mapping[str, str], connect_s: float, timeout_s: float, clock: Clock
    ) -> None:
        """Connect within `connect_s`, negotiate within `timeout_s`. Raises Unreachable, Setup."""
        self.address, self._clock = address, clock
        self._client_id = settings.get("client.id", "kcli").encode()
        self._correlation = 0
        self._socket = sockets.connect(address, settings, connect_s)
        try:
            self._versions = self._negotiated(timeout_s)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def version(self, name: str) -> int | None:
        """The newest version of a request that both sides speak, e.g. of "Metadata"; None if there is none."""
        request, _ = messages(name)
        low, high = self._versions.get(request.API_KEY, (0, -1))
        newest = min(high, NEWEST.get(name, request.max_version))
        return newest if newest >= max(low, request.min_version) else None

    def call(self, name: str, fields: Mapping[str, Any], timeout_s: float, reader: "Reader | None" = None) -> Any:
        """Send a request and return its answer: a message of kafka-python, or what `reader` makes of its version.

        raises  Refused(UNSUPPORTED_VERSION): the broker does not know the request
                Silence, Broken: no answer in time, or none at all
        """
        request, response = messages(name)
        version = self.version(name)
        if version is None:
            raise Refused(UNSUPPORTED_VERSION, f"The broker at {self.named} does not support {name}")
        asked = filled(request, fields).encode(version=version)
        flexible = response.flexible_version_q(version)
        answer = self._exchange(request.API_KEY, version, asked, timeout_s, name, tagged=flexible)
        try:
            body = answer[_tags_end(answer) :] if flexible else answer
            return (
                reader.read(bytes(body))
                if reader and reader.version == version
                else response.decode(body, version=version)
            )
        except (struct.error, IndexError, ValueError) as error:
            raise self._unreadable(name, error) from error

    def call_bytes(self, name: str, key: int, version: int, body: bytes, timeout_s: float) -> bytes:
        """Send a flexible request that kafka-python does not know; return the body of its answer. Raises as `call`."""
        low, high = self._versions.get(key, (0, -1))
        if not low <= version <= high:
            raise Refused(UNSUPPORTED_VERSION, f"The broker at {self.named} does not support {name}")
        answer = self._exchange(key, version, body, timeout_s, name, tagged=True)
        try:
            return bytes(answer[_tags_end(answer) :])
        except IndexError as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: Exception) -> Unreachable:
        return Unreachable(f"The broker at {self.named} sent an answer to {name} that cannot be read: {error}")

    @property
    def named(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    def _negotiated(self, timeout_s: float) -> dict[int, tuple[int, int]]:
        # Version 0 by hand: every broker since 0.10 answers it, and no schema needs to be read for it.
        answer = self._exchange(API_VERSIONS, 0, b"", timeout_s, "ApiVersions", tagged=False)
        code, count = struct.unpack_from(">hi", answer)
        if code:
            raise Refused(code)
        rows = struct.iter_unpack(">hhh", answer[6 : 6 + 6 * count])
        return {key: (low, high) for key, low, high in rows}

    def _exchange(
        self, key: int, version: int, body: bytes, timeout_s: float, name: str, *, tagged: bool
    ) -> memoryview:
        """Send one frame, read its answer, return what follows the correlation id."""
        self._correlation += 1
        head = struct.pack(">hhih", key, version, self._correlation, len(self._client_id)) + self._client_id
        frame = head + (b"\0" if tagged else b"") + body
        deadline = self._clock() + timeout_s
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(struct.pack(">i", len(frame)) + frame)
            (size,) = struct.unpack(">i", self._receive(4, deadline))
            if not 4 <= size <= MAX_ANSWER_BYTES:
                raise Unreachable(f"What answers at {self.named} does not speak Kafka's protocol", "Check the port.")
            answer = memoryview(self._receive(size, deadline))
        except TimeoutError as error:
            raise Silence(f"The broker at {self.named} did not answer {name} within {timeout_s:g} s") from error
        except OSError as error:
            raise Broken(
                f"The broker at {self.named} closed the connection during {name}",
                "Check security.protocol (a TLS port hangs up on plain clients) and the ssl.* settings."
                if key == API_VERSIONS
                else None,
            ) from error
        if struct.unpack_from(">i", answer)[0] != self._correlation:
            raise Unreachable(f"What answers at {self.named} does not speak Kafka's protocol", "Check the port.")
        return answer[4:]

    def _receive(self, size: int, deadline: float) -> bytearray:
        into = bytearray(size)
        view, at = memoryview(into), 0
        while at < size:
            left = deadline - self._clock()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            got = self._socket.recv_into(view[at:])
            if not got:
                raise ConnectionError("the connection was closed")
            at += got
        return into


@cache
def messages(name: str) -> tuple[Any, Any]:
    """kafka-python's classes of a request and of its answer, e.g. for "Metadata"."""
    _package("kafka")
    from kafka.protocol.api_message import ApiMessage

    schemas = OWN_SCHEMAS if name in NOT_IN_KAFKA_PYTHON else None
    made = [type(ApiMessage)(name + kind, (ApiMessage,), {}, load_json=schemas) for kind in ("Request", "Response")]
    return made[0], made[1]


def _package(name: str) -> None:
    """Make a package importable without running its __init__ until a name of it is asked for."""
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None:
        return
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def ask(attribute: str) -> Any:
        if attribute.startswith("__") or loader is None:
            raise AttributeError(attribute)
        del module.__dict__["__getattr__"]
        loader.exec_module(module)
        return getattr(module, attribute)

    module.__dict__["__getattr__"] = ask


def filled(message: Any, fields: Mapping[str, Any]) -> Any:
    """Make a message, or a struct of one, from plain values: a dict stands for a struct."""
    schema = message._struct.fields
    return message(**{name: _value(schema[name], value) for name, value in fields.items()})


def _value(field: Any, value: Any) -> Any:
    if value is None or not (field.is_struct() or field.is_struct_array()):
        return value
    if field.is_struct_array():
        return [filled(field.data_class, one) for one in value]
    return filled(field.data_class, value)


def _tags_end(answer: memoryview) -> int:
    """Where the tagged fields of a response header end."""
    count, at = _varint(answer, 0)
    for _ in range(count):
        _, at = _varint(answer, at)
        size, at = _varint(answer, at)
        at += size
    return at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 35:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return value, at
