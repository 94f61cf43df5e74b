"""Source: KIP-966, part 2, and the module's docstring for what differs."""

from dataclasses import replace
from uuid import UUID

import pytest

from server.metadata import records as r
from server.metadata.controller import recovery
from server.metadata.controller.recovery import Answers, Choice, LogEnd, choose, is_due, is_lost
from server.metadata.image import RECOVERING, Broker, Image, Partition, Topic
from server.model.ids import NO_LEADER, BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId

A, B, C = map(NodeId, (1, 2, 3))
TOPIC, DIR = TopicId(UUID(int=501)), DirectoryId(UUID(int=601))
LOST = Partition((A, B, C), (), NO_LEADER, LeaderEpoch(3), 7, (DIR,) * 3, last_known_elr=(A,))
SHORT, LONG, LATER = LogEnd(2, 10), LogEnd(2, 20), LogEnd(3, 5)


def image(*up: NodeId, partition: Partition = LOST) -> Image:
    brokers = {
        each: Broker(each, BrokerEpoch(40 + each), UUID(int=each), (), (), None, each not in up, False, (DIR,))
        for each in (A, B, C)
    }
    topic = Topic("t", TOPIC, {0: partition})
    return Image(brokers=brokers, topics={"t": topic}, topic_names={TOPIC: "t"})


def test_a_partition_is_lost_when_the_book_names_nobody() -> None:
    assert is_lost(LOST)
    assert not is_lost(replace(LOST, leader=A, isr=(A,)))
    assert not is_lost(replace(LOST, isr=(A,)))
    assert not is_lost(replace(LOST, elr=(B,)))
    assert not is_lost(replace(LOST, replicas=(A,))), "there is nothing to compare"


@pytest.mark.parametrize(
    ("up", "waited_ms", "due"),
    [
        ((A, B, C), None, True),
        ((A, B, C), 0, True),
        ((A, B), 99, False),
        ((A, B), 100, True),
        ((A,), 100, True),
        ((B, C), None, False),
    ],
)
def test_replicas_are_waited_for_till_the_last_known_leader_has_waited_long_enough(
    up: tuple[NodeId, ...], waited_ms: int | None, due: bool
) -> None:
    assert is_due(image(*up), LOST, waited_ms, 100) is due


def test_the_last_known_leader_is_back_when_it_could_lead() -> None:
    assert recovery.leader_is_back(image(A), LOST)
    assert not recovery.leader_is_back(image(B, C), LOST)
    assert not recovery.leader_is_back(image(A), replace(LOST, directories=(DirectoryId(UUID(int=9999)), DIR, DIR)))
    assert not recovery.leader_is_back(image(A, B, C), replace(LOST, last_known_elr=()))


@pytest.mark.parametrize(
    ("ends", "leader"),
    [
        ({A: SHORT, B: LONG, C: SHORT}, B),
        ({A: LONG, B: LATER, C: LONG}, B),
        ({A: LONG, B: LONG, C: LONG}, A),
        ({A: SHORT, B: LONG, C: LONG}, B),
        ({B: SHORT, C: LATER}, C),
        ({A: LogEnd(-1, 0), B: LogEnd(-1, 0)}, A),
    ],
    ids=["longer", "later epoch", "equal: who led last", "equal: first in order", "without the last leader", "empty"],
)
def test_the_longest_log_leads(ends: dict[NodeId, LogEnd], leader: NodeId) -> None:
    assert choose(LOST, Answers(ends), late=False) == leader


def test_an_answer_that_is_missing_is_waited_for_until_it_is_late() -> None:
    told = Answers({A: SHORT}, missing=True)
    assert choose(LOST, told, late=False) is None
    assert choose(LOST, told, late=True) == A
    assert choose(LOST, Answers({}, missing=True), late=True) is None


def test_a_broker_that_does_not_know_the_question_does_not_block_the_election() -> None:
    """Apache Kafka's brokers: as the last known leader they lead, as Kafka has it; else they are not compared."""
    assert choose(LOST, Answers({B: LONG, C: SHORT}, frozenset({A})), late=False) == A
    assert choose(LOST, Answers({A: SHORT, C: LONG}, frozenset({B})), late=False) == C
    assert choose(LOST, Answers({}, frozenset({B, C})), late=True) is None


def test_who_is_chosen_leads_alone_and_recovers() -> None:
    choices = {(TOPIC, 0): Choice(B, BrokerEpoch(42), 7)}
    assert recovery.elect(image(A, B, C), {}, choices).records == (
        r.PartitionChangeRecord(0, TOPIC, (B,), B, leader_recovery_state=RECOVERING, last_known_elr=()),
    )


@pytest.mark.parametrize(
    ("now", "choice"),
    [
        (image(A, C), Choice(B, BrokerEpoch(42), 7)),
        (image(A, B, C), Choice(B, BrokerEpoch(41), 7)),
        (image(A, B, C), Choice(B, BrokerEpoch(42), 6)),
        (image(A, B, C, partition=replace(LOST, leader=C, isr=(C,))), Choice(B, BrokerEpoch(42), 7)),
        (image(A, B, C, partition=replace(LOST, elr=(C,))), Choice(B, BrokerEpoch(42), 7)),
        (Image(), Choice(B, BrokerEpoch(42), 7)),
    ],
    ids=["gone again", "restarted since", "changed since", "has a leader", "somebody is eligible", "deleted"],
)
def test_nobody_is_elected_by_what_is_not_true_any_more(now: Image, choice: Choice) -> None:
    assert recovery.elect(now, {}, {(TOPIC, 0): choice}).records == ()
