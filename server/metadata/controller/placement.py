"""Which brokers get the replicas of new partitions: striped over racks, and over the brokers inside each rack.

Each partition begins one rack further than the one before, and in each rack one broker further, so that leaders spread
evenly and neighbours differ. Replicas of one partition take a rack each while racks last. Inside a rack, brokers that
are fenced come last; no partition begins with one. Starting points are drawn, so that small topics do not all begin at
the same broker.

Source: KIP-36 (racks), KIP-631 (fenced brokers).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from server.metadata.image import Broker, Image
from server.model.errors import ErrorCode, Rejected
from server.model.ids import UNASSIGNED_DIR, DirectoryId, NodeId

T = TypeVar("T")
Below = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Usable:
    """A broker that may get a replica."""

    broker_id: NodeId
    rack: str | None
    fenced: bool


def usable(image: Image) -> tuple[Usable, ...]:
    """The brokers that may get replicas: not those that are shutting down, nor those with every directory cordoned."""
    return tuple(
        Usable(broker.broker_id, broker.rack, broker.fenced)
        for broker in image.brokers.values()
        if not broker.in_controlled_shutdown and not _is_cordoned(broker)
    )


def _is_cordoned(broker: Broker) -> bool:
    return bool(broker.directories) and set(broker.directories) <= set(broker.cordoned_directories)


def new_directory(image: Image, broker_id: NodeId) -> DirectoryId:
    """Where a new replica goes: known where the broker has one directory, else the broker's own choice."""
    open_dirs = [each for each in image.brokers[broker_id].directories
                 if each not in image.brokers[broker_id].cordoned_directories]  # fmt: skip
    return open_dirs[0] if len(open_dirs) == 1 else UNASSIGNED_DIR


def stripe(brokers: Iterable[Usable], count: int, replication_factor: int, below: Below) -> list[tuple[NodeId, ...]]:
    """Replica lists for `count` partitions; the first of each is unfenced.

    below   a draw: a number from 0 up to, not including, its argument
    raises  Rejected(INVALID_REPLICATION_FACTOR)
    """
    found = tuple(brokers)
    unfenced = sum(not each.fenced for each in found)
    if not unfenced:
        raise _refused("All brokers are currently fenced, or have all their log directories cordoned.")
    if replication_factor > len(found):
        raise _refused(
            f"The target replication factor of {replication_factor} cannot be reached because only {len(found)} "
            "broker(s) are registered or some brokers have all their log directories cordoned."
        )
    placed: list[tuple[NodeId, ...]] = []
    while len(placed) < count:
        # After one turn the same lists would come again: new starting points make new ones.
        racks = _racks(found, below)
        turns = range(min(unfenced, count - len(placed)))
        placed += [_place(racks, turn, replication_factor) for turn in turns]
    return placed


Rack = tuple[list[NodeId], list[NodeId]]


def _racks(brokers: tuple[Usable, ...], below: Below) -> list[Rack]:
    """(unfenced, fenced) brokers of each rack, all turned to a starting point that is drawn."""
    named: dict[str, tuple[list[NodeId], list[NodeId]]] = {}
    for each in sorted(brokers, key=lambda broker: broker.broker_id):
        named.setdefault(each.rack or "", ([], []))[each.fenced].append(each.broker_id)
    racks = [
        (_turned(unfenced, below(len(unfenced) or 1)), _turned(fenced, below(len(fenced) or 1)))
        for _, (unfenced, fenced) in sorted(named.items())
    ]
    return _turned(racks, below(len(racks)))


def _turned(items: list[T], by: int) -> list[T]:
    by = by % len(items) if items else 0
    return items[by:] + items[:by]


def _place(racks: list[Rack], turn: int, replication_factor: int) -> tuple[NodeId, ...]:
    """One replica list: a broker of each rack in turn, from rack number `turn` on."""
    order = [_candidates(rack, turn // len(racks)) for rack in _turned(racks, turn)]
    leader_at = next(at for at, rack in enumerate(_turned(racks, turn)) if rack[0])
    order = _turned(order, leader_at)
    chosen: list[NodeId] = []
    while len(chosen) < replication_factor:
        for rack in order:
            broker = next(rack, None)
            if broker is not None and len(chosen) < replication_factor:
                chosen.append(broker)
    return tuple(chosen)


def _candidates(rack: Rack, by: int) -> Iterator[NodeId]:
    """The brokers of one rack, unfenced ones first."""
    unfenced, fenced = rack
    yield from _turned(unfenced, by)
    yield from _turned(fenced, by)


def _refused(message: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_REPLICATION_FACTOR, message)
