"""The words and columns of kafka-consumer-groups.sh. Lines of most tables begin with the newline, as Kafka's do."""

from collections.abc import Iterable, Mapping, Sequence

from kcli.errors import Refused
from kcli.model.groups import Group, GroupListing, Member, Standing
from kcli.model.moves import TopicPartition
from kcli.render.offsets import thrown

MISSING = "-"
NARROW, WIDE, WIDEST = 15, 20, 25
LIST_GAP = 10


def names(groups: Iterable[GroupListing]) -> str:
    return "".join(f"{one.id}\n" for one in groups)


def listing(groups: Sequence[GroupListing], *, types: bool, states: bool) -> str:
    """With a heading, and the columns that were asked for."""
    width = max([NARROW, *(len(one.id) for one in groups)]) + LIST_GAP

    def line(one: GroupListing) -> str:
        columns = [f"{one.id:<{width}}", *([f"{one.type:<{WIDE}}"] if types else [])]
        return " ".join(columns + ([f"{one.state:<{WIDE}}"] if states else [])) + "\n"

    return "".join(line(one) for one in (GroupListing("GROUP", "TYPE", "", "STATE"), *groups))


def no_members(group: str) -> str:
    return f"\nConsumer group '{group}' has no active members."


def rebalancing(group: str) -> str:
    return f"\nWarning: Consumer group '{group}' is rebalancing."


def offsets(group: str, rows: Sequence[Standing], *, verbose: bool) -> str:
    """The table of one group; nothing for no rows."""
    if not rows:
        return ""
    cells: list[tuple[str, ...]] = [
        ("GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG")
    ]
    ends = [("CONSUMER-ID", "HOST", "CLIENT-ID")]
    for row in rows:
        committed, member = row.committed, row.member
        epoch = committed.leader_epoch if committed and committed.leader_epoch >= 0 else None
        told = (epoch, committed and committed.offset, row.end, row.lag)
        cells.append((group, row.topic, str(row.partition), *map(_told, told)))
        ends.append((member.id, member.host, member.client_id) if member else (MISSING,) * 3)
    group_width, topic_width = (_width(row[at] for row in cells) for at in (0, 1))
    id_width, host_width = (_width(row[at] for row in ends) for at in (0, 1))
    lines = []
    for (name, topic, partition, epoch_, *numbers), (id_, host, client) in zip(cells, ends, strict=True):
        middle = [*([epoch_] if verbose else []), *numbers]
        lines.append(
            f"\n{name:<{group_width}} {topic:<{topic_width}} {partition:<10} "
            + "".join(f"{one:<{NARROW}} " for one in middle)
            + f"{id_:<{id_width}} {host:<{host_width}} {client}"
        )
    return "".join(lines) + "\n"


def members(group: Group, *, verbose: bool) -> str:
    """The table of one group's members; a heading alone if there are none."""
    found = group.members
    widths = [
        _width(["GROUP", group.id] if found else ["GROUP"]),
        _width(one.id for one in found),
        _width(["GROUP-INSTANCE-ID", *((one.instance_id or "") for one in found)]),
        _width(one.host for one in found),
        _width(one.client_id for one in found),
    ]
    static = any(one.instance_id for one in found)
    mixed = {one.upgraded for one in found} >= {True, False}
    assigned = max([WIDE, *(len(assignment(one.assignment)) for one in found)])
    target = max([WIDE, *(len(assignment(one.target)) for one in found)])

    def line(first: Sequence[str], rest: Sequence[str], last: str) -> str:
        columns = [
            f"{one:<{width}}" for at, (one, width) in enumerate(zip(first, widths, strict=True)) if at != 2 or static
        ]
        text = " ".join([*columns, f"{rest[0]:<{NARROW}}"]) + " "
        if verbose:
            text += f"{rest[1]:<{NARROW}} {rest[2]:<{assigned}} {rest[3]:<{NARROW}} {rest[4]:<{target}}"
            text += f" {last}" if mixed else ""
        return text + "\n"

    told = line(
        ("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID"),
        ("#PARTITIONS", "CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT"),
        "UPGRADED",
    )
    for one in found:
        told += line(
            (group.id, one.id, one.instance_id or MISSING, one.host, one.client_id),
            (
                str(len(one.assignment)),
                _told(one.epoch),
                assignment(one.assignment) or MISSING,
                _told(group.target_epoch),
                assignment(one.target) or MISSING,
            ),
            MISSING if one.upgraded is None else str(one.upgraded).lower(),
        )
    return "\n" + told


