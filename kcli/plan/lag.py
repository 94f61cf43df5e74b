"""Lag: how far groups are behind, in records and in time, how fast they and their producers are, when they catch up.

Two looks at the same partitions make rates. The lag in time is the time between two records: the one that the group
reads next, and the newest one of the partition; it does not grow while nobody produces.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kcli.model.groups import Committed, Group, GroupLag, PartitionLag
from kcli.model.moves import TopicPartition


class Look(NamedTuple):
    """What was seen at a time (monotonic, in ms): offsets of each group, ends of each partition."""

    now_ms: int
    committed: Mapping[str, Mapping[TopicPartition, Committed]]
    ends: Mapping[TopicPartition, int]


def behind(look: Look) -> set[TopicPartition]:
    """The partitions with a group that has not read all of them."""
    return {
        one
        for rows in look.committed.values()
        for one, offset in rows.items()
        if one in look.ends and offset.offset < look.ends[one]
    }


def lags(
    groups: Mapping[str, Group],
    before: Look | None,
    after: Look,
    next_ms: Mapping[tuple[str, TopicPartition], int],
    newest_ms: Mapping[TopicPartition, int],
) -> tuple[GroupLag, ...]:
    """The groups, the worst first: most seconds behind, then most records.

    before     an earlier look; None: there are no rates
    next_ms    the time of the record that a group reads next, where it is known
    newest_ms  the newest time of each partition, where it is known
    """
    found = []
    for name, rows in after.committed.items():
        partitions = tuple(
            PartitionLag(
                *one,
                offset.offset,
                after.ends.get(one),
                _behind_ms(name, one, offset, after, next_ms, newest_ms),
            )
            for one, offset in sorted(rows.items())
        )
        in_s, out_s = _rates(name, before, after)
        group = groups[name]
        found.append(GroupLag(name, group.state, len(group.members), partitions, in_s, out_s))
    return tuple(sorted(found, key=lambda one: (-(one.lag_ms or 0), -one.lag, one.group)))


def exceeding(found: Sequence[GroupLag], max_lag: int | None, max_seconds: float | None) -> tuple[str, ...]:
    """Which groups are beyond the limits, a line for each limit."""
    told = []
    for one in found:
        if max_lag is not None and one.lag > max_lag:
            told.append(f"{one.group} is {one.lag} record(s) behind, more than {max_lag}")
        if max_seconds is not None and (one.lag_ms or 0) > max_seconds * 1000:
            told.append(f"{one.group} is {(one.lag_ms or 0) / 1000:g} s behind, more than {max_seconds:g} s")
    return tuple(told)


def _behind_ms(
    group: str,
    one: TopicPartition,
    offset: Committed,
    look: Look,
    next_ms: Mapping[tuple[str, TopicPartition], int],
    newest_ms: Mapping[TopicPartition, int],
) -> int | None:
    if one not in look.ends:
        return None
    if offset.offset >= look.ends[one]:
        return 0
    if (group, one) not in next_ms or one not in newest_ms:
        return None
    return max(0, newest_ms[one] - next_ms[group, one])


def _rates(group: str, before: Look | None, after: Look) -> tuple[float | None, float | None]:
    """Records a second that come in and go out, over the partitions that both looks have."""
    if before is None or group not in before.committed or after.now_ms <= before.now_ms:
        return None, None
    seconds = (after.now_ms - before.now_ms) / 1000
    earlier, later = before.committed[group], after.committed[group]
    ends = [one for one in later if one in after.ends and one in before.ends]
    came = sum(after.ends[one] - before.ends[one] for one in ends)
    went = sum(later[one].offset - earlier[one].offset for one in later if one in earlier)
    return came / seconds, went / seconds
