"""Words for every error code of the protocol."""

import kafka.errors
import pytest

from kcli import errors
from kcli.errors import Refused
from server.model.errors import ErrorCode


def test_every_code_of_the_protocol_has_its_name_and_words() -> None:
    """The server's table was written by others."""
    named = {code.value: code.name for code in ErrorCode if code is not ErrorCode.NONE}
    assert {code: row[0] for code, row in errors.KAFKA_ERRORS.items()} == named
    assert all(words.strip() == words and words for _, _, words in errors.KAFKA_ERRORS.values())


def test_names_agree_with_kafka_pythons() -> None:
    """kafka-python calls some by another name: the ones that Kafka renamed later."""
    theirs = {one.errno: one.message for one in kafka.errors.kafka_errors.values() if one.errno in errors.KAFKA_ERRORS}
    differing = {code for code, name in theirs.items() if name != errors.KAFKA_ERRORS[code][0]}
    assert len(theirs) > 90
    assert len(differing) < 12


def test_a_refusal_without_a_message_has_its_codes_words() -> None:
    refused = Refused(3)
    assert (refused.message, refused.name) == (
        "This server does not host this topic-partition.",
        "UNKNOWN_TOPIC_OR_PARTITION",
    )


def test_an_unknown_code_is_told_as_one() -> None:
    refused = Refused(9999)
    assert (refused.message, refused.name) == ("The server answered with the unknown error code 9999.", "ERROR_9999")
    assert errors.exception_class(9999) == "org.apache.kafka.common.errors.UnknownServerException"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (36, "org.apache.kafka.common.errors.TopicExistsException"),
        (87, "org.apache.kafka.common.InvalidRecordException"),
    ],
)
def test_java_exceptions_have_their_package(code: int, name: str) -> None:
    assert errors.exception_class(code) == name
