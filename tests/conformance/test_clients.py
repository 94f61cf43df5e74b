"""librdkafka and kafka-python, which nobody here wrote, produce to a real broker process and read it back.

`pytest tests/conformance --kafka` runs the same tests against Apache Kafka, which shows that the tests are right.
"""

from contextlib import closing

import confluent_kafka
import kafka
import kafka.admin
import pytest
from confluent_kafka import TopicPartition

from tests.support.clients import (
    Record,
    consume,
    consume_with_kafka_python,
    create_topic,
    librdkafka_consumer,
    produce,
)
from tests.support.nodes import Node

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PYTHON_CODECS = ["none", "gzip"]  # what kafka-python has without further packages
WAIT_S = 30
VALUES = [b"%d-" % number + b"x" * (number % 100) for number in range(500)]
HEADERS: list[tuple[str, bytes | None]] = [("trace", b"\x00\xff"), ("empty", b""), ("null", None), ("trace", b"again")]


def in_order(values: list[bytes]) -> list[tuple[int, bytes]]:
    return list(enumerate(values))


def pairs(records: list[Record]) -> list[tuple[int, bytes | None]]:
    return [(record.offset, record.value) for record in records]


@pytest.mark.parametrize("codec", CODECS)
def test_librdkafka_reads_what_it_wrote_in_every_codec(broker: Node, codec: str) -> None:
    topic = create_topic(broker.bootstrap)
    sent = produce(broker.bootstrap, topic, VALUES, config={"compression.type": codec})
    assert sent.errors == {}
    assert sent.offsets == {value: offset for offset, value in enumerate(VALUES)}
    assert pairs(consume(broker.bootstrap, topic)) == in_order(VALUES)
    if codec in PYTHON_CODECS:
        assert pairs(consume_with_kafka_python(broker.bootstrap, topic)) == in_order(VALUES)


@pytest.mark.parametrize("codec", PYTHON_CODECS)
def test_librdkafka_reads_what_kafka_python_wrote(broker: Node, codec: str) -> None:
    topic = create_topic(broker.bootstrap)
    producer = kafka.KafkaProducer(
        bootstrap_servers=broker.bootstrap, compression_type=None if codec == "none" else codec, linger_ms=5
    )
    with closing(producer):
        futures = [producer.send(topic, value, key=b"k", headers=[("h", b"v")], partition=0) for value in VALUES]
        assert [future.get(WAIT_S).offset for future in futures] == list(range(len(VALUES)))
    got = consume(broker.bootstrap, topic)
    assert pairs(got) == in_order(VALUES)
    assert {(record.key, record.headers) for record in got} == {(b"k", (("h", b"v"),))}


@pytest.mark.parametrize(("acks", "idempotent"), [("0", False), ("1", False), ("all", False), ("all", True)])
def test_every_kind_of_acknowledgement(broker: Node, acks: str, idempotent: bool) -> None:
    topic = create_topic(broker.bootstrap)
    sent = produce(broker.bootstrap, topic, VALUES, config={"acks": acks, "enable.idempotence": idempotent})
    assert sent.errors == {}
    with librdkafka_consumer(broker.bootstrap) as consumer:  # acks 0 says nothing about when
        consumer.assign([TopicPartition(topic, 0, 0)])
        assert len(consumer.consume(len(VALUES), WAIT_S)) >= 1
    got = consume(broker.bootstrap, topic)
    assert [record.value for record in got] == VALUES


