"""Plans that move no more than they must: empty brokers, change replication factors, keep rules.

All three are one task: each partition keeps the replicas that may stay, and gets as many new ones as it then lacks. No
plan can do with fewer copies, and a plan made of the result is empty. A new replica goes where the partition has no
replica in the same rack, as far as that is possible, then to the broker that carries fewest replicas, then fewest
bytes. Large partitions are placed first, while there is choice.

A replica keeps its place in the list of its partition. Where the preferred leader must go, the replica in sync that
leads least takes over.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from kcli.errors import Failure
from kcli.model import Broker
from kcli.model.layout import Layout, Replicas, Rule
from kcli.model.moves import TopicPartition

Moves = dict[TopicPartition, Replicas]


class Loads:
    """What each broker carries while a plan grows."""

    def __init__(self, layout: Layout) -> None:
        self.brokers, self._sizes = layout.brokers, layout.sizes
        self.replicas = dict.fromkeys(layout.brokers, 0)
        self.bytes = dict.fromkeys(layout.brokers, 0)
        self.leaders = dict.fromkeys(layout.brokers, 0)
        for key, replicas in layout.partitions.items():
            self.count(key, replicas, 1)

    def count(self, key: TopicPartition, replicas: Replicas, sign: int) -> None:
        """Put a partition's replicas on (1) the brokers, or take them off (-1)."""
        size = self._sizes.get(key, 0) * sign
        for broker in replicas:
            if broker in self.replicas:
                self.replicas[broker] += sign
                self.bytes[broker] += size
        if replicas and replicas[0] in self.leaders:
            self.leaders[replicas[0]] += sign

    def change(self, key: TopicPartition, before: Replicas, after: Replicas) -> None:
        self.count(key, before, -1)
        self.count(key, after, 1)

    def rack(self, broker: int) -> str | None:
        """The rack of a live broker; a broker without one is a rack of its own."""
        known = self.brokers.get(broker)
        return None if known is None else known.rack or f"\0{broker}"

    def best(self, allowed: Iterable[int], taken: Collection[int]) -> int:
        """Where a new replica goes, beside those on `taken`."""
        racks = {self.rack(broker) for broker in taken}
        return min(
            (each for each in allowed if each not in taken),
            key=lambda each: (self.rack(each) in racks, self.replicas[each], self.bytes[each], each),
        )


def drain(layout: Layout, leaving: Collection[int]) -> Moves:
    """Empty brokers. Raises Failure: what is left has too few brokers for some partition, or one is not known."""
    _known(layout, leaving)
    staying = [broker for broker in layout.brokers if broker not in leaving]
    held = [key for key, replicas in layout.partitions.items() if not {*leaving}.isdisjoint(replicas)]
    return settled(layout, {key: (staying, len(layout.partitions[key])) for key in held})


def set_factor(layout: Layout, topics: str, factor: int) -> Moves:
    """Give the topics of a regular expression another replication factor. Raises Failure."""
    names = chosen(layout, topics)
    everywhere = [*layout.brokers]
    return settled(layout, {key: (everywhere, factor) for key in layout.partitions if key[0] in names})


def place(layout: Layout, rules: Sequence[Rule]) -> Moves:
    """Bring partitions to where the first rule that names their topic wants them. Raises Failure."""
    wanted: dict[TopicPartition, tuple[Sequence[int], int]] = {}
    leaders: dict[TopicPartition, tuple[int, ...]] = {}
    patterns = [(_pattern(rule.topics), _allowed(layout, rule), rule) for rule in rules]
    for key, replicas in layout.partitions.items():
        found = next((row for row in patterns if row[0].fullmatch(key[0])), None)
        if found is not None:
            _, allowed, rule = found
            wanted[key] = allowed, rule.factor or len(replicas)
            leaders[key] = rule.leaders
    return settled(layout, wanted, leaders)


