"""Real clients under load while a test breaks things, and the history of what they saw (tests/support/history.py).

Producers are librdkafka's, idempotent, acks all; each value is sent once and named after its client and number. A
reader follows all partitions from their start, and asks for their ends. All write events to one list; a value's filler
is sent and checked, and not written down.
"""

import threading
from collections.abc import Mapping, Sequence
from time import monotonic, monotonic_ns
from typing import Any, Literal

import confluent_kafka
from confluent_kafka import TopicPartition

from tests.support import history
from tests.support.clients import consume, librdkafka_consumer
from tests.support.history import FINAL, Event

MAX_UNANSWERED = 500
FLUSH_S = 60
PAUSE_S = 0.01
FILLER = "."
# What a broker says only when it did not write: everything else may have happened.
REFUSALS = {"MSG_SIZE_TOO_LARGE", "INVALID_TIMESTAMP", "TOPIC_AUTHORIZATION_FAILED", "INVALID_MSG"}
LOST_PLACE = (confluent_kafka.KafkaError._AUTO_OFFSET_RESET, confluent_kafka.KafkaError.OFFSET_OUT_OF_RANGE)
Kind = Literal["invoke", "ok", "fail", "info"]


class Workload:
    """`start`, break things, `stop`; then `judge`."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        partitions: int,
        producers: int = 2,
        value_bytes: int = 100,
        *,
        rate: float | None = None,
        max_unanswered: int = MAX_UNANSWERED,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """
        rate            records a second of one producer; None: as many as it can
        max_unanswered  records of one producer that may be on their way
        settings        of the producers, before those that a history needs
        """
        self.events: list[Event] = []  # list.append is atomic: no lock
        self.last_ok_ns = [0] * partitions  # when each partition acknowledged something last
        self.fatal: list[str] = []  # what ended a producer: the broker no longer has what it acknowledged
        self.lost_places: list[str] = []  # where the reader was told that what it had read is not there
        self._bootstrap, self._topic, self._partitions = bootstrap, topic, partitions
        self._names = [f"{topic}-{partition}" for partition in range(partitions)]
        self._filler = FILLER * value_bytes
        self._rate, self._max_unanswered = rate, max_unanswered
        self._settings = {"reconnect.backoff.max.ms": 200} if settings is None else settings
        self._stopping = threading.Event()
        self._failures: list[BaseException] = []
        mains = [(self._produce, f"p{number}") for number in range(producers)] + [(self._read, "reader")]
        self._threads = [threading.Thread(target=self._guard, args=main, name=main[1], daemon=True) for main in mains]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the producers have their answers, and end. The cluster must be whole."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def abandon(self) -> None:
        """End, without waiting for answers that may never come."""
        self._stopping.set()

    def flows(self, within_s: float) -> bool:
        """Whether every partition has acknowledged something in the last `within_s` seconds."""
        return min(self.last_ok_ns) > monotonic_ns() - within_s * 1e9

    @property
    def acknowledged(self) -> int:
        return history.acknowledged(self.events)

    def judge(self) -> list[history.Anomaly]:
        """Read every partition from its start, and hold the history against it."""
        for partition in range(self._partitions):
            rows = [
                (r.offset, self._value(r.value or b""))
                for r in consume(self._bootstrap, self._topic, partition=partition)
            ]
            self._note("ok", "poll", FINAL, partition, rows=tuple(rows), start=0)
        return history.check(self.events)

    def _guard(self, main: Any, name: str) -> None:
        try:
            main(name)
        except confluent_kafka.KafkaException as e:
            self.fatal.append(f"{name}: {e.args[0].str()}")
        except BaseException as e:
            self._failures.append(e)
            raise

    def _note(
        self, kind: Kind, operation: Literal["send", "poll", "end"], client: str, partition: int, **fields: Any
    ) -> None:
        self.events.append(Event(kind, operation, monotonic_ns(), client, self._names[partition], **fields))

    def _value(self, data: bytes) -> str:
        """A value without its filler; as it is, if something happened to it."""
        value = data.decode(errors="replace").rstrip(FILLER)
        return value if len(data) == len(value) + len(self._filler) else f"{value} of {len(data)} bytes"

    def _produce(self, name: str) -> None:
        producer = confluent_kafka.Producer(
            {
                "linger.ms": 2,
                "log_level": 0,
                **self._settings,
                "bootstrap.servers": self._bootstrap,
                "client.id": name,
                "enable.idempotence": True,
                "acks": "all",
            }
        )

        def delivered(error: Any, message: Any) -> None:
            value, partition = self._value(message.value()), message.partition()
            if not error:
                self._note("ok", "send", name, partition, value=value, offset=message.offset())
                self.last_ok_ns[partition] = monotonic_ns()
            else:
                kind: Kind = "fail" if error.name() in REFUSALS else "info"
                self._note(kind, "send", name, partition, value=value)

        number, began = 0, monotonic()
        while not self._stopping.is_set():
            if self._rate is not None and number > self._rate * (monotonic() - began):
                producer.poll(PAUSE_S)
            elif len(producer) < self._max_unanswered:
                value, partition = f"{name}-{number}", number % self._partitions
                self._note("invoke", "send", name, partition, value=value)
                data = (value + self._filler).encode()
                producer.produce(self._topic, data, partition=partition, on_delivery=delivered)
                number += 1
                producer.poll(0)
            else:
                producer.poll(PAUSE_S)
                began = (
                    monotonic() - number / self._rate if self._rate else began
                )  # what it missed, it need not catch up
        left = producer.flush(FLUSH_S)
        assert not left, f"{name} waited {FLUSH_S} s for {left} answers"

    def _read(self, name: str) -> None:
        places = [TopicPartition(self._topic, partition, 0) for partition in range(self._partitions)]
        asked_s = monotonic()
        with librdkafka_consumer(self._bootstrap, {"enable.partition.eof": False, "log_level": 0}) as consumer:
            consumer.assign(places)
            while not self._stopping.is_set():
                self._polled(name, consumer.consume(1000, 0.1))
                if monotonic() - asked_s > 0.5:
                    asked_s = monotonic()
                    self._ask_ends(name, consumer, places)

    def _polled(self, name: str, messages: Sequence[Any]) -> None:
        rows: dict[int, list[history.Row]] = {}
        for message in messages:
            if not message.error():
                rows.setdefault(message.partition(), []).append((message.offset(), self._value(message.value())))
            elif message.error().code() in LOST_PLACE:
                self.lost_places.append(f"{self._names[message.partition()]}: {message.error().str()}")
        for partition, found in rows.items():
            self._note("ok", "poll", name, partition, rows=tuple(found))

    def _ask_ends(self, name: str, consumer: Any, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self._note("invoke", "end", name, place.partition)
            try:
                _, end = consumer.get_watermark_offsets(place, timeout=1)
            except confluent_kafka.KafkaException:
                self._note("info", "end", name, place.partition)
                return
            self._note("ok", "end", name, place.partition, offset=end)
