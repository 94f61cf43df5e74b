"""Every API message, by (api key, version): bytes <-> the newest version's dataclass.

The classes are in `server.wire.messages`, one module per API. A field that an older version lacks has its default
after decoding and is dropped on encoding; None where an older version has no null is written as empty. A module is
imported, and a codec compiled, when a message of it is first seen.

`buffer` must end where the message ends. Bytes behind a message are ignored, as Kafka ignores them.
Raises Rejected(UNSUPPORTED_VERSION) for an API or version that is not in the schema, and Malformed from decoding.
"""

from functools import cache
from importlib import import_module
from typing import Any

from server.model.errors import ErrorCode, Rejected
from server.ports import Buffer
from server.wire.codec import Decoder, Encoder, Scatterer, decoder, encoder, scatterer
from server.wire.messages.by_hand import ALL
from server.wire.schema import Field, Rows, Struct

API_VERSIONS = 18
# Versions in the schema that Kafka 4.3 serves only with unstable.api.versions.enable: InitProducerId 6 (KIP-939).
NEWEST_STABLE = {22: 5}


def decode_request(api_key: int, version: int, buffer: Buffer, at: int = 0) -> Any:
    """The request that begins at `at`, without its header."""
    return _request_decoder(api_key, version)(buffer, at)[0]


def encode_response(api_key: int, version: int, message: Any) -> bytearray:
    """A response without its header."""
    out = bytearray()
    _response_encoder(api_key, version)(message, out)
    return out


def encode_response_pieces(api_key: int, version: int, message: Any) -> list[Buffer]:
    """A response without its header, as pieces to be sent one after the other; record data is not copied."""
    return _response_scatterer(api_key, version)(message)


def encode_request(api_key: int, version: int, message: Any) -> bytearray:
    """A request without its header."""
    out = bytearray()
    _request_encoder(api_key, version)(message, out)
    return out


def decode_response(api_key: int, version: int, buffer: Buffer, at: int = 0) -> Any:
    """The response that begins at `at`, without its header."""
    return _response_decoder(api_key, version)(buffer, at)[0]


def header_versions(api_key: int, version: int) -> tuple[int, int]:
    """The versions of the request's header and of the response's.

    They are known for versions too new for us too: an ApiVersions request of any version must be answered.
    """
    flexible = version >= _known(api_key)[4]
    # The one who asks for ApiVersions does not know yet what we speak: the answer's header never has tags (KIP-511).
    return (2 if flexible else 1), int(flexible and api_key != API_VERSIONS)


def served_versions(api_key: int) -> tuple[int, int]:
    """The oldest and the newest version that Kafka 4.3 serves, both inclusive."""
    _, _, oldest, newest, _ = _known(api_key)
    return oldest, NEWEST_STABLE.get(api_key, newest)


def request_struct(api_key: int, version: int) -> Struct:
    return _message(api_key, version, "Request")


def response_struct(api_key: int, version: int) -> Struct:
    return _message(api_key, version, "Response")


@cache
def _request_decoder(api_key: int, version: int) -> Decoder:
    return decoder(request_struct(api_key, version))


@cache
def _response_encoder(api_key: int, version: int) -> Encoder:
    return encoder(response_struct(api_key, version))


@cache
def _response_scatterer(api_key: int, version: int) -> Scatterer:
    return scatterer(response_struct(api_key, version))


@cache
def _request_encoder(api_key: int, version: int) -> Encoder:
    return encoder(request_struct(api_key, version))


@cache
def _response_decoder(api_key: int, version: int) -> Decoder:
    return decoder(response_struct(api_key, version))


def _known(api_key: int) -> tuple[str, str, int, int, int]:
    if api_key not in ALL:
        raise Rejected(ErrorCode.UNSUPPORTED_VERSION, f"There is no API with key {api_key}.")
    return ALL[api_key]


@cache
def _message(api_key: int, version: int, direction: str) -> Struct:
    module_name, stem, oldest, newest, flexible_from = _known(api_key)
    if not oldest <= version <= newest:
        raise Rejected(ErrorCode.UNSUPPORTED_VERSION, f"{stem} has no version {version}.")
    module = import_module(f"server.wire.messages.{module_name}")
    return _struct(module, module.SCHEMA, stem + direction, version, version >= flexible_from)


def _struct(module: Any, schema: Rows, name: str, version: int, flexible: bool) -> Struct:
    """One version of a struct of the generated schema."""
    make = getattr(module, name)
    defaults = make()
    fields = []
    for field, kind, first, last, null_from, tag in schema[name]:
        if not first <= version <= last:
            continue
        array = kind.startswith("[]")
        bare = kind.removeprefix("[]")
        inner = _struct(module, schema, bare, version, flexible) if bare in schema else bare
        nullable = null_from is not None and version >= null_from
        default = getattr(defaults, field)
        null_is_empty = null_from is not None and not nullable
        fields.append(Field(field, inner, array, nullable, tag, default, null_is_empty=null_is_empty))
    return Struct(name, tuple(fields), flexible, make)
