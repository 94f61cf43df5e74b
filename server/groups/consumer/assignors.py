"""How the coordinator deals partitions out to the members of a consumer group: uniform and range.

An assignor is a function of who subscribes to what and of the assignment so far. It gives every partition that
somebody subscribes to, to exactly one of those.

- uniform: as even as the subscriptions allow, and as close to the assignment so far as that allows.
- range: each topic in contiguous ranges, members in the same order for each, so that partitions of the same number in
  topics of the same size meet (co-partitioning).

Source: KIP-848 (server-side assignors).
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from uuid import UUID

from server.groups.consumer.member import Place, Places

Assignment = dict[str, Places]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """topics: ids of those that exist. before: its target assignment so far."""

    instance_id: str | None
    topics: frozenset[UUID]
    before: Places


Subscribers = Mapping[str, Subscriber]  # by member id
Sizes = Mapping[UUID, int]  # topic id -> how many partitions
Assignor = Callable[[Subscribers, Sizes], Assignment]


def range_(members: Subscribers, sizes: Sizes) -> Assignment:
    """Static members keep their place by their instance's name."""
    given: dict[str, set[Place]] = {member_id: set() for member_id in members}
    order = sorted(members, key=lambda id_: (members[id_].instance_id is None, members[id_].instance_id or id_))
    for topic_id in sorted(sizes):
        sharing = [member_id for member_id in order if topic_id in members[member_id].topics]
        if not sharing:
            continue
        each, more = divmod(sizes[topic_id], len(sharing))
        at = 0
        for number, member_id in enumerate(sharing):
            count = each + (number < more)
            given[member_id].update((topic_id, index) for index in range(at, at + count))
            at += count
    return {member_id: frozenset(places) for member_id, places in given.items()}


def uniform(members: Subscribers, sizes: Sizes) -> Assignment:
    if not members:
        return {}
    alike = len({member.topics for member in members.values()}) == 1
    given = (_alike if alike else _mixed)(members, sizes)
    return {member_id: frozenset(places) for member_id, places in given.items()}


def _alike(members: Subscribers, sizes: Sizes) -> dict[str, set[Place]]:
    """All subscribe to the same: each one keeps of its own up to its share, and the rest fills up the others."""
    topics = next(iter(members.values())).topics
    free = {(topic_id, index) for topic_id in topics for index in range(sizes[topic_id])}
    share, more = divmod(len(free), len(members))
    given: dict[str, set[Place]] = {}
    for member_id in sorted(members):
        mine = sorted(members[member_id].before & free)
        count = share
        if len(mine) > share and more:
            count, more = share + 1, more - 1
        given[member_id] = set(mine[:count])
        free -= given[member_id]
    hungry = deque(member_id for member_id in sorted(given) if len(given[member_id]) < share)
    left = deque(sorted(free))
    while hungry:
        member_id = hungry.popleft()
        given[member_id].add(left.popleft())
        if len(given[member_id]) < share:
            hungry.append(member_id)
    for member_id in sorted(given):
        if left and len(given[member_id]) == share:
            given[member_id].add(left.popleft())
    assert not left, "more partitions than shares"
    return given


def _mixed(members: Subscribers, sizes: Sizes) -> dict[str, set[Place]]:
    """Subscriptions differ: keep what may be kept, give the rest to those with least, then even out topic by topic."""
    readers: dict[UUID, list[str]] = {topic_id: [] for topic_id in sizes}
    given: dict[str, set[Place]] = {}
    taken: set[Place] = set()
    for member_id in sorted(members):
        member = members[member_id]
        for topic_id in member.topics:
            readers[topic_id].append(member_id)
        given[member_id] = {
            place
            for place in member.before
            if place[0] in member.topics and place[1] < sizes[place[0]] and place not in taken
        }
        taken |= given[member_id]
    # Topics that few can read go first: those who can read more make up for it.
    order = sorted((topic_id for topic_id in sizes if readers[topic_id]), key=lambda id_: (len(readers[id_]), id_))
    for topic_id in order:
        loads = [(len(given[member_id]), member_id) for member_id in readers[topic_id]]
        heapify(loads)
        for index in range(sizes[topic_id]):
            if (topic_id, index) not in taken:
                load, member_id = heappop(loads)
                given[member_id].add((topic_id, index))
                heappush(loads, (load + 1, member_id))
    moved = True
    while moved:  # each move lowers the sum of the squares of the loads, so this ends
        moved = False
        for topic_id in order:
            moved |= _even_out(topic_id, readers[topic_id], given)
    return given


def _even_out(topic_id: UUID, readers: list[str], given: dict[str, set[Place]]) -> bool:
    """Move partitions of one topic from those with most to those with least; whether any was moved."""
    moved = False
    while True:
        donors = [id_ for id_ in readers if any(place[0] == topic_id for place in given[id_])]
        donor = max(donors, key=lambda id_: (len(given[id_]), id_), default=None)
        taker = min(readers, key=lambda id_: (len(given[id_]), id_))
        if donor is None or len(given[donor]) - len(given[taker]) <= 1:
            return moved
        place = max(place for place in given[donor] if place[0] == topic_id)
        given[donor].remove(place)
        given[taker].add(place)
        moved = True


ASSIGNORS: Mapping[str, Assignor] = {"uniform": uniform, "range": range_}