def test_keys_headers_nulls_and_timestamps_come_back(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
    producer.produce(topic, b"v", key=b"\xff\x00", headers=list(HEADERS), timestamp=1_700_000_000_123)
    producer.produce(topic, None, key=b"tombstone", timestamp=1_700_000_000_122)
    producer.produce(topic, b"", key=b"", timestamp=1_700_000_000_124)
    assert producer.flush(WAIT_S) == 0
    expected = [
        Record(0, b"v", b"\xff\x00", tuple(HEADERS), 1_700_000_000_123),
        Record(1, None, b"tombstone", (), 1_700_000_000_122),
        Record(2, b"", b"", (), 1_700_000_000_124),
    ]
    assert consume(broker.bootstrap, topic) == expected
    assert consume_with_kafka_python(broker.bootstrap, topic) == expected


def test_reading_may_begin_anywhere(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    produce(broker.bootstrap, topic, VALUES, config={"batch.num.messages": 7})
    for start in (1, 250, 499, 500):
        assert pairs(consume(broker.bootstrap, topic, start=start)) == in_order(VALUES)[start:]


def test_a_partition_is_its_own_log(broker: Node) -> None:
    topic = create_topic(broker.bootstrap, partitions=3)
    for partition in range(3):
        produce(broker.bootstrap, topic, [b"p%d" % partition], partition=partition)
    got = [pairs(consume(broker.bootstrap, topic, partition=partition)) for partition in range(3)]
    assert got == [[(0, b"p0")], [(0, b"p1")], [(0, b"p2")]]


def test_offsets_are_found_by_time(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    for number in range(5):
        produce(broker.bootstrap, topic, [b"%d" % number], timestamp=1_700_000_000_000 + 1000 * number)
    with librdkafka_consumer(broker.bootstrap) as consumer:
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT_S) == (0, 5)
        asked = {0: 0, 1_700_000_000_000: 0, 1_700_000_000_001: 1, 1_700_000_004_000: 4, 1_700_000_004_001: -1}
        for timestamp, offset in asked.items():
            (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=WAIT_S)
            assert found.offset == offset, timestamp
    where = kafka.TopicPartition(topic, 0)
    with closing(kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=None)) as consumer:
        assert consumer.beginning_offsets([where]) == {where: 0}
        assert consumer.end_offsets([where]) == {where: 5}
        found = consumer.offsets_for_times({where: 1_700_000_002_500})[where]
        assert (found.offset, found.timestamp) == (3, 1_700_000_003_000)


def test_a_topic_may_stamp_the_append_time(broker: Node) -> None:
    topic = create_topic(broker.bootstrap, message_timestamp_type="LogAppendTime")
    produce(broker.bootstrap, topic, [b"v"], timestamp=1)
    with librdkafka_consumer(broker.bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        (message,) = consumer.consume(1, WAIT_S)
    kind, timestamp = message.timestamp()
    assert kind == confluent_kafka.TIMESTAMP_LOG_APPEND_TIME
    assert timestamp > 1_700_000_000_000


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd", "uncompressed"])
def test_a_topic_may_have_a_codec_of_its_own(broker: Node, codec: str) -> None:
    topic = create_topic(broker.bootstrap, compression_type=codec)
    assert produce(broker.bootstrap, topic, VALUES, config={"compression.type": "lz4"}).errors == {}
    assert pairs(consume(broker.bootstrap, topic)) == in_order(VALUES)


def test_a_message_beyond_the_topics_limit_is_refused_alone(broker: Node) -> None:
    topic = create_topic(broker.bootstrap, max_message_bytes="1000")
    sent = produce(broker.bootstrap, topic, [b"x" * 2000], config={"batch.num.messages": 1})
    assert sent.errors == {b"x" * 2000: "MSG_SIZE_TOO_LARGE"}
    assert produce(broker.bootstrap, topic, [b"fits"]).offsets == {b"fits": 0}


def test_a_message_too_old_for_its_topic_is_refused(broker: Node) -> None:
    topic = create_topic(broker.bootstrap, message_timestamp_before_max_ms="1000")
    assert produce(broker.bootstrap, topic, [b"old"], timestamp=1_000).errors == {b"old": "INVALID_TIMESTAMP"}


def test_an_unknown_topic_is_made_by_the_first_write_and_not_by_a_look(broker: Node) -> None:
    topic = create_topic(broker.bootstrap) + "-unheard-of"
    with closing(kafka.admin.KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as admin:
        assert topic not in admin.list_topics()
    assert produce(broker.bootstrap, topic, [b"v"], partition=-1).errors == {}
    assert pairs(consume(broker.bootstrap, topic)) == [(0, b"v")]


def test_a_reader_waits_at_the_end_and_is_woken_by_a_write(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    with librdkafka_consumer(
        broker.bootstrap, {"fetch.wait.max.ms": 20_000, "enable.partition.eof": False}
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0, 0)])
        assert consumer.poll(0.5) is None
        produce(broker.bootstrap, topic, [b"awake"])
        message = consumer.poll(WAIT_S)
        assert message.value() == b"awake"


def test_reading_behind_the_end_is_out_of_range(broker: Node) -> None:
    topic = create_topic(broker.bootstrap)
    produce(broker.bootstrap, topic, [b"v"])
    with librdkafka_consumer(broker.bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, 0, 100)])
        message = consumer.poll(WAIT_S)
        assert message.error().name() in ("OFFSET_OUT_OF_RANGE", "_AUTO_OFFSET_RESET")
