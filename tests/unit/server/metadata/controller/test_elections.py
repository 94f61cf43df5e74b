"""Source: KIP-966; and what Kafka's own controller wrote when its single broker stopped and came back (kafka/*.log)."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from server.metadata.controller.elections import SHRINK_WITHOUT_EPOCH_SINCE, Election, Rules, change, is_online
from server.metadata.image import RECOVERING, Broker, Image, Partition
from server.metadata.records import PartitionChangeRecord
from server.model.ids import (
    LOST_DIR,
    MIGRATING_DIR,
    NO_LEADER,
    UNASSIGNED_DIR,
    BrokerEpoch,
    DirectoryId,
    LeaderEpoch,
    NodeId,
    TopicId,
)

ELECTIONS = (Path(__file__).parent / "kafka_elects.txt").read_text().splitlines()[2:]
TOPIC = TopicId(UUID(int=501))
A, B, C = NodeId(1), NodeId(2), NodeId(3)
DIR = DirectoryId(UUID(int=601))


def partition(isr: tuple[NodeId, ...] = (A, B, C), leader: NodeId = A, **more: Any) -> Partition:
    return Partition((A, B, C), isr, leader, LeaderEpoch(3), 7, (DIR,) * 3, **more)


def rules(*up: NodeId, min_isr: int = 1, elr: bool = True, **more: Any) -> Rules:
    return Rules(lambda replica: replica in up, min_isr, elr, **more)


def changed(**fields: Any) -> PartitionChangeRecord:
    return PartitionChangeRecord(0, TOPIC, **fields)


def decide(before: Partition, isr: tuple[NodeId, ...], by: Rules) -> PartitionChangeRecord | None:
    return change(TOPIC, 0, before, isr, by)


def test_nothing_changes_where_nothing_is_asked() -> None:
    assert decide(partition(), (A, B, C), rules(A, B, C)) is None


def test_the_leader_stays_while_it_may() -> None:
    assert decide(partition(leader=B), (B, C), rules(A, B, C)) == changed(isr=(B, C))


def test_the_first_replica_in_sync_leads_when_the_leader_goes() -> None:
    assert decide(partition(), (B, C), rules(B, C)) == changed(isr=(B, C), leader=B)
    assert decide(partition(isr=(A, C)), (C,), rules(B, C)) == changed(isr=(C,), leader=C)


def test_a_preferred_election_takes_the_first_replica_if_it_may() -> None:
    preferred = rules(A, B, C, election=Election.PREFERRED)
    assert decide(partition(leader=B), (A, B, C), preferred) == changed(leader=A)
    out = rules(B, C, election=Election.PREFERRED)
    assert decide(partition(leader=C, isr=(B, C)), (B, C), out) is None


def test_the_last_one_in_sync_stays_eligible_when_it_goes() -> None:
    """Kafka: isr [], leader -1, eligibleLeaderReplicas [0], lastKnownElr [0]."""
    before = partition(isr=(A,))
    assert decide(before, (), rules()) == changed(
        isr=(), leader=NO_LEADER, eligible_leader_replicas=(A,), last_known_elr=(A,)
    )


def test_an_eligible_replica_leads_cleanly_when_it_is_back() -> None:
    before = partition(isr=(), leader=NO_LEADER, elr=(A,), last_known_elr=(A,))
    assert decide(before, (), rules(A)) == changed(isr=(A,), leader=A, eligible_leader_replicas=(), last_known_elr=())


def test_replicas_that_leave_a_small_isr_become_eligible() -> None:
    before = partition(isr=(A, B))
    assert decide(before, (A,), rules(A, C, min_isr=2)) == changed(isr=(A,), eligible_leader_replicas=(B,))


def test_nobody_is_eligible_while_the_isr_is_large_enough() -> None:
    before = partition(isr=(A,), elr=(B,))
    assert decide(before, (A, C), rules(A, C, min_isr=2)) == changed(isr=(A, C), eligible_leader_replicas=())


def test_an_eligible_leader_leaves_the_others_eligible() -> None:
    before = partition(isr=(), leader=NO_LEADER, elr=(B, C), last_known_elr=(A,))
    assert decide(before, (), rules(C, min_isr=2)) == changed(
        isr=(C,), leader=C, eligible_leader_replicas=(B,), last_known_elr=()
    )


def test_who_stopped_uncleanly_is_not_eligible() -> None:
    by = rules(unclean=frozenset({A}))
    assert decide(partition(isr=(A,)), (), by) == changed(isr=(), leader=NO_LEADER, last_known_elr=(A,))


def test_the_last_known_leader_leads_again_when_nobody_is_eligible() -> None:
    before = partition(isr=(), leader=NO_LEADER, last_known_elr=(A,))
    assert decide(before, (), rules(A, B)) == changed(
        isr=(A,), leader=A, last_known_elr=(), leader_recovery_state=RECOVERING
    )
    assert decide(before, (), rules(B)) is None


def test_where_logs_are_compared_the_last_known_leader_waits_for_that() -> None:
    before = partition(isr=(), leader=NO_LEADER, last_known_elr=(A,))
    assert decide(before, (), rules(A, B, C, compares=True)) is None
    assert decide(before, (), rules(A, B, C, compares=True, longest=C)) == changed(
        isr=(C,), leader=C, last_known_elr=(), leader_recovery_state=RECOVERING
    )
    assert decide(before, (), rules(A, B, compares=True, longest=C)) is None


def test_where_unclean_election_is_allowed_nothing_is_compared() -> None:
    before = partition(isr=(), leader=NO_LEADER, last_known_elr=(B,))
    by = rules(A, B, compares=True, election=Election.UNCLEAN)
    record = decide(before, (), by)
    assert record is not None
    assert record.leader == B


def test_a_single_replica_has_nobody_to_be_compared_with() -> None:
    before = Partition((A,), (), NO_LEADER, LeaderEpoch(3), 7, (DIR,), last_known_elr=(A,))
    record = decide(before, (), rules(A, compares=True))
    assert record is not None
    assert record.leader == A


def test_anybody_leads_where_unclean_election_is_allowed() -> None:
    before = partition(isr=(), leader=NO_LEADER, elr=(A,), last_known_elr=(A,))
    by = rules(C, election=Election.UNCLEAN)
    assert decide(before, (), by) == changed(
        isr=(C,),
        leader=C,
        eligible_leader_replicas=(),
        last_known_elr=(),
        leader_recovery_state=RECOVERING,
    )


def test_a_recovering_partition_is_not_told_so_again() -> None:
    before = partition(isr=(), leader=NO_LEADER, last_known_elr=(A,), leader_recovery_state=RECOVERING)
    record = decide(before, (), rules(A))
    assert record is not None
    assert record.leader_recovery_state == -1


def test_unclean_election_is_the_last_resort() -> None:
    assert decide(partition(), (B,), rules(B, C, election=Election.UNCLEAN)) == changed(isr=(B,), leader=B)


def test_without_eligible_replicas_the_last_in_sync_stays_on_record() -> None:
    by = rules(B, elr=False)
    assert decide(partition(isr=(A,)), (), by) == changed(leader=NO_LEADER)
    assert decide(partition(isr=(A,), leader=NO_LEADER), (A,), rules(A, elr=False)) == changed(leader=A)


def test_without_eligible_replicas_what_is_left_of_them_goes() -> None:
    before = partition(isr=(A,), elr=(B,), last_known_elr=(C,))
    assert decide(before, (A,), rules(A, elr=False)) == changed(eligible_leader_replicas=(), last_known_elr=())


def test_old_nodes_learn_of_a_shrunken_isr_by_a_leader_epoch() -> None:
    old = rules(A, B, elr=False, bump_on_shrink=True)
    assert decide(partition(), (A, B), old) == changed(isr=(A, B), leader=A)
    assert decide(partition(isr=(A,)), (A, B), old) == changed(isr=(A, B))


@pytest.mark.parametrize(
    ("directory", "online"),
    [
        (DIR, True),
        (DirectoryId(UUID(int=602)), False),
        (LOST_DIR, False),
        (UNASSIGNED_DIR, True),
        (MIGRATING_DIR, True),
    ],
)
def test_a_replica_is_online_with_its_directory(directory: DirectoryId, online: bool) -> None:
    broker = Broker(A, BrokerEpoch(1), UUID(int=1), (), (), None, False, False, (DIR,))
    found = Partition((A,), (A,), A, LeaderEpoch(0), 0, (directory,))
    assert is_online(Image(brokers={A: broker}), found, A) is online


def nodes(text: str) -> tuple[NodeId, ...]:
    return () if text == "-" else tuple(NodeId(int(each)) for each in text.split(","))


def told(record: PartitionChangeRecord | None) -> str:
    """As kafka_elects.txt shows a record."""
    if record is None:
        return "none"
    isr, elr, known = (
        "null" if each is None else str(list(each))
        for each in (record.isr, record.eligible_leader_replicas, record.last_known_elr)
    )
    return f"isr={isr} leader={record.leader} rs={record.leader_recovery_state} elr={elr} lk={known}"


def test_elections_come_out_as_kafkas() -> None:
    """A sample of 20,000 that were compared."""
    for line in ELECTIONS:
        asked, _, kafkas = line.partition(" | ")
        lists, numbers = asked.split(), asked.split()
        replicas, isr, elr, last_known, wanted, up = (nodes(lists[at]) for at in (0, 1, 2, 3, 6, 7))
        leader, recovery, unclean, min_isr, keeps_elr, level = (int(numbers[at]) for at in (4, 5, 8, 9, 11, 12))
        before = Partition(
            replicas, isr, NodeId(leader), LeaderEpoch(3), 7, (DIR,) * len(replicas), (), (), recovery, elr, last_known
        )
        by = rules(
            *up,
            min_isr=min_isr,
            elr=bool(keeps_elr),
            election=Election[lists[10]],
            unclean=frozenset({NodeId(unclean)}) - {-1},
            bump_on_shrink=level < SHRINK_WITHOUT_EPOCH_SINCE,
        )
        assert told(decide(before, wanted, by)) == kafkas, asked
