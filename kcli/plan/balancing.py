"""Balance: as many replicas and as many leaders on each broker, give or take one, with as few copies as can be.

*Replicas.* Each broker has a quota: the average, rounded down, or up for those that carry most. A replica goes from a
broker above its quota to one below it. The first holds more partitions than the second, so it has one that the second
has not: without racks the quotas are always reached, by as many moves as there are replicas above quotas, and no plan
can do with fewer. With racks a move may not take from a partition a rack that it is in; where no such move is left, a
replica makes way on a third broker, and where that does not help either, the balance stays as it is, and is told. Of
the partitions that may move, the one goes whose size comes nearest to what the two brokers' bytes differ by.

*Leaders.* The first replica of a list leads, so balancing leaders copies nothing. While a broker leads two partitions
more than another, leadership is handed on along the shortest chain of brokers that leads from the first to the second;
when there is no such chain any more, no order of replicas is better balanced.

Source: Harvey, Ladner, Lovász, Tamir, "Semi-matchings for bipartite graphs and load balancing" (2006).
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice, pairwise

from kcli.model.layout import Layout, Replicas
from kcli.model.moves import TopicPartition
from kcli.plan.placing import Loads, Moves

LOOKED_AT = 64  # partitions of a broker that are compared for one move


def balance(layout: Layout) -> Moves:
    """The partitions that change, so that replicas and leaders are spread evenly over the live brokers."""
    moved = _Spreading(layout).moves()
    return {**moved, **lead(layout.after(moved))}


def lead(layout: Layout) -> Moves:
    """The partitions whose replicas change their order, so that each live broker leads as many as the others."""
    loads, now = Loads(layout), dict(layout.partitions)
    # led[a][b]: what a leads and b could lead
    led: dict[int, dict[int, dict[TopicPartition, None]]] = {broker: {} for broker in layout.brokers}

    def note(key: TopicPartition, replicas: Replicas, there: bool) -> None:
        if not replicas or replicas[0] not in led:
            return
        for other in replicas[1:]:
            if other in led:
                rows = led[replicas[0]].setdefault(other, {})
                if there:
                    rows[key] = None
                else:
                    del rows[key]

    for key, replicas in now.items():
        note(key, replicas, True)
    while True:
        path = _chain(led, loads.leaders)
        if path is None:
            break
        for giver, taker in pairwise(path):
            key = next(iter(led[giver][taker]))
            before = now[key]
            after = (taker, *(broker for broker in before if broker != taker))
            note(key, before, False)
            note(key, after, True)
            loads.change(key, before, after)
            now[key] = after
    return {key: replicas for key, replicas in now.items() if replicas != layout.partitions[key]}


def _chain(led: dict[int, dict[int, dict[TopicPartition, None]]], leaders: dict[int, int]) -> list[int] | None:
    """The shortest way for a leadership from a broker to one that leads at least two partitions less."""
    for start in sorted(leaders, key=lambda broker: (-leaders[broker], broker)):
        came: dict[int, int | None] = {start: None}
        waiting = deque([start])
        while waiting:
            broker = waiting.popleft()
            if leaders[broker] <= leaders[start] - 2:
                path = [broker]
                while (before := came[path[-1]]) is not None:
                    path.append(before)
                return path[::-1]
            for other in sorted(led[broker], key=lambda each: (leaders[each], each)):
                if other not in came and led[broker][other]:
                    came[other] = broker
                    waiting.append(other)
    return None


class _Spreading:
    """Replicas on their way from brokers above their quotas to brokers below."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._loads, self._now = layout, Loads(layout), dict(layout.partitions)
        self._on: dict[int, dict[TopicPartition, None]] = {broker: {} for broker in layout.brokers}
        for key, replicas in self._now.items():
            for broker in replicas:
                if broker in self._on:
                    self._on[broker][key] = None
        self._racks = {broker: self._loads.rack(broker) for broker in layout.brokers}
        self._quota = self._quotas()

    def _quotas(self) -> dict[int, int]:
        counts = self._loads.replicas
        low, more = divmod(sum(counts.values()), max(len(counts), 1))
        most = sorted(counts, key=lambda broker: (-counts[broker], broker))[:more]
        return {broker: low + (broker in most) for broker in counts}

    def moves(self) -> Moves:
        while self._step():
            while self._step():
                pass
            # Racks may have kept a broker above its quota: then it is that one that may have a replica more.
            self._quota = self._quotas()
        return {key: now for key, now in self._now.items() if now != self._layout.partitions[key]}

    def _step(self) -> bool:
        """Make one move; False where none is left that helps."""
        counts = self._loads.replicas
        full = sorted((b for b in counts if counts[b] > self._quota[b]), key=lambda b: (self._quota[b] - counts[b], b))
        empty = sorted((b for b in counts if counts[b] < self._quota[b]), key=lambda b: (counts[b] - self._quota[b], b))
        for giver in full:
            for taker in empty:
                key = self._candidate(giver, taker)
                if key is not None:
                    self._move(key, giver, taker)
                    return True
        for giver in full:
            for taker in empty:
                for between in counts:
                    if between in (giver, taker) or between in full:
                        continue
                    first = self._candidate(giver, between)
                    if first is None:
                        continue
                    self._move(first, giver, between)
                    second = self._candidate(between, taker, without=first)
                    if second is not None:
                        self._move(second, between, taker)
                        return True
                    self._move(first, between, giver)
        return False

    def _candidate(self, giver: int, taker: int, without: TopicPartition | None = None) -> TopicPartition | None:
        """The partition that may go from one broker to the other, and whose size suits them best."""
        sizes, loads = self._layout.sizes, self._loads
        ideal = max(0, (loads.bytes[giver] - loads.bytes[taker]) / 2)
        able = (key for key in self._able(giver, taker) if key != without)
        return min(islice(able, LOOKED_AT), key=lambda key: (abs(sizes.get(key, 0) - ideal), key), default=None)

    def _able(self, giver: int, taker: int) -> Iterator[TopicPartition]:
        """The partitions that may go. Three million are looked at for 10,000 moves: that is why this is spelled out."""
        racks, now, there = self._racks, self._now, self._on[taker]
        old, new = racks[giver], racks[taker]
        for key in self._on[giver]:
            if key in there:
                continue
            if old != new:
                loses = False
                for broker in now[key]:
                    if broker != giver:
                        rack = racks.get(broker)
                        if rack == old:
                            loses = False
                            break
                        if rack == new:
                            loses = True
                if loses:
                    continue
            yield key

    def _move(self, key: TopicPartition, giver: int, taker: int) -> None:
        before = self._now[key]
        after = tuple(taker if broker == giver else broker for broker in before)
        self._loads.change(key, before, after)
        self._now[key] = after
        del self._on[giver][key]
        self._on[taker][key] = None
