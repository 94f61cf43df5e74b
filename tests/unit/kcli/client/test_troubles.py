"""What goes wrong between the Admin and a broker: nobody, silence, hang-ups, strangers."""

import pytest

from kcli import client
from kcli.errors import Setup, Unreachable
from kcli.model import NewTopic
from kcli.properties import Connection
from tests.support.scripted import HANG_UP, SILENCE, ScriptedBroker
from tests.unit.kcli.client.test_admin import admin, listed

SOON = {"request.timeout.ms": "300"}  # for brokers that say nothing


def test_nothing_listens() -> None:
    with ScriptedBroker({}) as broker:
        pass
    host, port = broker.address
    with admin(broker) as kafka, pytest.raises(Unreachable) as unreachable:
        kafka.list_topics()
    assert unreachable.value.message == f"No broker answers at {host}:{port}"
    assert "kcli cluster up" in (unreachable.value.advice or "")


def test_nothing_listens_at_any_of_several_addresses() -> None:
    with ScriptedBroker({}) as one, ScriptedBroker({}) as other:
        pass
    with admin(one, other) as kafka, pytest.raises(Unreachable) as unreachable:
        kafka.list_topics()
    named = ",".join(f"{host}:{port}" for host, port in (one.address, other.address))
    assert unreachable.value.message == f"No broker answers at {named}"


def test_an_unknown_host_is_told() -> None:
    kafka = client.connect(Connection((("no-such-host.invalid", 1),), {}))
    with pytest.raises(Unreachable, match="unknown host"):
        kafka.list_topics()


def test_the_next_address_is_tried() -> None:
    with ScriptedBroker({}) as gone:
        pass
    with ScriptedBroker({"Metadata": listed("a")}) as alive, admin(gone, alive) as kafka:
        assert [topic.name for topic in kafka.list_topics()] == ["a"]


@pytest.mark.parametrize("mute", ["ApiVersions", "Metadata"])
def test_a_silent_broker_is_given_up_after_the_request_time_out(mute: str) -> None:
    answers = {"Metadata": listed()} | {mute: SILENCE}
    with ScriptedBroker(answers) as broker, admin(broker, settings=SOON) as kafka:
        complaint = f"did not answer {mute} within 0.3 s"
        with pytest.raises(Unreachable, match=complaint):
            kafka.list_topics()
    assert [name for name, *_ in broker.asked].count(mute) == 1  # a second try would take as long again


def test_the_next_address_is_asked_when_one_is_silent() -> None:
    with (
        ScriptedBroker({"Metadata": SILENCE}) as mute,
        ScriptedBroker({"Metadata": listed("a")}) as alive,
        admin(mute, alive, settings=SOON) as kafka,
    ):
        assert [topic.name for topic in kafka.list_topics()] == ["a"]


def test_a_question_is_asked_again_when_the_connection_breaks() -> None:
    answers = iter([HANG_UP, listed("a")])
    with ScriptedBroker({"Metadata": lambda _: next(answers)}) as broker, admin(broker) as kafka:
        assert [topic.name for topic in kafka.list_topics()] == ["a"]
    assert [name for name, *_ in broker.asked] == ["ApiVersions", "Metadata"] * 2


def test_a_change_is_not_asked_for_twice() -> None:
    """It may have been made before the connection broke."""
    with (
        ScriptedBroker({"CreateTopics": HANG_UP}) as broker,
        admin(broker) as kafka,
        pytest.raises(Unreachable, match="closed the connection during CreateTopics"),
    ):
        kafka.create_topics([NewTopic("a")])
    assert [name for name, *_ in broker.asked] == ["ApiVersions", "CreateTopics"]


def test_a_broker_that_always_hangs_up_is_given_up() -> None:
    with ScriptedBroker({"ApiVersions": HANG_UP}) as broker, admin(broker) as kafka:
        with pytest.raises(Unreachable, match="closed the connection") as unreachable:
            kafka.list_topics()
        assert "security.protocol" in (unreachable.value.advice or "")


@pytest.mark.parametrize(
    "junk",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x04\0\0\0\x63", b"\xff\xff\xff\xff", b"\0\0\0\0"],
    ids=["http", "another correlation id", "negative size", "empty"],
)
def test_what_does_not_speak_kafka_is_told(junk: bytes) -> None:
    with (
        ScriptedBroker({"ApiVersions": junk}) as broker,
        admin(broker) as kafka,
        pytest.raises(Unreachable, match="does not speak Kafka's protocol"),
    ):
        kafka.list_topics()


@pytest.mark.parametrize("body", [b"", b"\0\0\0\0\x05", b"\0\0\0\0\x02\0\0\0\x01\xff\xff\xff\xff\x0f"])
def test_an_answer_that_cannot_be_read_is_told(body: bytes) -> None:
    frame = (len(body) + 5).to_bytes(4) + (2).to_bytes(4) + b"\0" + body
    with (
        ScriptedBroker({"Metadata": frame}) as broker,
        admin(broker) as kafka,
        pytest.raises(Unreachable, match="sent an answer to Metadata that cannot be read"),
    ):
        kafka.list_topics()


def test_a_time_out_must_be_a_number() -> None:
    with pytest.raises(
        Setup, match=r"Invalid value soon for configuration request\.timeout\.ms: Not a number of type INT"
    ):
        client.connect(Connection((("localhost", 1),), {"request.timeout.ms": "soon"}))


def test_kafka_python_is_whole_after_it_was_loaded_in_part() -> None:
    """The client puts off the package's own imports; somebody who asks for the rest gets it."""
    import kafka

    assert kafka.KafkaConsumer.__name__ == "KafkaConsumer"
