"""Source: KIP-183, KIP-460, KIP-966; the words are those of Apache Kafka 4.3.1."""

import pytest

from server.metadata.controller.elect_leaders import elect
from server.metadata.image import RECOVERING, Image
from server.metadata.records import PartitionChangeRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER
from server.wire.messages.elect_leaders import ElectLeadersRequest, PartitionResult, TopicPartitions
from tests.unit.server.metadata.controller.partitioned import NAME, ONE, TWO, ZERO, changed, image, partition

PREFERRED, UNCLEAN = 0, 1
NOT_NEEDED = (ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
NO_PREFERRED = (ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available.")
NOBODY = (ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "Eligible topic partition leaders are not available.")
DONE = (ErrorCode.NONE, None)

Rows = list[tuple[str, list[PartitionResult]]]


def asked(
    before: Image, type_: int, *named: tuple[str, list[int]], every: bool = False
) -> tuple[list[PartitionChangeRecord], Rows]:
    wanted = None if every else [TopicPartitions(topic, indexes) for topic, indexes in named]
    decision = elect(before, {}, ElectLeadersRequest(type_, wanted))
    rows = [(each.topic, list(each.partition_result)) for each in decision.response.replica_election_results]
    return [record for record in decision.records if isinstance(record, PartitionChangeRecord)], rows


def one(before: Image, type_: int) -> tuple[list[PartitionChangeRecord], tuple[int, str | None]]:
    records, rows = asked(before, type_, (NAME, [0]))
    ((_, (row,)),) = rows
    return records, (row.error_code, row.error_message)


def test_the_first_replica_leads_again() -> None:
    before = image(partition((ZERO, ONE, TWO), leader=ONE))
    assert one(before, PREFERRED) == ([changed(leader=ZERO)], DONE)


def test_who_leads_already_is_not_elected() -> None:
    before = image(partition((ZERO, ONE, TWO)))
    assert one(before, PREFERRED) == ([], NOT_NEEDED)
    assert one(before, UNCLEAN) == ([], NOT_NEEDED)


def test_an_unclean_election_is_for_partitions_that_nobody_leads() -> None:
    assert one(image(partition((ZERO, ONE, TWO), leader=ONE)), UNCLEAN) == ([], NOT_NEEDED)


def test_the_first_replica_leads_only_when_it_is_in_sync_and_up() -> None:
    out_of_sync = image(partition((ZERO, ONE, TWO), (ONE, TWO)))
    down = image(partition((ZERO, ONE, TWO), (ONE, TWO)), down=[ZERO])
    assert one(out_of_sync, PREFERRED) == ([], NO_PREFERRED)
    assert one(down, PREFERRED) == ([], NO_PREFERRED)


def test_an_unclean_election_takes_whoever_is_left() -> None:
    before = image(partition((ZERO, ONE), (), leader=NO_LEADER, eligible_leader_replicas=(ZERO,)), down=[ZERO])
    records, answer = one(before, UNCLEAN)
    assert answer == DONE
    assert records == [changed(isr=(ONE,), leader=ONE, leader_recovery_state=RECOVERING, eligible_leader_replicas=())]


def test_an_unclean_election_prefers_who_lost_nothing() -> None:
    before = image(partition((ZERO, ONE, TWO), (), leader=NO_LEADER, eligible_leader_replicas=(TWO,)))
    records, answer = one(before, UNCLEAN)
    assert (answer, records) == (DONE, [changed(isr=(TWO,), leader=TWO, eligible_leader_replicas=())])


def test_an_unclean_election_without_anybody_fails() -> None:
    before = image(partition((ZERO, ONE), (), leader=NO_LEADER, eligible_leader_replicas=(ZERO,)), down=[ZERO, ONE])
    assert one(before, UNCLEAN) == ([], NOBODY)


def test_a_preferred_election_gives_a_leader_where_an_eligible_one_is_back() -> None:
    """Kafka: any change counts as done, even if the first replica is still away."""
    before = image(partition((ZERO, ONE), (), leader=NO_LEADER, eligible_leader_replicas=(ONE,)), down=[ZERO])
    assert one(before, PREFERRED)[1] == DONE


def test_a_topic_that_allows_unclean_elections_gets_none_by_a_preferred_one() -> None:
    before = image(
        partition((ZERO, ONE), (ZERO,), leader=NO_LEADER),
        down=[ZERO],
        elr=False,
        configs={"unclean.leader.election.enable": "true"},
    )
    assert one(before, PREFERRED) == ([], NO_PREFERRED)


def test_what_is_not_there_is_named() -> None:
    before = image(partition((ZERO, ONE)))
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert asked(before, PREFERRED, ("absent", [0]), (NAME, [9])) == (
        [],
        [
            ("absent", [PartitionResult(0, unknown, "No such topic as absent")]),
            (NAME, [PartitionResult(9, unknown, f"No such partition as {NAME}-9")]),
        ],
    )


def test_for_all_partitions_the_answer_leaves_out_what_needs_no_election() -> None:
    before = image(
        partition((ZERO, ONE)), partition((ZERO, ONE), leader=ONE), partition((TWO, ONE), (ONE,)), partition((ONE, TWO))
    )
    assert asked(before, PREFERRED, every=True) == (
        [changed(1, leader=ZERO)],
        [(NAME, [PartitionResult(1, *DONE), PartitionResult(2, *NO_PREFERRED)])],
    )


def test_a_topic_without_elections_is_in_the_answer_without_rows() -> None:
    assert asked(image(partition((ZERO, ONE))), PREFERRED, every=True) == ([], [(NAME, [])])


def test_a_partition_that_is_named_twice_is_elected_once() -> None:
    before = image(partition((ZERO, ONE), leader=ONE))
    assert asked(before, PREFERRED, (NAME, [0, 0])) == (
        [changed(leader=ZERO)],
        [(NAME, [PartitionResult(0, *DONE), PartitionResult(0, *DONE)])],
    )


def test_an_unknown_type_of_election_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        asked(image(), 7, (NAME, [0]))
    assert (caught.value.code, caught.value.message) == (ErrorCode.INVALID_REQUEST, "Unknown election type 7")


def test_too_many_elections_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.metadata.controller.elect_leaders.MAX_RECORDS_A_REQUEST", 1)
    before = image(partition((ZERO, ONE), leader=ONE), partition((ZERO, ONE), leader=ONE))
    with pytest.raises(Rejected) as caught:
        asked(before, PREFERRED, every=True)
    assert caught.value.code == ErrorCode.POLICY_VIOLATION
