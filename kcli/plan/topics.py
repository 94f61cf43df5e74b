"""Topics: which ones are meant, which partitions ail, and what a replica assignment says.

Expressions are Java's as far as Python's `re` knows them: full match, a comma is an alternative.
Source: KIP-215 (throttled names), KIP-966 (eligible leader replicas) for what describe shows.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from kcli.errors import Failure
from kcli.model import INTERNAL_TOPICS, Described, Partition, Reassignment, Setting, Topic

MAX_REPLICATION_FACTOR = 32767
MIN_ISR = "min.insync.replicas"

UNDER_REPLICATED, UNAVAILABLE = "under-replicated-partitions", "unavailable-partitions"
UNDER_MIN_ISR, AT_MIN_ISR = "under-min-isr-partitions", "at-min-isr-partitions"
AILMENTS = (UNDER_REPLICATED, UNDER_MIN_ISR, AT_MIN_ISR, UNAVAILABLE)


def literal(expression: str | None) -> str | None:
    """The one name that an expression can match, if it has no other meaning."""
    name = None if expression is None else _normalised(expression)
    return name if name and re.fullmatch(r"[A-Za-z0-9_-]+", name) else None


def matcher(expression: str | None, *, exclude_internal: bool = False) -> Callable[[str], bool]:
    """Make a test for topic names. Raises Failure for an expression that is none."""
    if expression is None:
        return lambda name: not (exclude_internal and name in INTERNAL_TOPICS)
    text = _normalised(expression)
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise Failure(f"{text} is an invalid regex.") from error
    return lambda name: bool(pattern.fullmatch(name)) and not (exclude_internal and name in INTERNAL_TOPICS)


def described(
    topics: Iterable[Topic], settings: Callable[[str], Sequence[Setting]], moves: Iterable[Reassignment]
) -> tuple[Described, ...]:
    """Put together what the cluster tells in three answers; `settings` are those of a topic, by name."""
    by_partition = {(move.topic, move.partition): move for move in moves}
    found = []
    for topic in topics:
        all_of_it = settings(topic.name)
        set_by_somebody = tuple(one for one in all_of_it if not one.default)
        min_isr = next((int(one.value) for one in all_of_it if one.name == MIN_ISR and one.value), 1)
        own_moves = {
            p.id: by_partition[topic.name, p.id] for p in topic.partitions if (topic.name, p.id) in by_partition
        }
        found.append(Described(topic, set_by_somebody, min_isr, own_moves))
    return tuple(found)


def ailing(topic: Described, ailments: Iterable[str], alive: frozenset[int]) -> tuple[Partition, ...]:
    """The partitions that have at least one of `ailments`; `alive` are the brokers that can lead."""
    asked = set(ailments)

    def ails(partition: Partition) -> bool:
        leaderless = partition.leader is None or partition.leader not in alive
        return (
            (UNDER_REPLICATED in asked and topic.factor(partition) > len(partition.isr))
            or (UNDER_MIN_ISR in asked and (partition.leader is None or len(partition.isr) < topic.min_isr))
            or (AT_MIN_ISR in asked and len(partition.isr) == topic.min_isr)
            or (UNAVAILABLE in asked and leaderless)
        )

    return tuple(partition for partition in topic.topic.partitions if ails(partition))


def assignment(text: str) -> tuple[tuple[int, ...], ...]:
    """Read `0:1,1:2`: the brokers of partition 0, of partition 1 and so on. Raises Failure in Kafka's words."""
    rows: list[tuple[int, ...]] = []
    for index, part in enumerate(_java_split(text, ",")):
        brokers = tuple(_broker(one) for one in _java_split(part, ":"))
        twice = [broker for at, broker in enumerate(brokers) if broker in brokers[:at]]
        if twice:
            named = ",".join(map(str, dict.fromkeys(twice)))
            raise Failure(f"Partition replica lists may not contain duplicate entries: {named}")
        if rows and len(rows[0]) != len(brokers):
            raise Failure(f"Partition {index} has different replication factor: [{', '.join(map(str, brokers))}]")
        rows.append(brokers)
    return tuple(rows)


def configs(texts: Sequence[str]) -> dict[str, str]:
    """Read `name=value` texts; the last of a name counts. Raises Failure in Kafka's words."""
    found = {}
    for text in texts:
        parts = _java_split(text, r"\s*=\s*")
        if len(parts) != 2:
            raise Failure(
                'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".'
            )
        found[parts[0].strip()] = parts[1].strip()
    return found


def topic_id(text: str) -> str:
    """Check an id as Kafka reads it: 16 bytes in URL-safe base64. Raises Failure in Kafka's words."""
    if len(text) > 24:
        raise Failure(f"Input string with prefix `{text[:24]}` is too long to be decoded as a base64 UUID")
    digits = text.rstrip("=")
    strange = next((one for one in digits if not (one.isascii() and (one.isalnum() or one in "-_"))), None)
    if strange:
        raise Failure(f"Illegal base64 character {ord(strange):x}")
    if len(digits) % 4 == 1:
        raise Failure("Last unit does not have enough valid bits")
    size = len(digits) * 3 // 4
    if size != 16:
        raise Failure(
            f"Input string `{text}` decoded as {size} bytes, which is not equal to the expected 16 bytes "
            "of a base64-encoded UUID"
        )
    return digits


def _normalised(expression: str) -> str:
    return expression.strip().replace(",", "|").replace(" ", "").strip("'\"")


def _java_split(text: str, separator: str) -> list[str]:
    """Split as Java does: empty parts at the end do not count, a text without the separator is one part."""
    parts = re.split(separator, text)
    if len(parts) > 1:
        while parts and not parts[-1]:
            parts.pop()
    return parts


def _broker(text: str) -> int:
    word = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", word) or not -(1 << 31) <= int(word) < 1 << 31:
        raise Failure(f'For input string: "{word}"')
    return int(word)
