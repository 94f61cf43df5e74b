"""What a leader has asked coordinators: who waits for an answer, and who may not overtake."""

import pytest

from server.log.producers import Origin, ProducerStates
from server.log.verifications import MAX_QUESTIONS, Verifications
from server.model.errors import ErrorCode, Rejected
from server.records import batch, build
from server.records.batch import Header, Record


def head(sequence: int, *, epoch: int = 0, transactional: bool = True) -> Header:
    options = {"producer_id": 7, "producer_epoch": epoch, "base_sequence": sequence, "transactional": transactional}
    return batch.header(build.build([Record(0, 0, None, b"x")], **options))  # type: ignore[arg-type]


def refused(states: ProducerStates, what: Header) -> bool:
    try:
        states.check_waiting(what)
    except Rejected as e:
        return e.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    return False


def test_a_batch_may_not_overtake_one_that_waits() -> None:
    states = ProducerStates()
    states.verifications.ask(7, 0, 5)
    assert [refused(states, head(sequence)) for sequence in (4, 5, 6)] == [False, False, True]
    states.verifications.ask(7, 0, 3)
    assert [refused(states, head(sequence)) for sequence in (3, 4)] == [False, True]
    assert not refused(states, head(9, transactional=False))


def test_a_transaction_of_v2_begins_with_its_first_batch() -> None:
    states = ProducerStates()
    states.verifications.ask(7, 0, 2, starts_at_zero=True)
    assert refused(states, head(2))


def test_the_first_batch_and_a_marker_end_the_question() -> None:
    states = ProducerStates()
    asked = states.verifications.ask(7, 0, 0)
    assert states.verified(7, 0, asked)
    states.update(head(0), 0)
    assert states.verifications.asked(7) is None
    assert states.verified(7, 0, None)  # its transaction is open
    with pytest.raises(Rejected):
        states.verified(7, -1, None)


def test_an_answer_to_a_former_question_counts_no_longer() -> None:
    states = ProducerStates()
    asked = states.verifications.ask(7, 0, 0)
    states.verifications.end(7)
    again = states.verifications.ask(7, 0, 0)
    assert not states.verified(7, 0, asked)
    assert states.verified(7, 0, again)


def test_questions_are_limited() -> None:
    verifications = Verifications()
    for producer_id in range(MAX_QUESTIONS + 1):
        verifications.ask(producer_id, 0, 0)
    assert len(verifications) == MAX_QUESTIONS
    assert verifications.asked(0) is None


def test_a_repeated_batch_is_no_overtaking() -> None:
    states = ProducerStates()
    states.update(head(0), 0)
    states.update(head(1), 1)
    states.verifications.ask(7, 0, 0)
    assert not refused(states, head(1))
    assert states.check(head(1), Origin.CLIENT, never_written=False) is not None
