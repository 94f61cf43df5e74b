"""Groups: the part of the Admin port about them, over the Kafka protocol. Coordinators are asked.

A group of the consumer protocol (KIP-848) has a request of its own to describe it; a broker that knows no such group,
or no such request, is asked for a classic one.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from kcli.client.routing import MAX_KEYS, Routing, by_topic
from kcli.client.wire import UNSUPPORTED_VERSION
from kcli.errors import Refused
from kcli.model import Broker
from kcli.model.groups import CLASSIC_TYPE, CONSUMER_PROTOCOL, CONSUMER_TYPE, Committed, Group, GroupListing, Member
from kcli.model.moves import TopicPartition

UNKNOWN, DEAD = "Unknown", "Dead"
GROUP_ID_NOT_FOUND = 69
NO_MEMBER = -1
MEMBER_KINDS = {0: False, 1: True}


class Groups(Routing):
    def list_groups(self) -> tuple[GroupListing, ...]:
        def ask(broker: int, here: list[int]) -> dict[int, list[GroupListing] | Refused]:
            answer = self._ask_of(broker, "ListGroups")
            known = self._version_at(broker, "ListGroups")
            if answer.error_code:
                return {broker: Refused(answer.error_code)}
            rows = [
                GroupListing(
                    row.group_id,
                    _type(row.group_type) if known >= 5 else CLASSIC_TYPE,
                    row.protocol_type,
                    row.group_state if known >= 4 and row.group_state else UNKNOWN,
                )
                for row in answer.groups
            ]
            return {broker: rows}

        brokers = [row.node_id for row in self._metadata([]).brokers]
        found: dict[str, GroupListing] = {}
        for answer in self._routed(brokers, lambda wanted: {one: one for one in wanted}, ask, change=False).values():
            if isinstance(answer, Refused):
                raise answer
            found |= {row.id: row for row in answer}
        return tuple(found[name] for name in sorted(found))

    def describe_groups(self, groups: Collection[str]) -> Mapping[str, Group | Refused]:
        return self._at_coordinators(groups, _paged(self._groups_described))

    def list_group_offsets(self, groups: Collection[str]) -> Mapping[str, Mapping[TopicPartition, Committed] | Refused]:
        return self._at_coordinators(groups, _paged(self._groups_committed))

    def alter_group_offsets(
        self, group: str, offsets: Mapping[TopicPartition, Committed]
    ) -> Mapping[TopicPartition, Refused | None]:
        topics = [
            {
                "name": name,
                "partitions": [
                    {
                        "partition_index": index,
                        "committed_offset": offsets[name, index].offset,
                        "committed_leader_epoch": offsets[name, index].leader_epoch,
                        "committed_metadata": offsets[name, index].metadata,
                    }
                    for index in rows
                ],
            }
            for name, rows in by_topic(offsets).items()
        ]
        fields = {"generation_id_or_member_epoch": NO_MEMBER, "member_id": "", "topics": topics}

        def ask(broker: int, here: list[str]) -> dict[str, dict[TopicPartition, Refused | None] | Refused]:
            answer = self._change_at(broker, "OffsetCommit", group_id=group, **fields)
            return {group: _whole(_by_partition(answer))}

        return self._of_group(group, ask)

    def delete_group_offsets(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Refused | None]:
        topics = [
            {"name": name, "partitions": [{"partition_index": index} for index in rows]}
            for name, rows in by_topic(partitions).items()
        ]

        def ask(broker: int, here: list[str]) -> dict[str, dict[TopicPartition, Refused | None] | Refused]:
            answer = self._change_at(broker, "OffsetDelete", group_id=group, topics=topics)
            return {group: Refused(answer.error_code) if answer.error_code else _by_partition(answer)}

        return self._of_group(group, ask)

    def delete_groups(self, groups: Collection[str]) -> Mapping[str, Refused | None]:
        def ask(broker: int, here: list[str]) -> dict[str, bool | Refused]:
            answer = self._change_at(broker, "DeleteGroups", groups_names=here)
            return {row.group_id: Refused(row.error_code) if row.error_code else True for row in answer.results}

        answers = self._at_coordinators(groups, _paged(ask), change=True)
        return {group: answer if isinstance(answer, Refused) else None for group, answer in answers.items()}

    def _of_group(
        self,
        group: str,
        ask: Callable[[int, list[str]], Mapping[str, dict[TopicPartition, Refused | None] | Refused]],
    ) -> dict[TopicPartition, Refused | None]:
        answer = self._at_coordinators([group], ask, change=True)[group]
        if isinstance(answer, Refused):
            raise answer
        return answer

    def _groups_described(self, broker: int, here: list[str]) -> dict[str, Group | Refused]:
        host, port = self._place(broker)
        place = Broker(broker, host, port)
        found: dict[str, Group | Refused] = {}
        if self._version_at(broker, "ConsumerGroupDescribe") >= 0:
            answer = self._ask_of(broker, "ConsumerGroupDescribe", group_ids=here, include_authorized_operations=False)
            found = {
                row.group_id: Refused(row.error_code, row.error_message) if row.error_code else _modern(row, place)
                for row in answer.groups
            }
        classic = [one for one in here if one not in found or _may_be_classic(found[one])]
        if classic:
            answer = self._ask_of(broker, "DescribeGroups", groups=classic)
            found |= {row.group_id: _classic(row, place) for row in answer.groups}
        return found

    def _groups_committed(self, broker: int, here: list[str]) -> dict[str, dict[TopicPartition, Committed] | Refused]:
        if self._version_at(broker, "OffsetFetch") < 8:
            answers = {one: self._ask_of(broker, "OffsetFetch", group_id=one, topics=None) for one in here}
        else:
            asked = [{"group_id": one, "topics": None} for one in here]
            answers = {row.group_id: row for row in self._ask_of(broker, "OffsetFetch", groups=asked).groups}
        return {
            group: Refused(row.error_code) if getattr(row, "error_code", 0) else _offsets(row.topics)
            for group, row in answers.items()
        }


def _paged(ask: Callable[[int, list[str]], Mapping[str, Any]]) -> Callable[[int, list[str]], Mapping[str, Any]]:
    """Ask for a few of many keys at a time."""

    def all_of(broker: int, here: list[str]) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for at in range(0, len(here), MAX_KEYS):
            found |= ask(broker, here[at : at + MAX_KEYS])
        return found

    return all_of


def _type(text: str) -> str:
    """Brokers write the type in small letters, tools do not."""
    return text[:1].upper() + text[1:] if text else UNKNOWN


def _may_be_classic(answer: Group | Refused) -> bool:
    return isinstance(answer, Refused) and answer.code in (GROUP_ID_NOT_FOUND, UNSUPPORTED_VERSION)


def _modern(row: Any, place: Broker) -> Group:
    members = tuple(
        Member(
            one.member_id,
            one.instance_id,
            one.client_id,
            one.client_host,
            _assigned(one.assignment),
            one.member_epoch,
            _assigned(one.target_assignment),
            MEMBER_KINDS.get(one.member_type if one.member_type is not None else -1),
        )
        for one in row.members
    )
    return Group(
        row.group_id,
        CONSUMER_TYPE,
        row.group_state,
        row.assignor_name,
        members,
        place,
        row.group_epoch,
        row.assignment_epoch,
    )


def _classic(row: Any, place: Broker) -> Group | Refused:
    if row.error_code:
        return Refused(row.error_code, getattr(row, "error_message", None))
    if row.group_state == DEAD:  # what brokers say of unknown groups before version 6
        return Refused(GROUP_ID_NOT_FOUND, f"Group {row.group_id} not found.")
    consumers = row.protocol_type == CONSUMER_PROTOCOL
    members = tuple(
        Member(
            one.member_id,
            getattr(one, "group_instance_id", None),
            one.client_id,
            one.client_host,
            assignment(bytes(one.member_assignment or b"")) if consumers else (),
        )
        for one in row.members
    )
    return Group(row.group_id, CLASSIC_TYPE, row.group_state, row.protocol_data, members, place)


def _assigned(found: Any) -> tuple[TopicPartition, ...]:
    return tuple(sorted((topic.topic_name, index) for topic in found.topic_partitions for index in topic.partitions))


def assignment(data: bytes) -> tuple[TopicPartition, ...]:
    """Read what a classic consumer was assigned; nothing where it is not in that form. Source: ConsumerProtocol."""
    try:
        count, at = struct.unpack_from(">i", data, 2)[0], 6
        found = []
        for _ in range(count):
            (size,) = struct.unpack_from(">h", data, at)
            name, at = data[at + 2 : at + 2 + size].decode(), at + 2 + size
            (length,) = struct.unpack_from(">i", data, at)
            found += [(name, index) for index in struct.unpack_from(f">{length}i", data, at + 4)]
            at += 4 + 4 * length
    except (struct.error, UnicodeDecodeError):
        return ()
    return tuple(sorted(found))


def _offsets(topics: Iterable[Any]) -> dict[TopicPartition, Committed]:
    """What is committed; partitions that are answered with an error, or with no offset, have nothing."""
    return {
        (topic.name, row.partition_index): Committed(
            row.committed_offset, getattr(row, "committed_leader_epoch", NO_MEMBER), row.metadata or ""
        )
        for topic in topics
        for row in topic.partitions
        if not row.error_code and row.committed_offset >= 0
    }


def _by_partition(answer: Any) -> dict[TopicPartition, Refused | None]:
    return {
        (topic.name, row.partition_index): Refused(row.error_code) if row.error_code else None
        for topic in answer.topics
        for row in topic.partitions
    }


def _whole(rows: dict[TopicPartition, Refused | None]) -> dict[TopicPartition, Refused | None] | Refused:
    """An error that all partitions have is one of the group: that its coordinator moved, for one."""
    codes: Sequence[int] = [0 if no is None else no.code for no in rows.values()]
    first = next(iter(rows.values()), None)
    return first if first is not None and len({*codes}) == 1 else rows
