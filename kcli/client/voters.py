"""AddRaftVoter and RemoveRaftVoter as bytes: kafka-python has no schema of them.

Both requests are of version 0, which every cluster that has them speaks; their answers have the same fields.
Source: KIP-853; the message schemas of Kafka 4.3.
"""

import base64
import struct
from collections.abc import Iterable

ADD_RAFT_VOTER, REMOVE_RAFT_VOTER = 80, 81
VERSION = 0
NO_CLUSTER_ID = b"\0"  # null: any cluster
NO_TAGS = b"\0"


def add(node: int, directory_id: str, endpoints: Iterable[tuple[str, str, int]], timeout_ms: int) -> bytes:
    """The body of an AddRaftVoter request; endpoints: (listener name, host, port) each."""
    rows = [_text(name) + _text(host) + struct.pack(">H", port) + NO_TAGS for name, host, port in endpoints]
    voter = struct.pack(">ii", timeout_ms, node) + _directory(directory_id)
    return NO_CLUSTER_ID + voter + _size(len(rows) + 1) + b"".join(rows) + NO_TAGS


def remove(node: int, directory_id: str) -> bytes:
    """The body of a RemoveRaftVoter request."""
    return NO_CLUSTER_ID + struct.pack(">i", node) + _directory(directory_id) + NO_TAGS


def answer(body: bytes) -> tuple[int, str | None]:
    """The error code and message of either's answer. Raises ValueError, IndexError, struct.error: it is none."""
    (code,) = struct.unpack_from(">h", body, 4)  # behind the throttle time
    length, at, shift = 0, 6, 0
    while True:
        length |= (body[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 0x80:
            break
    return code, body[at : at + length - 1].decode() if length else None


def _directory(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def _text(text: str) -> bytes:
    data = text.encode()
    return _size(len(data) + 1) + data


def _size(number: int) -> bytes:
    """An unsigned varint."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))
