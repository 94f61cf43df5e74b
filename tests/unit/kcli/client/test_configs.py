"""Two ways to read the answer to DescribeConfigs: kafka-python's, and ours over the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcli.client import configs
from kcli.client.wire import messages
from server.wire import api
from server.wire.messages.describe_configs import (
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

DESCRIBE_CONFIGS = 32
TEXTS = st.text(max_size=3) | st.just("x" * 127) | st.just("y" * 300)
SYNONYMS = st.builds(DescribeConfigsSynonym, name=TEXTS, value=st.none() | TEXTS, source=st.integers(0, 9))
SETTINGS = st.builds(
    DescribeConfigsResourceResult,
    name=TEXTS,
    value=st.none() | TEXTS,
    read_only=st.booleans(),
    config_source=st.sampled_from([1, 4, 5, 9]),
    is_sensitive=st.booleans(),
    synonyms=st.lists(SYNONYMS, max_size=2).map(tuple),
    config_type=st.integers(0, 9),
    documentation=st.none() | TEXTS,
)
RESULTS = st.builds(
    DescribeConfigsResult,
    error_code=st.sampled_from([0, 0, 3, -1]),
    error_message=st.none() | TEXTS,
    resource_type=st.sampled_from([2, 4, 32]),
    resource_name=TEXTS,
    configs=st.lists(SETTINGS, max_size=4).map(tuple),
)
ANSWERS = st.builds(DescribeConfigsResponse, results=st.lists(RESULTS, max_size=3).map(tuple))
DEFAULTS = st.none() | st.lists(TEXTS, max_size=2)


def encoded(answer: DescribeConfigsResponse) -> bytes:
    return bytes(api.encode_response(DESCRIBE_CONFIGS, configs.VERSION, answer))


def plain(told: configs.Told) -> object:
    """Exceptions are equal only to themselves."""
    return {key: one if isinstance(one, tuple) else (one.code, one.message) for key, one in told.items()}


@given(ANSWERS, DEFAULTS)
def test_both_ways_tell_the_same(answer: DescribeConfigsResponse, defaults: list[str] | None) -> None:
    body = encoded(answer)
    decoded = messages("DescribeConfigs")[1].decode(body, version=configs.VERSION)
    assert plain(configs.of_bytes(body, defaults)) == plain(configs.of_message(decoded, defaults))


@given(ANSWERS, DEFAULTS, st.data())
def test_an_answer_that_is_cut_is_refused_or_shorter(
    answer: DescribeConfigsResponse, defaults: list[str] | None, data: st.DataObject
) -> None:
    body = encoded(answer)
    cut = data.draw(st.integers(5, len(body)))
    try:
        configs.of_bytes(body[:cut], defaults)
    except (IndexError, ValueError):
        return
    assert cut >= len(body) - 2  # only tags are missing


@pytest.mark.parametrize("tail", [b"\xff\xff\xff\xff\xff\x01", b"\x02\0\0\x00\x02\x02\xc3\x01\0\0"])
def test_junk_is_refused(tail: bytes) -> None:
    with pytest.raises((IndexError, ValueError)):
        configs.of_bytes(bytes(4) + tail, None)
