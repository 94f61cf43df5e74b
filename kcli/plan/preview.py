"""What a plan of moves comes to, foreseen: loads of brokers, bytes to copy, time, and what would break."""

from collections.abc import Iterator, Mapping

from kcli.model.layout import BrokerChange, Layout, Load, Preview, Replicas
from kcli.model.moves import TopicPartition
from kcli.plan.placing import Loads

SPARE = 0.05  # of a disk: less free space than this is told
MAX_NAMED = 5  # partitions that a warning names


def preview(
    layout: Layout,
    moves: Mapping[TopicPartition, Replicas],
    *,
    throttle: int | None = None,
    min_isr: Mapping[str, int] = {},
    disks: Mapping[int, tuple[int, int]] = {},
) -> Preview:
    """Foresee `moves`.

    throttle  bytes per second that one broker may take in; None: no limit
    min_isr   min.insync.replicas of topics
    disks     (total, usable) bytes of brokers, as far as they tell
    """
    before, after = Loads(layout), Loads(layout.after(moves))
    incoming, copies = dict.fromkeys(layout.brokers, 0), 0
    for key, replicas in moves.items():
        for broker in {*replicas} - {*layout.partitions[key]}:
            incoming[broker] = incoming.get(broker, 0) + layout.sizes.get(key, 0)
            copies += 1
    rows = tuple(
        BrokerChange(
            broker,
            layout.brokers[broker].rack,
            _load(before, broker),
            _load(after, broker),
            incoming[broker],
            disks[broker][1] - incoming[broker] if broker in disks else None,
        )
        for broker in sorted(layout.brokers)
    )
    seconds = None if throttle is None else -(-max(incoming.values(), default=0) // throttle)
    warnings = (*_too_few(moves, min_isr), *_racks(layout, moves, after), *_full(rows, disks))
    return Preview(rows, len(moves), copies, sum(incoming.values()), seconds, warnings)


def _load(loads: Loads, broker: int) -> Load:
    return Load(loads.replicas[broker], loads.leaders[broker], loads.bytes[broker])


def _too_few(moves: Mapping[TopicPartition, Replicas], min_isr: Mapping[str, int]) -> Iterator[str]:
    for topic in sorted({topic for topic, _ in moves}):
        least = min(len(replicas) for (name, _), replicas in moves.items() if name == topic)
        needed = min_isr.get(topic, 1)
        if least < needed:
            yield (
                f"{topic} would have {least} replica(s), and its min.insync.replicas is {needed}: "
                "no producer with acks=all could write"
            )
        elif 1 < least == needed:
            yield (
                f"{topic} would have as many replicas as its min.insync.replicas, {needed}: "
                "each restart of a broker stops producers with acks=all"
            )


def _racks(layout: Layout, moves: Mapping[TopicPartition, Replicas], loads: Loads) -> Iterator[str]:
    """Partitions that would be in fewer racks than now, or than there could be."""
    fewer = []
    for key, replicas in sorted(moves.items()):
        racks, was = ({loads.rack(broker) for broker in row} for row in (replicas, layout.partitions[key]))
        if len(racks) < min(len(was), len(replicas)):
            fewer.append(f"{key[0]}-{key[1]}")
    if fewer:
        more = f" and {len(fewer) - MAX_NAMED} more" if len(fewer) > MAX_NAMED else ""
        yield f"in fewer racks than now: {', '.join(fewer[:MAX_NAMED])}{more}"


def _full(rows: tuple[BrokerChange, ...], disks: Mapping[int, tuple[int, int]]) -> Iterator[str]:
    for row in rows:
        if row.free is None or not row.incoming:
            continue
        if row.free < 0:
            yield f"broker {row.broker} has not enough room: {-row.free} bytes are missing"
        elif row.free < SPARE * disks[row.broker][0]:
            yield f"broker {row.broker} would have only {row.free} bytes left"