def settled(
    layout: Layout,
    wanted: Mapping[TopicPartition, tuple[Sequence[int], int]],
    leaders: Mapping[TopicPartition, tuple[int, ...]] = {},
) -> Moves:
    """The partitions that change, so that each of `wanted` has so many replicas, all of them on the brokers it names.

    leaders  brokers that shall lead a partition, the best first
    """
    loads, moves = Loads(layout), Moves()
    for key in sorted(wanted, key=lambda one: (-layout.sizes.get(one, 0), one)):
        allowed, factor = wanted[key]
        before = layout.partitions[key]
        if not 0 < factor <= len(allowed):
            raise Failure(
                f"{key[0]}-{key[1]} cannot have {factor} replica(s): {len(allowed)} broker(s) may hold it",
                f"They are: {', '.join(map(str, sorted(allowed))) or 'none'}.",
            )
        kept = _kept(before, {*allowed}, factor, layout.isr.get(key, before), loads)
        rows: list[int | None] = [broker if broker in kept else None for broker in before[:factor]]
        rows += [broker for broker in before[factor:] if broker in kept]
        after = _filled(rows, factor, allowed, loads)
        after = _led(before, after, layout.isr.get(key, before), leaders.get(key, ()), loads)
        if after != before:
            moves[key] = after
            loads.change(key, before, after)
    return moves


def _kept(before: Replicas, allowed: set[int], factor: int, isr: Collection[int], loads: Loads) -> set[int]:
    """The replicas that stay. Of too many, those go first that are out of sync, share a rack, are on full brokers."""
    kept = [broker for broker in before if broker in allowed]
    while len(kept) > factor:
        racks = [loads.rack(broker) for broker in kept]

        def dear(broker: int, racks: Sequence[str | None] = racks) -> tuple[bool, bool, bool, int, int]:
            shares = racks.count(loads.rack(broker)) > 1
            return broker in isr, not shares, broker == before[0], -loads.replicas[broker], -broker

        kept.remove(min(kept, key=dear))
    return {*kept}


def _filled(rows: Sequence[int | None], factor: int, allowed: Iterable[int], loads: Loads) -> Replicas:
    """Replica lists without gaps: new brokers in the places of those that left, or at the end."""
    taken = [broker for broker in rows if broker is not None]
    news = list[int]()
    for _ in range(factor - len(taken)):
        news.append(loads.best(allowed, [*taken, *news]))
    after = list[int]()
    for broker in rows:
        if broker is not None:
            after.append(broker)
        elif news:
            after.append(news.pop(0))
    return tuple((after + news)[:factor])


def _led(before: Replicas, after: Replicas, isr: Collection[int], wanted: Sequence[int], loads: Loads) -> Replicas:
    """Put first who shall lead: as a rule says, else who led before, else who has the records and leads least."""
    told = [broker for broker in wanted if broker in after]
    if told:
        return _first(after, told[0])
    if before[0] in after:
        return _first(after, before[0])
    old = [broker for broker in after if broker in before and broker in isr]
    return _first(after, min(old or after, key=lambda broker: (loads.leaders[broker], broker)))


def _first(replicas: Replicas, leader: int) -> Replicas:
    return (leader, *(broker for broker in replicas if broker != leader))


def chosen(layout: Layout, topics: str) -> set[str]:
    """The topics that a regular expression names. Raises Failure: none, or it is no expression."""
    pattern = _pattern(topics)
    names = {topic for topic, _ in layout.partitions if pattern.fullmatch(topic)}
    if not names:
        raise Failure(f"No topic is named by '{topics}'", "'kcli topics --list' names what there is.")
    return names


def _pattern(text: str) -> "re.Pattern[str]":
    try:
        return re.compile(text)
    except re.error as error:
        raise Failure(f"'{text}' is no regular expression: {error}") from error


def _allowed(layout: Layout, rule: Rule) -> list[int]:
    _known(layout, rule.brokers or ())
    _known(layout, rule.leaders)

    def fits(broker: Broker) -> bool:
        return (rule.brokers is None or broker.id in rule.brokers) and (rule.racks is None or broker.rack in rule.racks)

    return [broker.id for broker in layout.brokers.values() if fits(broker)]


def _known(layout: Layout, brokers: Iterable[int]) -> None:
    unknown = sorted({*brokers} - layout.brokers.keys() - {each for row in layout.partitions.values() for each in row})
    if unknown:
        raise Failure(
            f"Unknown broker id {unknown[0]}", f"The brokers that live: {', '.join(map(str, sorted(layout.brokers)))}."
        )
