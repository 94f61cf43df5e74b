"""The words of kafka-consumer-groups.sh --reset-offsets, and of what kcli tells beyond it: what a reset would do."""

from collections.abc import Iterable, Mapping, Sequence

from kcli.errors import Refused
from kcli.model.groups import Change, Committed, Reset
from kcli.model.moves import TopicPartition

WIDTH = 15
Plans = Mapping[str, Sequence[Reset]]


def table(plans: Plans) -> str:
    """The new offsets; the heading alone if there is none."""
    rows = [("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET")]
    rows += [(group, row.topic, str(row.partition), str(row.then)) for group, found in plans.items() for row in found]
    first, second = (max([WIDTH, *(len(row[at]) for row in rows)]) for at in (0, 1))
    return "".join(f"\n{a:<{first}} {b:<{second}} {c:<10} {d}" for a, b, c, d in rows) + "\n"


def active(group: str, state: str) -> str:
    """Kafka's words on a group that may not be reset."""
    return (
        f"\nError: Assignments can only be reset if the group '{group}' is inactive, "
        f"but the current state is {state}.\n"
    )


def later(partitions: Iterable[TopicPartition]) -> str:
    """Kafka's words on partitions that have no record of a time or later."""
    return "".join(
        f"\nWarn: Partition {index} from topic {topic} is empty. Falling back to latest known offset.\n"
        for topic, index in partitions
    )


def outlook(plans: Plans) -> str:
    """What groups would skip or read again, partition by partition."""
    lines = [
        f"{group}  {row.topic}-{row.partition}: {_offset(row.now)} -> {row.then}, {_effect(row)}"
        for group, found in plans.items()
        for row in found
    ]
    every = [row for found in plans.values() for row in found]
    lines.append(
        f"{len(every)} partition(s): {sum(row.skipped for row in every)} record(s) would be skipped, "
        f"{sum(row.repeated for row in every)} read again."
    )
    return "\n".join(lines)


def _offset(now: Committed | None) -> str:
    return "none" if now is None else str(now.offset)


def _effect(row: Reset) -> str:
    if row.now is None:
        return "nothing was committed"
    if row.skipped:
        return f"skips {row.skipped} record(s)"
    return f"repeats {row.repeated} record(s)" if row.repeated else "as it is"


def recorded(entry: str) -> str:
    return f"Go back with: kcli consumer-groups undo {entry}"


def restored(change: Change) -> str:
    """What an undo did."""
    lines = [f"Offsets are as they were before {change.what}:"]
    for group, rows in change.former.items():
        for (topic, index), now in sorted(rows.items()):
            lines.append(f"{group}  {topic}-{index}: {_offset(now)}")
    return "".join(f"{line}\n" for line in lines)


def history(changes: Sequence[Change]) -> str:
    """The journal, a line an entry."""
    if not changes:
        return "The journal has no changes of offsets.\n"
    lines = []
    for one in changes:
        count = sum(map(len, one.former.values()))
        lines.append(
            f"{one.id}  {one.what} of {', '.join(one.former)} ({count} partition(s)), cluster {one.cluster_id}"
        )
    return "".join(f"{line}\n" for line in lines)


def plan_data(plans: Plans) -> list[dict[str, object]]:
    """For --output json."""
    return [
        {
            "group": group,
            "topic": row.topic,
            "partition": row.partition,
            "committedOffset": row.now and row.now.offset,
            "newOffset": row.then,
            "skipped": row.skipped,
            "repeated": row.repeated,
        }
        for group, found in plans.items()
        for row in found
    ]


def change_data(change: Change) -> dict[str, object]:
    """For --output json."""
    return {
        "id": change.id,
        "clusterId": change.cluster_id,
        "when": change.when,
        "what": change.what,
        "offsets": document(change.former),
    }


def document(former: Mapping[str, Mapping[TopicPartition, Committed | None]]) -> list[dict[str, object]]:
    """Offsets as the journal holds them; offset null: none was committed."""
    return [
        {
            "group": group,
            "topic": topic,
            "partition": index,
            "offset": now and now.offset,
            "leaderEpoch": now.leader_epoch if now else -1,
            "metadata": now.metadata if now else "",
        }
        for group, rows in former.items()
        for (topic, index), now in sorted(rows.items())
    ]


def failures(answers: Mapping[str, Mapping[TopicPartition, Refused | None]]) -> tuple[str, ...]:
    """What was refused, a line each."""
    return tuple(
        f"{group}  {topic}-{index}: {no.message}"
        for group, rows in answers.items()
        for (topic, index), no in sorted(rows.items(), key=lambda one: one[0])
        if no is not None
    )
