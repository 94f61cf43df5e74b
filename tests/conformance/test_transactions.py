"""Transactions, with a client that nobody here wrote: what is committed is read, and nothing else is."""

from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaException

from tests.support.clients import create_topic
from tests.support.nodes import Node

PROPERTIES = {
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
}
CALL_S = 20.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, broker_kind: type[Node]) -> Iterator[Node]:
    with broker_kind(tmp_path_factory.mktemp("transactions"), PROPERTIES) as node:
        yield node


def producer(node: Node, transactional_id: str, timeout_ms: int = 60_000) -> confluent_kafka.Producer:
    settings = {"transactional.id": transactional_id, "transaction.timeout.ms": timeout_ms, "linger.ms": 0}
    made = confluent_kafka.Producer({"bootstrap.servers": node.bootstrap, **settings})
    made.init_transactions(CALL_S)
    return made


def write(into: confluent_kafka.Producer, topic: str, *values: bytes) -> None:
    """Begin a transaction, and write so that the broker has it."""
    into.begin_transaction()
    for value in values:
        into.produce(topic, value, partition=0)
    assert into.flush(CALL_S) == 0


def consumer(node: Node, group: str, **config: Any) -> confluent_kafka.Consumer:
    fixed = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "isolation.level": "read_committed"}
    return confluent_kafka.Consumer({"bootstrap.servers": node.bootstrap, "group.id": group, **fixed, **config})


def committed(node: Node, topic: str) -> list[bytes]:
    """All that readers of committed data see; it waits for open transactions to end."""
    reader = consumer(node, "reader")
    place = confluent_kafka.TopicPartition(topic, 0, 0)
    _, end = reader.get_watermark_offsets(place, CALL_S)
    reader.assign([place])
    values: list[bytes] = []
    while reader.position([place])[0].offset < end:
        message = reader.poll(CALL_S)
        assert message is not None, f"nothing comes behind {reader.position([place])[0].offset}, and it ends at {end}"
        if message.error() is None:
            values.append(message.value() or b"")
        if message.offset() == end - 2:
            break  # the last one is a marker
    reader.close()
    return values


def test_what_is_committed_is_read_and_what_is_aborted_is_not(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    writer = producer(broker, "a")
    write(writer, topic, b"1", b"2")
    writer.commit_transaction(CALL_S)
    write(writer, topic, b"not 3")
    writer.abort_transaction(CALL_S)
    write(writer, topic, b"3")
    writer.commit_transaction(CALL_S)
    assert committed(broker, topic) == [b"1", b"2", b"3"]


def test_a_zombie_is_shut_out(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    zombie = producer(broker, "z")
    write(zombie, topic, b"of the zombie")
    heir = producer(broker, "z")
    with pytest.raises(KafkaException) as fenced:
        zombie.commit_transaction(CALL_S)
    assert fenced.value.args[0].code() == confluent_kafka.KafkaError._FENCED
    write(heir, topic, b"of the heir")
    heir.commit_transaction(CALL_S)
    assert committed(broker, topic) == [b"of the heir"]


def test_a_transaction_that_takes_too_long_is_aborted(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    slow, quick = producer(broker, "slow", 1000), producer(broker, "quick")
    write(slow, topic, b"too late")
    write(quick, topic, b"in time")
    quick.commit_transaction(CALL_S)
    assert committed(broker, topic) == [b"in time"]


@pytest.mark.parametrize("commit", [True, False])
def test_offsets_are_committed_with_their_transaction(broker: Node, commit: bool) -> None:
    topic, group = create_topic(broker.bootstrap), f"copiers-{commit}"
    writer = producer(broker, f"copier-{commit}")
    write(writer, topic, b"1", b"2")
    writer.commit_transaction(CALL_S)
    reader = consumer(broker, group)
    reader.subscribe([topic])
    while reader.poll(CALL_S).value() != b"2":  # type: ignore[union-attr]
        pass
    write(writer, topic, b"copied")
    writer.send_offsets_to_transaction(reader.position(reader.assignment()), reader.consumer_group_metadata(), CALL_S)
    writer.commit_transaction(CALL_S) if commit else writer.abort_transaction(CALL_S)
    (place,) = reader.committed(reader.assignment(), CALL_S)
    assert place.offset == (2 if commit else confluent_kafka.OFFSET_INVALID)
    reader.close()
