"""Moving between Apache Kafka and our server, in both directions, by nothing but a data folder."""

from collections.abc import Callable
from pathlib import Path

import confluent_kafka

from tests.conformance.checks import Bench, say, unpacked
from tests.support.broker import Broker
from tests.support.clients import Record, consume, create_topic, librdkafka_consumer, log_start, produce
from tests.support.kafka import KafkaBroker
from tests.support.nodes import Node

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
WAIT_S = 30
Content = dict[tuple[str, int], list[Record]]


def filled(node: Node, *, transactions: bool) -> None:
    """Write topics of all kinds: codecs, segments, keys, deleted records, settings, a deleted topic, transactions."""
    create_topic(node.bootstrap, "codecs", partitions=2, segment_bytes="1048576")
    for number, codec in enumerate(CODECS):
        values = [b"%s-%d-" % (codec.encode(), i) + b"x" * 700 for i in range(600)]
        config = {"compression.type": codec, "enable.idempotence": bool(number % 2)}
        produce(node.bootstrap, "codecs", values, config=config, key=b"k", headers=[("h", b"v")])
        produce(node.bootstrap, "codecs", values[:10], partition=1, config=config)
    create_topic(node.bootstrap, "trimmed", retention_ms="86400000", cleanup_policy="compact,delete")
    produce(node.bootstrap, "trimmed", [b"%d" % i for i in range(100)], key=b"k")
    create_topic(node.bootstrap, "empty", partitions=3)
    create_topic(node.bootstrap, "gone")
    say("topics", "--delete", "--topic", "gone", node=node)
    if transactions:
        create_topic(node.bootstrap, "transactions")
        producer = confluent_kafka.Producer({"bootstrap.servers": node.bootstrap, "transactional.id": "mover"})
        producer.init_transactions(WAIT_S)
        for number in range(4):
            producer.begin_transaction()
            for i in range(5):
                producer.produce("transactions", b"txn%d-%d" % (number, i), partition=0)
            (producer.abort_transaction if number % 2 else producer.commit_transaction)(WAIT_S)


def content(node: Node) -> Content:
    """Every record of every topic, as librdkafka reads it with read_committed."""
    told: Content = {}
    with librdkafka_consumer(node.bootstrap) as consumer:
        topics = consumer.list_topics(timeout=WAIT_S).topics
        for name in sorted(name for name in topics if not name.startswith("__")):
            for partition in sorted(topics[name].partitions):
                start = log_start(consumer, name, partition)
                told[name, partition] = consume(node.bootstrap, name, partition=partition, start=start)
    return told


def _moves(bench: Bench, source: Path, before: Content, kind: type[Node], name: str) -> str:
    node = bench.moved(kind, name, source)
    after = content(node)
    for where in before | after:
        assert after.get(where) == before.get(where), f"{where} differs after the move"
    described = say("topics", "--describe", node=node)
    assert described.count("\tTopic: ") >= len(before), described
    produce(node.bootstrap, "codecs" if ("codecs", 0) in before else "plain", [b"after the move"])
    create_topic(node.bootstrap, "made-after-the-move")
    produce(node.bootstrap, "made-after-the-move", [b"first"])
    grown = content(node)
    assert sum(map(len, grown.values())) == sum(map(len, before.values())) + 2
    node.restart()
    assert content(node) == grown, "what was written after the move is lost by a restart"
    return f"{sum(map(len, before.values()))} records in {len(before)} partitions"


def move(origin: type[Node], target: type[Node]) -> Callable[[Bench], str]:
    def check(bench: Bench) -> str:
        name = f"{origin.__name__}-{target.__name__}"
        node = origin(bench.folder / f"{name}-before")
        with node:
            filled(node, transactions=origin is KafkaBroker)
            before = content(node)
        return _moves(bench, node.data, before, target, name)

    return check


def from_given_disk(bench: Bench) -> str:
    """Our server serves what Kafka serves from the folder that was given."""
    source = unpacked(bench)
    theirs = bench.moved(KafkaBroker, "given-theirs", source)
    before = content(theirs)
    theirs.stop()
    return _moves(bench, source, before, Broker, "given-ours")
