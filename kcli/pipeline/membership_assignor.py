"""The range assignor: of each topic, every member gets a run of partitions that lie side by side.

Source: Kafka's RangeAssignor without racks: members with a group.instance.id come first, by that; the others by id.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Key = tuple[str, int]


class Subscriber(NamedTuple):
    member_id: str
    instance: str | None
    topics: tuple[str, ...]


def assigned(members: Sequence[Subscriber], counts: Mapping[str, int]) -> dict[str, list[Key]]:
    """The partitions of each member; `counts` says how many a topic has: one that is not in it is not assigned."""
    ordered = sorted(members, key=lambda one: (one.instance is None, one.instance or one.member_id))
    found: dict[str, list[Key]] = {one.member_id: [] for one in members}
    for topic in sorted({topic for one in members for topic in one.topics}):
        takers = [one for one in ordered if topic in one.topics]
        share, more = divmod(counts.get(topic, 0), len(takers))
        first = 0
        for index, one in enumerate(takers):
            end = first + share + (index < more)
            found[one.member_id] += [(topic, partition) for partition in range(first, end)]
            first = end
    return found
