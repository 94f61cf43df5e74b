"""python -m tests.chaos.exactly_once: consume, transform, produce in transactions, while brokers are killed.

A cluster of three; copiers of librdkafka read `source` as one group, write each record to `copy`, and commit how far
they have read in the same transaction. Brokers are killed -9 and come back, and copiers are dropped in the middle of a
transaction. In the end every record of the source is in the copy exactly once, as readers of committed data see it.

Exit 0: exactly once. 1: not, or the copy never came to its end; the nodes' folders are kept.
"""

import argparse
import shutil
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic

import confluent_kafka
from confluent_kafka import KafkaException

from tests.support.clients import create_topic
from tests.support.cluster import Cluster

SOURCE, COPY, GROUP = "source", "copy", "copiers"
PARTITIONS, COPIERS = 6, 2
A_TRANSACTION, TRANSACTION_S = 50, 0.2
CALL_S = 20.0
PROPERTIES = {
    "transaction.state.log.num.partitions": "6",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "offsets.topic.num.partitions": "6",
    "offsets.topic.replication.factor": "3",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
}
COMMITTED = {"isolation.level": "read_committed", "enable.auto.commit": False, "auto.offset.reset": "earliest"}


class Copier(threading.Thread):
    """One copier, and the ones that follow it under its transactional id when it fails or is dropped."""

    def __init__(self, bootstrap: str, number: int, seed: int) -> None:
        super().__init__(name=f"copier-{number}", daemon=True)
        self.bootstrap, self.number, self.rng = bootstrap, number, Random(seed)
        self.ends = threading.Event()
        self.lives = self.commits = self.aborts = self.drops = 0
        self.errors: Counter[str] = Counter()

    def run(self) -> None:
        while not self.ends.is_set():
            self.lives += 1
            with suppress(KafkaException):
                self._live()

    def _live(self) -> None:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": GROUP, "session.timeout.ms": 6000, **COMMITTED}
        )
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": f"copier-{self.number}",
                "transaction.timeout.ms": 10_000,
                "linger.ms": 5,
            }
        )
        try:
            consumer.subscribe([SOURCE])
            producer.init_transactions(CALL_S)
            while not self.ends.is_set():
                if not self._copy(consumer, producer):
                    return
        except KafkaException as e:
            self.errors[e.args[0].name()] += 1
            raise
        finally:
            consumer.close()

    def _copy(self, consumer: confluent_kafka.Consumer, producer: confluent_kafka.Producer) -> bool:
        """One transaction; False: this copier is dropped in the middle of it."""
        messages = [each for each in consumer.consume(A_TRANSACTION, TRANSACTION_S) if each.error() is None]
        if not messages:
            return True
        producer.begin_transaction()
        try:
            for message in messages:
                producer.produce(COPY, message.value(), key=message.key())
                producer.poll(0)
            producer.send_offsets_to_transaction(
                consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), CALL_S
            )
            if self.rng.random() < 0.02:
                self.drops += 1
                producer.flush(1)
                return False
            producer.commit_transaction(CALL_S)
            self.commits += 1
        except KafkaException as e:
            self.errors[e.args[0].name()] += 1
            if not e.args[0].txn_requires_abort():
                raise  # fenced, or fatal, or not known: the next one under this id finds out
            producer.abort_transaction(CALL_S)
            self.aborts += 1
            self._back(consumer)
        return True

    def _back(self, consumer: confluent_kafka.Consumer) -> None:
        """Read again from what is committed."""
        for place in consumer.committed(consumer.assignment(), CALL_S):
            if place.offset < 0:
                place.offset = confluent_kafka.OFFSET_BEGINNING
            consumer.seek(place)


def fill(bootstrap: str, count: int) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20})
    for number in range(count):
        producer.produce(SOURCE, b"%d" % number, key=b"%d" % number, partition=number % PARTITIONS)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


def copied(bootstrap: str) -> list[int]:
    """What readers of committed data find in the copy, by partition."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "judge", **COMMITTED})
    found: list[int] = []
    try:
        for partition in range(PARTITIONS):
            place = confluent_kafka.TopicPartition(COPY, partition, 0)
            _, end = consumer.get_watermark_offsets(place, CALL_S)
            consumer.assign([place])
            while consumer.position([place])[0].offset < end:
                messages = consumer.consume(1000, 1.0)
                found += [int(each.value() or b"") for each in messages if each.error() is None]
                if not messages and consumer.position([place])[0].offset < 0:
                    break  # nothing is there
    finally:
        consumer.close()
    return found


class Campaign:
    def __init__(self, cluster: Cluster, count: int, seed: int) -> None:
        self.cluster, self.count, self.rng = cluster, count, Random(seed)
        bootstrap = cluster.bootstrap
        self.copiers = [Copier(bootstrap, number, seed + number) for number in range(COPIERS)]
        self.kills = 0

    def run(self, seconds: float) -> list[str]:
        """What is wrong in the end."""
        bootstrap = self.cluster.bootstrap
        for topic in (SOURCE, COPY):
            create_topic(bootstrap, topic, PARTITIONS, 3)
        fill(bootstrap, self.count)
        for copier in self.copiers:
            copier.start()
        left = self._torment(seconds)
        for copier in self.copiers:
            copier.ends.set()
        for copier in self.copiers:
            copier.join(4 * CALL_S)
        if left:
            return [f"{left} records were never copied"]
        counts = Counter(copied(bootstrap))
        wrong = [f"{number} is there {times} times" for number, times in counts.items() if times > 1]
        return wrong + [f"{number} is lost" for number in range(self.count) if number not in counts]

    def _torment(self, seconds: float) -> int:
        """Kill until all is copied; how many records are left when the time is over."""
        ends = monotonic() + seconds
        pause = threading.Event()
        while monotonic() < ends:
            victim = self.rng.choice(self.cluster.brokers)
            victim.kill()
            pause.wait(self.rng.uniform(0.5, 4))
            victim.start()
            self.kills += 1
            pause.wait(self.rng.uniform(4, 8))
            if self._left() == 0:
                return 0
        return self._left()

    def _left(self) -> int:
        """How many records the group has not read."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": GROUP})
        try:
            places = [confluent_kafka.TopicPartition(SOURCE, each) for each in range(PARTITIONS)]
            return self.count - sum(max(each.offset, 0) for each in consumer.committed(places, CALL_S))
        except KafkaException:
            return self.count
        finally:
            consumer.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.exactly_once", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=Random().randrange(1 << 30))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kcli-exactly-once-"))
    say(f"seed {given.seed}, {given.records} records")
    with Cluster(folder, brokers=3, properties=PROPERTIES) as cluster:
        campaign = Campaign(cluster, given.records, given.seed)
        wrong = campaign.run(given.seconds)
        for copier in campaign.copiers:
            say(
                f"{copier.name}: {copier.lives} lives, {copier.commits} commits, {copier.aborts} aborts,"
                f" {copier.drops} dropped; {dict(copier.errors)}"
            )
        say(f"{campaign.kills} kills, {len(wrong)} anomalies")
        for line in wrong[:20]:
            say(f"  {line}")
    if wrong:
        say(f"kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
