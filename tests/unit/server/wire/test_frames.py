"""Frames and headers, against kio's."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.request_header.v1.header import RequestHeader as KioHeader1
from kio.schema.request_header.v2.header import RequestHeader as KioHeader2
from kio.schema.response_header.v0.header import ResponseHeader as KioResponse0
from kio.schema.response_header.v1.header import ResponseHeader as KioResponse1
from kio.serial import entity_writer

from server.model.errors import ErrorCode, Rejected
from server.wire.codec import Malformed
from server.wire.frames import (
    RequestHeader,
    decode_request_header,
    decode_response_header,
    frame_size,
    request_frame,
    response_frame,
    response_head,
)

PRODUCE_8 = RequestHeader(0, 8, 7, "console-producer")
PRODUCE_9 = RequestHeader(0, 9, 7, "console-producer")
VERSIONS: dict[int, Any] = {8: KioHeader1, 9: KioHeader2}


@settings(max_examples=30, derandomize=True, database=None)
@given(st.sampled_from(sorted(VERSIONS)), st.integers(-(2**31), 2**31 - 1), st.none() | st.text(max_size=50))
def test_a_request_header_has_kios_bytes_and_comes_back(version: int, correlation_id: int, client: str | None) -> None:
    header = RequestHeader(0, version, correlation_id, client)
    frame = request_frame(header, b"body")
    out = io.BytesIO()
    kio = VERSIONS[version]
    fields = {
        "request_api_key": 0,
        "request_api_version": version,
        "correlation_id": correlation_id,
        "client_id": client,
    }
    entity_writer(kio)(out, kio(**fields))
    assert frame[4:] == out.getvalue() + b"body"
    assert frame_size(frame) == len(frame) - 4
    assert decode_request_header(frame, 4) == (header, len(frame) - 4)


@pytest.mark.parametrize(("version", "kio"), [(0, KioResponse0), (1, KioResponse1)])
def test_a_response_frame_has_kios_bytes(version: int, kio: Any) -> None:
    out = io.BytesIO()
    entity_writer(kio)(out, kio(correlation_id=-5))
    frame = response_frame(-5, version, bytearray(b"body"))
    assert frame[4:] == out.getvalue() + b"body"
    assert frame_size(frame) == len(frame) - 4
    assert response_head(-5, version, 4) + b"body" == frame
    assert decode_response_header(frame, version, 4) == (-5, len(frame) - 4)


@pytest.mark.parametrize("header", [PRODUCE_8, PRODUCE_9], ids=["v1", "v2"])
def test_a_header_that_ends_early_is_malformed(header: RequestHeader) -> None:
    head = request_frame(header, b"")[4:]
    for end in range(len(head)):
        with pytest.raises(Malformed):
            decode_request_header(memoryview(head)[:end])


@pytest.mark.parametrize("version", [0, 1])
def test_a_response_header_that_ends_early_is_malformed(version: int) -> None:
    head = response_head(1, version, 0)[4:]
    for end in range(len(head)):
        with pytest.raises(Malformed):
            decode_response_header(head[:end], version)


@pytest.mark.parametrize(
    "head",
    [
        "0000" "0008" "00000007" "0001" "ff",  # not UTF-8
        "0000" "0008" "00000007" "7fff" "61",
        "0000" "0009" "00000007" "ffff" "02" "0000",  # two tags, room for one
        "0000" "0009" "00000007" "ffff" "01" "0005" "00",  # a tag longer than the header
        "0000" "0009" "00000007" "ffff" "ffffffff0f",
        "0000" "0009" "00000007" "ffff" "808080808001",
    ],
)  # fmt: skip
def test_a_bad_header_is_malformed(head: str) -> None:
    with pytest.raises(Malformed):
        decode_request_header(bytes.fromhex(head))


def test_tags_of_a_header_are_skipped() -> None:
    head = bytes.fromhex("0000000900000007000161020002abcd050100")
    assert decode_request_header(head + b"body") == (RequestHeader(0, 9, 7, "a"), len(head))


def test_an_unknown_api_is_refused_with_its_code() -> None:
    with pytest.raises(Rejected) as caught:
        decode_request_header(bytes.fromhex("03e7000000000007ffff"))
    assert caught.value.code == ErrorCode.UNSUPPORTED_VERSION


def test_the_header_of_an_unknown_version_of_api_versions_is_readable() -> None:
    head = bytes.fromhex("0012006300000007ffff00")
    assert decode_request_header(head) == (RequestHeader(18, 99, 7, None), len(head))


def test_a_client_id_has_a_limit() -> None:
    with pytest.raises(ValueError, match="32767"):
        request_frame(RequestHeader(0, 9, 1, "a" * 32_768), b"")
