"""An admin client that makes and deletes topics while the cluster is in trouble, and whether it was told the truth.

What it asks for and what it is told are events (invoke, ok, fail, info), as in tests/support/history.py: `ok` only when
the cluster acknowledged, `fail` only where it certainly did nothing. At the end every topic whose making was
acknowledged is there, unless its deletion was asked for; and none is whose deletion was acknowledged (I9).
"""

import json
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass
from random import Random
from time import monotonic_ns
from typing import Any, Literal

import confluent_kafka

from tests.support.clients import librdkafka_admin, rdkafka
from tests.support.history import Anomaly

PREFIX = "made-"
KEPT = 5
TIMEOUT_S = 15
# What a broker says only when it did nothing.
REFUSALS = {"INVALID_REPLICATION_FACTOR", "POLICY_VIOLATION"}
Kind = Literal["invoke", "ok", "fail", "info"]
Operation = Literal["create", "delete"]


@dataclass(frozen=True, slots=True)
class AdminEvent:
    kind: Kind
    operation: Operation
    time_ns: int
    topic: str
    why: str = ""

    def json(self) -> str:
        return json.dumps(asdict(self))


class Administrator:
    def __init__(self, bootstrap: str, rng: Random, pause_s: float = 0.5) -> None:
        self.events: list[AdminEvent] = []
        self._admin = librdkafka_admin(bootstrap)
        self._rng, self._pause_s = rng, pause_s
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="administrator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def abandon(self) -> None:
        """End, without waiting for answers that may never come."""
        self._stopping.set()

    def stop(self) -> None:
        self.abandon()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def longest_s(self, start_ns: int, end_ns: int) -> float:
        """How long the slowest operation took that was asked for in [start, end)."""
        asked, slowest = 0, 0
        for event in self.events:
            if event.kind == "invoke":
                asked = event.time_ns
            elif start_ns <= asked < end_ns:
                slowest = max(slowest, event.time_ns - asked)
        return slowest / 1e9

    def _run(self) -> None:
        try:
            made: list[str] = []
            number = 0
            while not self._stopping.wait(self._rng.uniform(0, 2 * self._pause_s)):
                if len(made) >= KEPT:
                    topic = made.pop(self._rng.randrange(len(made)))
                    self._do("delete", topic, lambda t=topic: self._admin.delete_topics([t]))
                else:
                    topic = f"{PREFIX}{number}"
                    number += 1
                    new = rdkafka.NewTopic(topic, num_partitions=2, replication_factor=3)
                    if self._do("create", topic, lambda n=new: self._admin.create_topics([n])):
                        made.append(topic)
        except BaseException as e:
            self._failure = e
            raise

    def _do(self, operation: Operation, topic: str, ask: Any) -> bool:
        self._note("invoke", operation, topic)
        try:
            for future in ask().values():
                future.result(TIMEOUT_S)
        except (confluent_kafka.KafkaException, TimeoutError) as e:
            name = e.args[0].name() if isinstance(e, confluent_kafka.KafkaException) else "no answer"
            self._note("fail" if name in REFUSALS else "info", operation, topic, name)
            return False
        self._note("ok", operation, topic)
        return True

    def _note(self, kind: Kind, operation: Operation, topic: str, why: str = "") -> None:
        self.events.append(AdminEvent(kind, operation, monotonic_ns(), topic, why))


def check(events: Collection[AdminEvent], topics: Collection[str]) -> list[Anomaly]:
    """Hold what was acknowledged against the topics that there are at the end."""
    told: dict[tuple[str, Operation], set[Kind]] = {}
    for event in events:
        told.setdefault((event.topic, event.operation), set()).add(event.kind)
    found = []
    for (topic, operation), kinds in sorted(told.items()):
        exists = topic in topics
        if operation == "create" and "ok" in kinds and not exists and (topic, "delete") not in told:
            found.append(Anomaly("lost-topic", topic, "it was made, nobody deleted it, and it is not there"))
        if operation == "create" and "fail" in kinds and exists:
            found.append(Anomaly("aborted-topic", topic, "its making failed, and it is there"))
        if operation == "delete" and "ok" in kinds and exists:
            found.append(Anomaly("undead-topic", topic, "its deletion was acknowledged, and it is there"))
    known = {event.topic for event in events}
    found += [Anomaly("unwritten-topic", each, "nobody made it") for each in topics if _is_strange(each, known)]
    return found


def _is_strange(topic: str, known: Collection[str]) -> bool:
    return topic.startswith(PREFIX) and topic not in known