def state(group: Group, *, verbose: bool) -> str:
    place = group.coordinator
    coordinator = f"{place.host}:{place.port}  ({place.id})"
    epochs = (_told(group.epoch), _told(group.target_epoch))
    first, second = _width([group.id]), max(WIDEST, len(coordinator))

    def line(name: str, where: str, strategy: str, word: str, numbers: tuple[str, str], count: str) -> str:
        told = f"{name:<{first}} {where:<{second}} {strategy:<{WIDE}} {word:<{WIDE}} "
        return told + (f"{numbers[0]:<{NARROW}} {numbers[1]:<{WIDEST}} " if verbose else "") + count

    heading = line(
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        ("GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"),
        "#MEMBERS",
    )
    row = line(group.id, coordinator, group.assignor or MISSING, group.state, epochs, str(len(group.members)))
    return f"\n{heading}\n{row}\n"


def deleted(answers: Mapping[str, Refused | None]) -> str:
    """How deleting groups went."""
    failed = {name: no for name, no in answers.items() if no is not None}
    done = ", ".join(f"'{name}'" for name, no in answers.items() if no is None)
    if not failed:
        return f"Deletion of requested consumer groups ({done}) was successful.\n"
    lines = ["", "Error: Deletion of some consumer groups failed:"]
    lines += [f"* Group '{name}' could not be deleted due to: {thrown(no)}" for name, no in failed.items()]
    if done:
        lines += ["", f"These consumer groups were deleted successfully: {done}"]
    return "".join(f"{line}\n" for line in lines)


PARTLY = "Encountered some partition-level error, see the follow-up details."
OF_A_PARTITION, OF_A_GROUP = frozenset({3, 29, 86}), frozenset({24, 30, 68, 69})


def forgotten(
    group: str, answers: Mapping[TopicPartition, Refused | None], unknown: Mapping[str, Refused], whole: Refused | None
) -> str:
    """How deleting offsets went; `unknown`: topics that have no partitions to name."""
    worst = whole or next((no for no in answers.values() if no is not None), None)
    if worst is None:
        told = f"Request succeeded for deleting offsets from group {group}."
    elif worst.code in OF_A_PARTITION:
        told = f"\nError: {PARTLY}"
    elif worst.code in OF_A_GROUP:
        told = f"\nError: {worst.message}"
    else:
        told = f"\nError: Encountered some unknown error: {worst.name}"
    rows = [(topic, str(index), whole or no) for (topic, index), no in answers.items()]
    rows += [(topic, MISSING, no) for topic, no in unknown.items()]
    width = _width(["TOPIC", *(topic for topic, _, _ in rows)])
    lines = [f"\n{'TOPIC':<{width}} {'PARTITION':<10} {'STATUS':<{NARROW}}"]
    for topic, index, no in sorted(rows, key=lambda row: f"{row[0]}{row[1]}"):
        status = "Successful" if no is None else f"Error: {thrown(no)}"
        lines.append(f"\n{topic:<{width}} {index:<10} {status:<{NARROW}}")
    return told + "\n" + "".join(lines) + "\n"


def assignment(partitions: Sequence[TopicPartition]) -> str:
    """orders:0,1;pays:0"""
    topics: dict[str, list[int]] = {}
    for topic, index in sorted(partitions):
        topics.setdefault(topic, []).append(index)
    return ";".join(sorted(f"{topic}:{','.join(map(str, rows))}" for topic, rows in topics.items()))


def listing_data(groups: Sequence[GroupListing]) -> list[dict[str, object]]:
    """For --output json."""
    return [{"group": one.id, "type": one.type, "state": one.state} for one in groups]


def group_data(group: Group, rows: Sequence[Standing] | None) -> dict[str, object]:
    """For --output json; rows None: offsets were not asked for."""
    place = group.coordinator
    told: dict[str, object] = {
        "group": group.id,
        "type": group.type,
        "state": group.state,
        "coordinator": {"id": place.id, "host": place.host, "port": place.port},
        "assignor": group.assignor or None,
        "groupEpoch": group.epoch,
        "targetAssignmentEpoch": group.target_epoch,
        "members": [_member_data(one) for one in group.members],
    }
    if rows is not None:
        told["offsets"] = [
            {
                "topic": row.topic,
                "partition": row.partition,
                "committedOffset": row.committed and row.committed.offset,
                "leaderEpoch": row.committed.leader_epoch
                if row.committed and row.committed.leader_epoch >= 0
                else None,
                "metadata": row.committed and row.committed.metadata,
                "logEndOffset": row.end,
                "lag": row.lag,
                "memberId": row.member and row.member.id,
            }
            for row in rows
        ]
    return told


def _member_data(one: Member) -> dict[str, object]:
    def placed(partitions: Sequence[TopicPartition]) -> list[dict[str, object]]:
        return [{"topic": topic, "partition": index} for topic, index in partitions]

    return {
        "memberId": one.id,
        "instanceId": one.instance_id,
        "clientId": one.client_id,
        "host": one.host,
        "memberEpoch": one.epoch,
        "assignment": placed(one.assignment),
        "targetAssignment": placed(one.target),
        "upgraded": one.upgraded,
    }


def _told(number: int | None) -> str:
    return MISSING if number is None else str(number)


def _width(texts: Iterable[str]) -> int:
    return max([NARROW, *map(len, texts)])
