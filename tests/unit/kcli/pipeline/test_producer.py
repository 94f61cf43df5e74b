"""The producer against brokers that fail: what is acknowledged is there, once, in order."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kcli.errors import Failure, Refused, Unreachable
from kcli.pipeline.network import Network
from kcli.pipeline.partitioner import of_key
from kcli.pipeline.producer import Failed, Producer
from kcli.pipeline.settings import ProducerSettings
from kcli.properties import Connection
from tests.support.log_broker import DROP, FORGET, LOSE, MOVE, STALL, LogCluster
from tests.support.waiting import until

QUICK = {"retry.backoff.ms": "1", "retry.backoff.max.ms": "5", "reconnect.backoff.ms": "1", "batch.size": "200"}
VALUES = [b"%d" % number for number in range(400)]
INVALID_RECORD = 87


class Sender:
    def __init__(self, cluster: LogCluster, settings: dict[str, str]) -> None:
        self.failed: list[Failed] = []
        self.delivered = 0
        self.told: list[str] = []
        connection = Connection(tuple(node.address for node in cluster.nodes[:1]), QUICK | settings)
        self.network = Network(connection, rng=random.Random(1), notice=self.told.append)
        try:
            self.network.start()
        except Failure:
            self.network.close()
            raise
        self.producer = Producer(
            self.network,
            ProducerSettings.of(connection.settings),
            failed=self.failed.append,
            delivered=self._delivered,
            timestamp_ms=lambda: 1000,
            rng=random.Random(1),
        )

    def _delivered(self, topic: str, partition: int, batch: Any) -> None:
        self.delivered += batch.count

    @property
    def reasons(self) -> list[str]:
        return [why for failed in self.failed for _, _, why in failed.records]


@contextmanager
def sender(cluster: LogCluster, **settings: str) -> Iterator[Sender]:
    made = Sender(cluster, {name.replace("_", "."): value for name, value in settings.items()})
    with made.network:
        yield made


def sent(cluster: LogCluster, **settings: str) -> Sender:
    """Send VALUES to `t`, and wait for the answers."""
    with sender(cluster, **settings) as made:
        made.producer.send_values("t", VALUES)
        made.producer.flush()
        assert not made.producer.pending
    return made


@pytest.mark.parametrize("acks", ["all", "1", "0"])
def test_values_arrive_in_order(acks: str) -> None:
    with LogCluster({"t": 1}) as cluster:
        made = sent(cluster, acks=acks)
        # Without acknowledgements nobody knows when they have arrived.
        until(lambda: len(cluster.values()) >= len(VALUES), 10, "the records")
        assert cluster.values() == VALUES
    assert (made.delivered, made.failed, made.told) == (400, [], [])


@pytest.mark.parametrize(
    "troubles",
    [
        [DROP],
        [LOSE],
        [None, LOSE],
        [None, DROP, LOSE, None, LOSE],
        [None, 6, 6, None, 3],
        [None, 19, 20, 7],
        [MOVE, None, MOVE, None, LOSE, MOVE],
        [None, FORGET, None, FORGET],
        [LOSE, MOVE, DROP, 5, 56],
    ],
    ids=str,
)
def test_trouble_neither_loses_nor_doubles_nor_reorders(troubles: list[Any]) -> None:
    with LogCluster({"t": 1}, nodes=3, troubles=troubles) as cluster:
        made = sent(cluster)
        assert cluster.values() == VALUES
        assert not cluster.troubles
    assert (made.delivered, made.failed) == (400, [])


@pytest.mark.parametrize("seed", range(20))
def test_seeded_trouble_neither_loses_nor_doubles(seed: int) -> None:
    rng = random.Random(seed)
    troubles = [rng.choice([None, None, DROP, LOSE, MOVE, 6, 19, 20, 7]) for _ in range(12)]
    with LogCluster({"t": 3}, nodes=2, troubles=troubles) as cluster:
        made = sent(cluster)
        assert sorted(cluster.values(), key=VALUES.index) == VALUES  # type: ignore[arg-type]
        for log in cluster.logs.values():
            assert log.values() == sorted(log.values(), key=VALUES.index)  # type: ignore[arg-type]
    assert (made.delivered, made.failed) == (400, [])


def test_a_broker_that_falls_silent_is_left_after_the_request_time_out() -> None:
    with LogCluster({"t": 1}, troubles=[None, STALL]) as cluster:
        made = sent(cluster, request_timeout_ms="100", max_in_flight_requests_per_connection="1")
        assert cluster.values() == VALUES
    assert (made.delivered, made.failed) == (400, [])
    assert made.told == [f"The broker at {cluster.bootstrap} does not answer; trying again"]


def test_a_lost_connection_is_told_once() -> None:
    with LogCluster({"t": 1}, troubles=[None, DROP]) as cluster:
        made = sent(cluster)
    assert made.told == [f"Lost the connection to the broker at {cluster.bootstrap}; trying again"]


def test_without_idempotence_a_lost_answer_doubles() -> None:
    """What idempotence is for, and that the broker under these tests would notice."""
    with LogCluster({"t": 1}, troubles=[LOSE]) as cluster:
        sent(cluster, acks="1")
        assert len(cluster.values()) > len(VALUES)


@pytest.mark.parametrize("version", [3, 8, 9, 12, 13])
def test_every_manner_of_produce_request(version: int) -> None:
    versions = {"Produce": (3, version), "Metadata": (4, 13), "InitProducerId": (0, 4), "Fetch": (4, 11)}
    with LogCluster({"t": 2}, versions=versions) as cluster:
        sent(cluster)
        assert len(cluster.values()) == len(VALUES)
        assert {v for name, v, _ in cluster.nodes[0].asked if name == "Produce"} == {version}


def test_without_topic_ids_topics_are_named() -> None:
    """A broker may speak the newest Produce, and a Metadata without ids."""
    with LogCluster({"t": 1}, versions={"Produce": (3, 13), "Metadata": (4, 9), "InitProducerId": (0, 4)}) as cluster:
        sent(cluster)
        assert {v for name, v, _ in cluster.nodes[0].asked if name == "Produce"} == {12}


def test_a_refused_batch_is_reported_and_the_rest_arrives() -> None:
    with LogCluster({"t": 1}, troubles=[None, INVALID_RECORD]) as cluster:
        made = sent(cluster)
        stored = cluster.values()
    lost = [value for failed in made.failed for _, value, _ in failed.records]
    assert sorted([*stored, *lost], key=VALUES.index) == VALUES  # type: ignore[arg-type]
    assert made.delivered == len(stored)
    assert set(made.reasons) == {"This record has failed the validation on broker and hence will be rejected."}


def test_retries_end() -> None:
    with LogCluster({"t": 1}, troubles=[19] * 4) as cluster, sender(cluster, retries="3") as made:
        made.producer.send("t", b"k", b"v")
        made.producer.flush()
    assert made.failed == [
        Failed("t", 0, [(b"k", b"v", "Messages are rejected since there are fewer in-sync replicas than required.")])
    ]


def test_batches_that_are_too_large_are_halved() -> None:
    with LogCluster({"t": 1}, max_message_bytes=150) as cluster:
        made = sent(cluster, **{"batch_size": "1000"})
        assert cluster.values() == VALUES
    assert made.failed == []


def test_a_record_that_is_too_large_for_the_broker_fails_alone() -> None:
    with LogCluster({"t": 1}, max_message_bytes=150) as cluster, sender(cluster, batch_size="1000") as made:
        for value in (b"a", b"x" * 200, b"b"):
            made.producer.send("t", None, value)
        made.producer.flush()
        assert sorted(cluster.values()) == [b"a", b"b"]  # type: ignore[type-var]
    assert [value for _, value, _ in made.failed[0].records] == [b"x" * 200]


def test_a_record_beyond_max_request_size_is_not_even_sent() -> None:
    with LogCluster({"t": 1}) as cluster, sender(cluster, max_request_size="1000") as made:
        made.producer.send_values("t", [b"a", b"x" * 1000, b"b"])
        made.producer.flush()
        assert cluster.values() == [b"a", b"b"]
    assert made.reasons == [
        "The message is 1086 bytes when serialized which is larger than 1000, which is the value of the "
        "max.request.size configuration."
    ]


def test_keys_choose_their_partitions() -> None:
    keys = [b"k%d" % number for number in range(30)]
    with LogCluster({"t": 3}) as cluster, sender(cluster) as made:
        for key in keys:
            made.producer.send("t", key, key)
        made.producer.flush()
        for index in range(3):
            assert cluster.logs["t", index].values() == [key for key in keys if of_key(key, 3) == index]


def test_values_without_keys_go_to_all_partitions() -> None:
    with LogCluster({"t": 4}) as cluster:
        sent(cluster)
        assert all(log.end > 50 for log in cluster.logs.values())


def test_each_batch_goes_elsewhere_than_the_one_before() -> None:
    with LogCluster({"t": 2}) as cluster:
        sent(cluster)
        counts = [len(log.batches) for log in cluster.logs.values()]
        assert max(counts) - min(counts) <= 1


def test_a_partition_may_be_chosen() -> None:
    with LogCluster({"t": 4}) as cluster, sender(cluster) as made:
        made.producer.send("t", b"key", b"v", [("h", b"x")], partition=2)
        made.producer.flush()
        assert cluster.logs["t", 2].values() == [b"v"]


def test_a_topic_may_be_created_by_the_first_record() -> None:
    with LogCluster({}, auto_create=True) as cluster, sender(cluster) as made:
        made.producer.send("new", None, b"v")
        made.producer.flush()
        assert cluster.values("new") == [b"v"]


def test_an_unknown_topic_is_waited_for_and_then_told() -> None:
    with LogCluster({}) as cluster, sender(cluster, max_block_ms="50") as made, pytest.raises(Failure) as failure:
        made.producer.send("none", None, b"v")
    assert failure.value.message == "Topic none not present in metadata after 50 ms."


def test_an_invalid_topic_is_told_at_once() -> None:
    with LogCluster({}) as cluster, sender(cluster) as made, pytest.raises(Refused) as refused:
        made.producer.send("bad name", None, b"v")
    assert refused.value.message == "Invalid topics: [bad name]"


def test_what_is_never_answered_expires() -> None:
    settings = {"delivery_timeout_ms": "300", "linger_ms": "0", "request_timeout_ms": "100"}
    with LogCluster({"t": 1}, troubles=[DROP] * 100_000) as cluster, sender(cluster, **settings) as made:
        made.producer.send("t", None, b"v")
        made.producer.flush()
    assert len(made.reasons) == 1
    assert made.reasons[0].startswith("Expiring 1 record(s) for t-0:")
    assert made.reasons[0].endswith("ms has passed since batch creation")


def test_the_buffer_has_a_limit() -> None:
    settings = {"buffer_memory": "1000", "max_block_ms": "50", "request_timeout_ms": "100", "linger_ms": "0"}
    with (
        LogCluster({"t": 1}, troubles=[DROP] * 1000) as cluster,
        sender(cluster, **settings) as made,
        pytest.raises(Failure, match="Failed to allocate 200 bytes within the configured max blocking time 50 ms"),
    ):
        made.producer.send_values("t", VALUES)


def test_a_small_buffer_is_enough() -> None:
    with LogCluster({"t": 1}) as cluster:
        made = sent(cluster, buffer_memory="600")
        assert cluster.values() == VALUES
    assert made.failed == []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_arrive(codec: str) -> None:
    with LogCluster({"t": 1}) as cluster:
        sent(cluster, compression_type=codec)
        assert cluster.values() == VALUES
        assert len(cluster.logs["t", 0].batches) > 5


def test_nobody_listens() -> None:
    with LogCluster({}) as cluster:
        pass
    with pytest.raises(Unreachable) as unreachable:
        Sender(cluster, {})
    assert unreachable.value.message == f"No broker answers at {cluster.bootstrap}"
    assert "kcli cluster up" in (unreachable.value.advice or "")


def test_transactions_are_refused_by_name() -> None:
    with pytest.raises(Failure, match=r"transactional\.id=x is not supported"):
        ProducerSettings.of({"transactional.id": "x"})


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"acks": "7"}, "Invalid value 7 for configuration acks: String must be one of: all, -1, 0, 1"),
        ({"linger.ms": "x"}, "Invalid value x for configuration linger.ms: Not a number of type LONG"),
        ({"batch.size": "-1"}, "Invalid value -1 for configuration batch.size: Value must be at least 0"),
        (
            {"compression.type": "brotli"},
            "Invalid value brotli for configuration compression.type: "
            "String must be one of: none, gzip, snappy, lz4, zstd",
        ),
        (
            {"enable.idempotence": "true", "acks": "1"},
            "Must set acks to all in order to use the idempotent producer.",
        ),
        (
            {"delivery.timeout.ms": "10"},
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
        ),
    ],
)
def test_wrong_settings_are_told_as_kafka_tells_them(texts: dict[str, str], words: str) -> None:
    with pytest.raises(Failure) as failure:
        ProducerSettings.of(texts)
    assert failure.value.message == words


@pytest.mark.parametrize("texts", [{"acks": "1"}, {"retries": "0"}, {"max.in.flight.requests.per.connection": "6"}])
def test_settings_that_rule_idempotence_out_turn_it_off(texts: dict[str, str]) -> None:
    assert not ProducerSettings.of(texts).idempotence
    assert ProducerSettings.of({}).idempotence


def test_marks_come_back_with_their_records() -> None:
    """Also when a batch had to be split, and when records of one call went into several batches."""
    found: list[tuple[object, int, int]] = []
    with LogCluster({"t": 1}, max_message_bytes=150) as cluster:
        connection = Connection((cluster.nodes[0].address,), QUICK | {"batch.size": "400"})
        with Network(connection) as network:
            network.start()
            producer = Producer(
                network,
                ProducerSettings.of(connection.settings),
                failed=lambda failed: None,
                delivered=lambda topic, partition, batch: found.extend(batch.marks),
            )
            producer.send_values("t", VALUES[:100], mark="bulk")
            producer.send("t", b"k", b"v", mark="one", index=5)
            producer.flush()
        assert cluster.values() == [*VALUES[:100], b"v"]
    bulk = sorted(index for mark, first, count in found if mark == "bulk" for index in range(first, first + count))
    assert bulk == list(range(100))
    assert [row for row in found if row[0] == "one"] == [("one", 5, 1)]
