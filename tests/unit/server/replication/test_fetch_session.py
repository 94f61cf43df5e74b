"""A fetch session as the fetching side keeps it."""

from uuid import UUID

from server.replication.fetch_session import FetchSession
from server.replication.sessions import Sessions
from server.wire.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic

ONE, TWO = UUID(int=501), UUID(int=502)


def at(partition: int, offset: int) -> FetchPartition:
    return FetchPartition(partition, 3, offset)


def begun(*wanted: tuple[UUID, FetchPartition]) -> FetchSession:
    """A session that its leader took up."""
    session = FetchSession()
    for topic_id, partition in wanted:
        session.want(topic_id, partition)
    session.request()
    assert session.answered(FetchResponse(session_id=77))
    return session


def test_a_session_begins_with_everything() -> None:
    session = FetchSession()
    session.want(ONE, at(0, 5))
    session.want(TWO, at(1, 6))
    session.want(ONE, at(2, 7))
    topics = [FetchTopic("", ONE, [at(0, 5), at(2, 7)]), FetchTopic("", TWO, [at(1, 6)])]
    assert session.request() == (0, 0, topics, [])


def test_then_only_what_changed_is_told() -> None:
    session = begun((ONE, at(0, 5)), (ONE, at(1, 5)), (TWO, at(0, 5)))
    session.want(ONE, at(1, 9))
    session.want(TWO, at(0, 5))
    session.forget((ONE, 0))
    assert session.request() == (77, 1, [FetchTopic("", ONE, [at(1, 9)])], [ForgottenTopic("", ONE, [0])])
    assert session.answered(FetchResponse(session_id=77))
    assert session.request() == (77, 2, [], [])


def test_what_is_forgotten_and_wanted_again_is_told_as_wanted() -> None:
    session = begun((ONE, at(0, 5)), (ONE, at(1, 5)))
    session.forget((ONE, 0))
    session.want(ONE, at(0, 5))
    assert session.request() == (77, 1, [FetchTopic("", ONE, [at(0, 5)])], [])


def test_without_a_session_every_request_is_a_full_one() -> None:
    session = FetchSession()
    session.want(ONE, at(0, 5))
    session.request()
    assert session.answered(FetchResponse(session_id=0))
    assert session.request() == (0, 0, [FetchTopic("", ONE, [at(0, 5)])], [])


def test_after_a_doubt_the_session_begins_anew_and_names_the_old_one() -> None:
    session = begun((ONE, at(0, 5)))
    session.want(ONE, at(0, 6))
    session.request()
    session.reset()
    assert session.request() == (77, 0, [FetchTopic("", ONE, [at(0, 6)])], [])


def test_a_leader_that_does_not_know_the_session_gave_no_answers() -> None:
    session = begun((ONE, at(0, 5)))
    session.request()
    assert not session.answered(FetchResponse(error_code=70))
    assert session.request().session_epoch == 0


def test_an_answer_is_stale_once_another_fetch_is_wanted() -> None:
    session = begun((ONE, at(0, 5)))
    session.request()
    assert session.asked((ONE, 0)) == at(0, 5)
    session.want(ONE, at(0, 9))
    assert session.asked((ONE, 0)) is None
    assert session.asked((TWO, 0)) is None


def test_both_sides_of_a_session_agree_on_what_is_fetched() -> None:
    ours, theirs = FetchSession(), Sessions(10)

    def fetch() -> dict[tuple[UUID, int], int]:
        wanted = ours.request()
        request = FetchRequest(
            session_id=wanted.session_id,
            session_epoch=wanted.session_epoch,
            topics=wanted.topics,
            forgotten_topics_data=wanted.forgotten,
        )
        plan = theirs.plan(request, by_id=True, is_follower=True, now_ms=0, draw=lambda stop: 41)
        assert ours.answered(FetchResponse(session_id=plan.session_id))
        return {(each.topic_id, each.want.partition): each.want.fetch_offset for each in plan.partitions}

    ours.want(ONE, at(0, 1))
    ours.want(TWO, at(0, 2))
    assert fetch() == {(ONE, 0): 1, (TWO, 0): 2}
    ours.want(ONE, at(0, 5))
    assert fetch() == {(ONE, 0): 5, (TWO, 0): 2}
    ours.forget((TWO, 0))
    ours.want(ONE, at(1, 0))
    assert fetch() == {(ONE, 0): 5, (ONE, 1): 0}
