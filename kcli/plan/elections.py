"""Leader elections: which partitions a document names, and which leaders an election would move."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kcli.errors import Failure
from kcli.model import Topic
from kcli.model.moves import Outlook, Skipped, TopicPartition, Turn

PREFERRED, UNCLEAN = "PREFERRED", "UNCLEAN"


def named(document: Mapping[str, Any]) -> tuple[TopicPartition, ...]:
    """The partitions of {"partitions": [{"topic": ..., "partition": ...}]}. Raises Failure: one is named twice."""
    rows = [(row["topic"], row["partition"]) for row in document["partitions"]]
    twice = sorted({row for row in rows if rows.count(row) > 1}) if len({*rows}) < len(rows) else []
    if twice:
        told = ", ".join(f"{topic}-{partition}" for topic, partition in twice)
        raise Failure(f"Replica election data contains duplicate partitions: [{told}]")
    return tuple(rows)


def outlook(
    kind: str, topics: Iterable[Topic], chosen: Collection[TopicPartition] | None, alive: Collection[int]
) -> Outlook:
    """Foresee an election.

    kind    PREFERRED or UNCLEAN
    chosen  the partitions that are meant; None: all of `topics`
    alive   the brokers that could lead
    """
    turns, skipped = [], []
    for topic in topics:
        for one in topic.partitions:
            if chosen is not None and (topic.name, one.id) not in chosen:
                continue
            if kind == PREFERRED:
                preferred = one.replicas[0]
                if one.leader == preferred:
                    continue
                if preferred in one.isr and preferred in alive:
                    turns.append(Turn(topic.name, one.id, one.leader, preferred))
                else:
                    why = "is not alive" if preferred not in alive else "is not in sync"
                    skipped.append(Skipped(topic.name, one.id, f"its preferred leader {preferred} {why}"))
            elif one.leader is None:
                up = [each for each in one.replicas if each in alive]
                if up:
                    turns.append(Turn(topic.name, one.id, None, up[0]))
                else:
                    skipped.append(Skipped(topic.name, one.id, "none of its replicas is alive"))
    return Outlook(tuple(turns), tuple(skipped))


def batches(turns: Sequence[Turn], size: int) -> Iterator[tuple[TopicPartition, ...]]:
    """The partitions of an outlook, at most `size` at a time."""
    for at in range(0, len(turns), size):
        yield tuple((turn.topic, turn.partition) for turn in turns[at : at + size])
