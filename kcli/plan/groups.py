"""Groups: which ones are meant, and how far they are behind."""

import re
from collections.abc import Iterable, Mapping, Sequence

from kcli.errors import Usage
from kcli.model import Topic
from kcli.model.groups import (
    CLASSIC_TYPE,
    CONSUMER_PROTOCOL,
    CONSUMER_TYPE,
    Committed,
    Group,
    GroupListing,
    Standing,
)
from kcli.model.moves import TopicPartition

TYPES = ("Classic", "Consumer", "Share", "Streams")
CONSUMER_TYPES = ("Consumer", "Classic")
STATES = ("Dead", "CompletingRebalance", "Stable", "Reconciling", "Assigning", "PreparingRebalance", "Empty")
REBALANCING = ("PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling")
Scope = tuple[str, tuple[int, ...] | None]  # a topic, and its partitions; None: all


def of_type(groups: Iterable[GroupListing], type_: str | None, protocol: str | None) -> tuple[GroupListing, ...]:
    """The groups of a type (any case) and of a protocol (as it is written)."""
    return tuple(
        one
        for one in groups
        if (type_ is None or one.type.lower() == type_.lower()) and (protocol is None or one.protocol == protocol)
    )


def of_consumers(groups: Iterable[GroupListing]) -> tuple[GroupListing, ...]:
    """The groups that consumers make: of both protocols, and those that only commit offsets."""
    return tuple(
        one
        for one in groups
        if one.type == CONSUMER_TYPE or (one.type == CLASSIC_TYPE and one.protocol in ("", CONSUMER_PROTOCOL))
    )


def states(text: str) -> frozenset[str]:
    """Read `stable, empty`, in any case. Raises Usage in Kafka's words."""
    return _named(text, STATES, f"Invalid state list '{text}'. Valid states are: {', '.join(STATES)}")


def types(text: str) -> frozenset[str]:
    """Read `classic, consumer`, in any case. Raises Usage in Kafka's words."""
    return _named(text, CONSUMER_TYPES, f"Invalid types list '{text}'. Valid types are: {', '.join(CONSUMER_TYPES)}")


def _named(text: str, known: Sequence[str], complaint: str) -> frozenset[str]:
    by_lower = {name.lower(): name for name in known}
    words = text.split(",")
    while words and not words[-1].strip() and len(words) > 1:
        words.pop()
    if not all(word.strip().lower() in by_lower for word in words):
        raise Usage(complaint)
    return frozenset(by_lower[word.strip().lower()] for word in words)


def scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Read `orders` and `orders:0,1` of --topic. Raises Usage in Kafka's words."""
    found: list[Scope] = []
    for text in texts:
        topic, colon, numbers = text.partition(":")
        if not colon:
            found.append((topic, None))
            continue
        for number in numbers.split(","):
            if not re.fullmatch(r"[+-]?[0-9]{1,10}", number):
                raise Usage(f"Invalid partition '{number}' specified in topic arg '{text}''")
        found.append((topic, tuple(dict.fromkeys(map(int, numbers.split(","))))))
    return tuple(found)


def partitions(wanted: Iterable[Scope], topics: Iterable[Topic]) -> tuple[TopicPartition, ...]:
    """All partitions of some scopes, those that are named twice once; of topics that there are."""
    indexes = {topic.name: tuple(one.id for one in topic.partitions) for topic in topics}
    rows = [(topic, index) for topic, numbers in wanted for index in numbers or indexes.get(topic, ())]
    return tuple(dict.fromkeys(rows))


def standings(
    group: Group, committed: Mapping[TopicPartition, Committed], ends: Mapping[TopicPartition, int]
) -> tuple[Standing, ...]:
    """How far a group is, in the order of Kafka's tool: members with most partitions first, what nobody has last."""
    held = [
        (one, member)
        for member in sorted(group.members, key=lambda one: (-len(one.assignment), one.id))
        for one in sorted(member.assignment)
    ]
    taken = {one for one, _ in held}
    rows = [*held, *((one, None) for one in sorted(committed) if one not in taken)]
    return tuple(Standing(*one, committed.get(one), ends.get(one), member) for one, member in rows)


def known_partitions(group: Group, committed: Mapping[TopicPartition, Committed]) -> set[TopicPartition]:
    """The partitions that a group has or has committed."""
    return {one for member in group.members for one in member.assignment} | set(committed)
