"""Which brokers get the replicas of a topic's partitions, as Kafka's generator places them.

Each partition begins one rack after the one before. In a rack each partition begins one broker further than the last
that this rack had part in. A partition's first replica is in the rack where it begins, the others follow rack by rack;
a rack that has no broker left is passed over. Where to begin is drawn, for each rack and for the racks. After as many
partitions as there are brokers, racks and brokers are shuffled, so that the same lists do not come again.

Without racks all brokers are in one. Chance is an argument, so that a seed repeats a plan. The draws are made in the
order in which Kafka makes them.

Source: KIP-36 (racks), KIP-455; the striped placement of Kafka's controller, which its tool uses, too.
"""

from collections.abc import Callable, Collection, Mapping, MutableSequence, Sequence
from typing import Any

from kcli.errors import Failure
from kcli.model import Broker, Topic
from kcli.model.moves import ANY, Target

Below = Callable[[int], int]
NO_RACK = ""


def propose(topics: Collection[Topic], brokers: Collection[Broker], below: Below) -> tuple[Target, ...]:
    """Place all partitions of `topics` anew on `brokers`; each topic keeps the replication factor of its partition 0.

    below  a draw: a number from 0 up to, not including, its argument
    raises Failure: there are fewer brokers than replicas
    """
    targets = []
    for topic in sorted(topics, key=lambda one: one.name):
        rows = place(brokers, len(topic.partitions), len(topic.partitions[0].replicas), below)
        targets += [
            Target(topic.name, partition.id, replicas, (ANY,) * len(replicas))
            for partition, replicas in zip(topic.partitions, rows, strict=True)
        ]
    return tuple(targets)


def place(brokers: Collection[Broker], count: int, factor: int, below: Below) -> list[tuple[int, ...]]:
    """Replica lists for `count` partitions. Raises Failure: there are fewer than `factor` brokers."""
    if not brokers:
        raise Failure("All brokers are currently fenced, or have all their log directories cordoned.")
    if factor > len(brokers):
        raise Failure(
            f"The target replication factor of {factor} cannot be reached because only {len(brokers)} broker(s) are "
            "registered or some brokers have all their log directories cordoned."
        )
    racks = _Racks(brokers, below)
    return [racks.place(factor) for _ in range(count)]


def usable(brokers: Collection[Broker], chosen: Collection[int] | None, *, rack_aware: bool) -> tuple[Broker, ...]:
    """The brokers that replicas may be placed on, without racks where these do not count. chosen: None for all.

    Raises Failure: some of them have a rack and some have not.
    """
    found = tuple(broker for broker in brokers if chosen is None or broker.id in chosen)
    if not rack_aware:
        return tuple(broker._replace(rack=None) for broker in found)
    if len({broker.rack is None for broker in found}) > 1:
        raise Failure(
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica "
            "assignment without rack information."
        )
    return found


class _Rack:
    """The brokers of one rack, and where the next partition begins among them."""

    def __init__(self, brokers: Collection[int], below: Below) -> None:
        self.brokers = sorted(brokers)
        self._offset, self._index, self._turn = below(len(self.brokers)), 0, 0

    def begin(self) -> None:
        """Be ready for turns that count from 0 again."""
        self._turn = -1

    def next(self, turn: int) -> int | None:
        """The next broker for the partition of this turn; None: it has them all."""
        if self._turn != turn:
            self._turn, self._index = turn, 0
            self._offset = (self._offset + 1) % len(self.brokers)
        if self._index == len(self.brokers):
            return None
        self._index += 1
        return self.brokers[(self._offset + self._index - 1) % len(self.brokers)]


class _Racks:
    def __init__(self, brokers: Collection[Broker], below: Below) -> None:
        by_rack: dict[str, list[int]] = {}
        for broker in brokers:
            by_rack.setdefault(broker.rack or NO_RACK, []).append(broker.id)
        self._names = sorted(by_rack)
        self._racks: Mapping[str, _Rack] = {name: _Rack(by_rack[name], below) for name in self._names}
        self._below, self._turns = below, len(brokers)
        self._turn, self._offset = 0, below(len(self._names))

    def place(self, factor: int) -> tuple[int, ...]:
        if self._turn == self._turns > 1:
            self._shuffle()
            self._turn = 0
        at = self._offset = self._offset % len(self._names)
        chosen: list[int] = []
        while len(chosen) < factor:
            broker = self._racks[self._names[at % len(self._names)]].next(self._turn)
            if broker is not None:
                chosen.append(broker)
            at += 1
        self._turn += 1
        self._offset += 1
        return tuple(chosen)

    def _shuffle(self) -> None:
        ordered = sorted(self._names)
        shuffle(self._names, self._below)
        for name in ordered:
            shuffle(self._racks[name].brokers, self._below)
            # Kafka leaves this out; its racks of one broker get no more partitions without replicas after the shuffle.
            self._racks[name].begin()


def shuffle(items: MutableSequence[Any], below: Below) -> None:
    """Bring items in an order that is drawn: from the last to the second, each changes places with one up to it."""
    for last in range(len(items) - 1, 0, -1):
        other = below(last + 1)
        items[last], items[other] = items[other], items[last]


def broker_list(text: str) -> tuple[int, ...]:
    """Read `0,1,2`. Raises Failure: something else, or a broker twice."""
    words = text.split(",")
    while len(words) > 1 and not words[-1]:
        words.pop()
    for word in words:
        if not (word.isascii() and word.removeprefix("-").removeprefix("+").isdigit()):
            raise Failure(f'For input string: "{word}"', "Write the brokers as 0,1,2.")
    found = tuple(map(int, words))
    refuse_twice("Broker list", found)
    return found


def refuse_twice(what: str, names: Sequence[int] | Sequence[str]) -> None:
    """Raise Failure for names that stand more than once in `names`."""
    twice = sorted({str(name) for name in names if list(names).count(name) > 1}) if len({*names}) < len(names) else []
    if twice:
        raise Failure(f"{what} contains duplicate entries: [{', '.join(twice)}]")
