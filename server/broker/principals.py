"""Principals as bytes: how a broker names a client to the controller when it forwards a request.

An int16 version, then DefaultPrincipalData. Source: KIP-590; the schema of Kafka 4.3.
"""

from dataclasses import dataclass
from struct import Struct

from server.ports import Buffer
from server.wire.codec import decoder, encoder
from server.wire.schema import Struct as Schema
from server.wire.schema import parse

ANONYMOUS = "User:ANONYMOUS"
VERSION = Struct(">h")


@dataclass(slots=True)
class Principal:
    type: str = "User"
    name: str = "ANONYMOUS"
    token_authenticated: bool = False


SCHEMA: Schema = parse(
    "DefaultPrincipalData", "type compact string, name compact string, token_authenticated bool, <tags>", Principal
)


def encode(principal: str) -> bytes:
    """`Type:name` as bytes."""
    kind, _, name = principal.partition(":")
    out = bytearray(VERSION.pack(0))
    encoder(SCHEMA)(Principal(kind, name), out)
    return bytes(out)


def decode(data: Buffer) -> str:
    """Bytes as `Type:name`. Raises Malformed."""
    found, _ = decoder(SCHEMA)(data, VERSION.size)
    return f"{found.type}:{found.name}"
