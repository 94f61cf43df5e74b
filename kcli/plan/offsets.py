"""Offsets: which partitions and which place are meant, and what deleting records comes to.

Expressions are those of kcli.plan.topics.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kcli.errors import Failure
from kcli.model.moves import TopicPartition
from kcli.model.offsets import (
    EARLIEST,
    EARLIEST_LOCAL,
    EARLIEST_PENDING_UPLOAD,
    LATEST,
    LATEST_TIERED,
    MAX_TIMESTAMP,
    Cut,
)
from kcli.plan.topics import matcher

PLACES = {
    "latest": LATEST,
    "earliest": EARLIEST,
    "max-timestamp": MAX_TIMESTAMP,
    "earliest-local": EARLIEST_LOCAL,
    "latest-tiered": LATEST_TIERED,
    "earliest-pending-upload": EARLIEST_PENDING_UPLOAD,
}
HIGH_WATERMARK = -1  # in place of an offset to delete before
Wanted = Callable[[str, int], bool]
RULE = re.compile(r"([^:,]*)(?::(?:([0-9]*)|([0-9]*)-([0-9]*)))?")


def place(text: str) -> int:
    """Read --time: a place by its word or number, or a time in ms. Raises Failure in Kafka's words."""
    if text in PLACES:
        return PLACES[text]
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -(1 << 63) <= int(text) < 1 << 63:
        known = " / ".join(f"{number} or {word}" for word, number in PLACES.items())
        raise Failure(
            f"Malformed time argument {text}. Please use {known}, or a specified long format timestamp",
            "A time is in milliseconds since 1970, for example 1700000000000.",
        )
    return int(text)


def by_topic(topic: str | None, partitions: str | None, *, exclude_internal: bool) -> Wanted:
    """What --topic and --partitions mean. Raises Failure in Kafka's words."""
    named = matcher(topic or ".*", exclude_internal=exclude_internal)
    numbers = None if not partitions else _numbers(partitions)
    return lambda name, index: (numbers is None or index in numbers) and named(name)


def by_rules(text: str, *, exclude_internal: bool) -> Wanted:
    """What --topic-partitions means: any of its rules `[topic][:N | :N-M | :N- | :-M]`, M not included. Raises Failure.

    Source: KIP-635.
    """
    rules = [_rule(rule, exclude_internal) for rule in text.split(",")]
    return lambda name, index: any(rule(name, index) for rule in rules)


def text_order(partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """As kafka-get-offsets.sh sorts: as texts, orders-10 before orders-2."""
    return sorted(partitions, key=lambda one: f"{one[0]}-{one[1]}")


def named(document: Mapping[str, Any]) -> dict[TopicPartition, int]:
    """The offsets of a document under schemas/delete-records. Raises Failure: a partition is named twice."""
    if document.get("version", 1) != 1:
        raise Failure(f"Not supported version field value {document['version']}", "Version 1 is the only one.")
    rows = [(row["topic"], row["partition"]) for row in document["partitions"]]
    twice = dict.fromkeys(row for row in rows if rows.count(row) > 1) if len({*rows}) < len(rows) else ()
    if twice:
        told = ",".join(f"{topic}-{partition}" for topic, partition in twice)
        raise Failure(f"Offset json file contains duplicate topic partitions: {told}")
    return {(row["topic"], row["partition"]): row["offset"] for row in document["partitions"]}


def cuts(
    offsets: Mapping[TopicPartition, int], starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> tuple[Cut, ...]:
    """What deleting before `offsets` would do to partitions with these starts and ends; those beyond fail."""
    return tuple(
        Cut(one, starts[one], max(starts[one], ends[one] if before == HIGH_WATERMARK else before), ends[one])
        for one, before in offsets.items()
    )


def _numbers(text: str) -> frozenset[int]:
    parts: Sequence[str] = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[+-]?[0-9]{1,10}", part) for part in parts):
        raise Failure(f"--partitions expects a comma separated list of numeric partition ids, but received: {text}")
    return frozenset(map(int, parts))


def _rule(text: str, exclude_internal: bool) -> Wanted:
    found = RULE.fullmatch(text.strip())
    if not found:
        raise Failure(
            f"Invalid rule specification: {text}", "A rule is TOPIC, TOPIC:N, TOPIC:N-M, TOPIC:N- or TOPIC:-M."
        )
    topic, one, low, high = found.groups()
    topics = matcher(topic or ".*", exclude_internal=exclude_internal)
    if one:
        return lambda name, index: index == int(one) and topics(name)
    first, end = int(low or 0), int(high) if high else None
    return lambda name, index: index >= first and (end is None or index < end) and topics(name)
