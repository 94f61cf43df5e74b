"""Fetch sessions (KIP-227): what the broker remembers, and what it need not say again."""

from itertools import count
from typing import Any
from uuid import UUID

import pytest

from server.model.errors import ErrorCode, Rejected
from server.replication import sessions
from server.replication.sessions import EVICTABLE_AFTER_MS, Plan, Sessions
from server.wire.messages.fetch import (
    EpochEndOffset,
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
)

ID = UUID(int=77)


class Client:
    """A client of `Sessions`, with what each of its requests has to repeat."""

    def __init__(self, sessions: Sessions, *, by_id: bool = False, follower: bool = False) -> None:
        self.sessions, self.by_id, self.follower = sessions, by_id, follower
        self.session, self.epoch, self.now_ms = 0, 0, 0
        self.draws = count()

    def ask(self, *wanted: tuple[str, int], offset: int = 0, forget: tuple[tuple[str, int], ...] = ()) -> Plan:
        request = FetchRequest(
            session_id=self.session,
            session_epoch=self.epoch,
            topics=[FetchTopic(t, ID, [FetchPartition(p, fetch_offset=offset)]) for t, p in wanted],
            forgotten_topics_data=[ForgottenTopic(t, ID, [p]) for t, p in forget],
        )
        plan = self.sessions.plan(
            request, by_id=self.by_id, is_follower=self.follower, now_ms=self.now_ms, draw=lambda n: next(self.draws)
        )
        self.session = plan.session_id
        self.epoch = self.epoch + 1 if self.session else 0
        return plan

    def begin(self, *wanted: tuple[str, int]) -> "Client":
        plan = self.ask(*wanted)
        plan.changed([row(p) for _, p in asked(plan)])
        return self


def row(index: int = 0, **fields: Any) -> PartitionData:
    known: dict[str, Any] = {"high_watermark": 5, "log_start_offset": 0, "records": b""}
    return PartitionData(index, **(known | fields))


def asked(plan: Plan) -> list[tuple[str, int]]:
    return [(each.topic, each.want.partition) for each in plan.partitions]


def told(plan: Plan, *rows: PartitionData) -> list[tuple[str, int]]:
    return [(tracked.topic, tracked.want.partition) for tracked, _ in plan.changed(rows)]


def code(client: Client, *wanted: tuple[str, int]) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        client.ask(*wanted)
    return caught.value.code


def test_a_full_request_opens_a_session_and_is_answered_in_full() -> None:
    client = Client(Sessions(10))
    plan = client.ask(("a", 0), ("b", 1))
    assert plan.session_id == 1
    assert told(plan, row(0), row(1)) == [("a", 0), ("b", 1)]


def test_an_incremental_request_reads_all_and_tells_what_changed() -> None:
    client = Client(Sessions(10)).begin(("a", 0), ("b", 1), ("c", 2))
    plan = client.ask()
    assert asked(plan) == [("a", 0), ("b", 1), ("c", 2)]
    assert told(plan, row(0), row(1, records=b"x"), row(2)) == [("b", 1)]


@pytest.mark.parametrize(
    "news",
    [
        {"high_watermark": 6},
        {"log_start_offset": 1},
        {"error_code": 3},
        {"records": b"x"},
        {"preferred_read_replica": 2},
    ],
)
def test_what_is_news(news: dict[str, Any]) -> None:
    client = Client(Sessions(10)).begin(("a", 0))
    assert told(client.ask(), row(**news)) == [("a", 0)]


def test_what_was_told_is_no_news_again() -> None:
    client = Client(Sessions(10)).begin(("a", 0))
    told(client.ask(), row(high_watermark=6))
    assert told(client.ask(), row(high_watermark=6)) == []


def test_an_error_is_told_each_time_and_so_is_its_end() -> None:
    client = Client(Sessions(10)).begin(("a", 0))
    for _ in range(2):
        assert told(client.ask(), row(error_code=6)) == [("a", 0)]
    assert told(client.ask(), row()) == [("a", 0)]
    assert told(client.ask(), row()) == []


def test_what_came_with_a_diverging_epoch_is_told_again() -> None:
    """The follower cuts its log and heeds nothing else, as the high watermark. `make sim SEED=10 WORLD=replicated`."""
    client = Client(Sessions(10), follower=True).begin(("a", 0))
    assert told(client.ask(), row(high_watermark=7, diverging_epoch=EpochEndOffset(1, 7))) == [("a", 0)]
    assert told(client.ask(), row(high_watermark=7)) == [("a", 0)]
    assert told(client.ask(), row(high_watermark=7)) == []


def test_a_follower_may_not_have_heard_what_it_was_told_of_a_partition_that_it_lists_again() -> None:
    """The answer came when it wanted something else already. `make sim SEED=254 WORLD=reassign`."""
    client = Client(Sessions(10), follower=True).begin(("a", 0), ("b", 1))
    assert told(client.ask(), row(0, high_watermark=7), row(1, high_watermark=7)) == [("a", 0), ("b", 1)]
    assert told(client.ask(("a", 0)), row(0, high_watermark=7), row(1, high_watermark=7)) == [("a", 0)]
    assert told(client.ask(), row(0, high_watermark=7), row(1, high_watermark=7)) == []


def test_a_request_changes_adds_and_forgets_partitions() -> None:
    client = Client(Sessions(10)).begin(("a", 0), ("b", 1))
    plan = client.ask(("a", 0), ("c", 2), offset=9, forget=(("b", 1),))
    assert asked(plan) == [("a", 0), ("c", 2)]
    assert [each.want.fetch_offset for each in plan.partitions] == [9, 9]


def test_a_partition_that_gave_records_goes_behind_the_others() -> None:
    """KIP-227: so that each gets its turn when answers are full."""
    client = Client(Sessions(10)).begin(("a", 0), ("b", 1), ("c", 2))
    told(client.ask(), row(0, records=b"x"), row(1), row(2))
    assert asked(client.ask()) == [("b", 1), ("c", 2), ("a", 0)]


def test_a_session_that_nobody_knows() -> None:
    client = Client(Sessions(10))
    client.session, client.epoch = 5, 3
    assert code(client) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_request_out_of_turn_is_refused_and_changes_nothing() -> None:
    client = Client(Sessions(10)).begin(("a", 0))
    client.epoch = 2
    assert code(client, ("b", 1)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    client.epoch = 1
    assert asked(client.ask()) == [("a", 0)]


def test_a_request_cannot_be_repeated() -> None:
    client = Client(Sessions(10)).begin(("a", 0))
    client.ask()
    client.epoch = 1
    assert code(client) == ErrorCode.INVALID_FETCH_SESSION_EPOCH


def test_epochs_wrap_to_1() -> None:
    client = Client(Sessions(10)).begin(("a", 0))
    session = client.ask().session
    assert session is not None
    session.epoch = client.epoch = 2**31 - 1
    client.ask()
    client.epoch = 1
    assert asked(client.ask()) == [("a", 0)]


def test_a_session_by_name_is_not_one_by_id() -> None:
    """KIP-516: names and ids cannot be mixed in one session."""
    client = Client(Sessions(10)).begin(("a", 0))
    client.by_id = True
    assert code(client) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_a_session_by_id_keeps_ids() -> None:
    client = Client(Sessions(10), by_id=True).begin(("", 0))
    plan = client.ask(("", 0), offset=4)
    assert [(each.topic_id, each.want.fetch_offset) for each in plan.partitions] == [(ID, 4)]
    client.ask(("", 1), forget=(("", 0),))
    assert asked(client.ask()) == [("", 1)]


def test_a_full_request_ends_the_session_that_it_names() -> None:
    everyone = Sessions(10)
    client = Client(everyone).begin(("a", 0))
    client.epoch = 0
    assert client.ask(("a", 0)).session_id == 2
    assert len(everyone) == 1


def test_a_last_request_ends_the_session_and_is_answered_in_full() -> None:
    everyone = Sessions(10)
    client = Client(everyone).begin(("a", 0))
    client.epoch = -1
    plan = client.ask(("a", 0))
    assert (plan.session_id, told(plan, row()), len(everyone)) == (0, [("a", 0)], 0)


def test_forgetting_the_last_partition_ends_the_session() -> None:
    everyone = Sessions(10)
    client = Client(everyone).begin(("a", 0))
    plan = client.ask(forget=(("a", 0),))
    assert (asked(plan), plan.session_id, len(everyone)) == ([], 0, 0)


def test_without_a_slot_there_is_no_session() -> None:
    everyone = Sessions(1)
    Client(everyone).begin(("a", 0))
    second = Client(everyone)
    plan = second.ask(("b", 0))
    assert (plan.session_id, told(plan, row())) == (0, [("b", 0)])
    assert Client(Sessions(0)).ask(("a", 0)).session_id == 0


def test_a_session_that_nobody_uses_makes_room() -> None:
    everyone = Sessions(1)
    Client(everyone).begin(("a", 0), ("a", 1))
    late = Client(everyone)
    late.draws = count(100)
    late.now_ms = EVICTABLE_AFTER_MS + 1
    assert late.ask(("b", 0)).session_id == 101
    assert len(everyone) == 1


def test_a_used_session_makes_room_for_a_larger_one_once_it_is_old() -> None:
    everyone = Sessions(1)
    old = Client(everyone).begin(("a", 0))
    old.now_ms = EVICTABLE_AFTER_MS
    old.ask()
    late = Client(everyone)
    late.draws, late.now_ms = count(100), EVICTABLE_AFTER_MS + 1
    assert late.ask(("b", 0)).session_id == 0
    assert late.ask(("b", 0), ("b", 1)).session_id == 101


def test_a_follower_pushes_out_a_consumer_and_not_the_other_way_round() -> None:
    everyone = Sessions(1)
    Client(everyone).begin(("a", 0), ("a", 1))
    follower = Client(everyone, follower=True)
    follower.draws = count(100)
    assert follower.ask(("a", 0)).session_id == 101
    consumer = Client(everyone)
    consumer.now_ms = EVICTABLE_AFTER_MS - 1
    assert consumer.ask(("a", 0), ("a", 1)).session_id == 0


def test_ids_are_not_drawn_twice() -> None:
    everyone = Sessions(10)
    Client(everyone).begin(("a", 0))
    second = Client(everyone)
    second.draws = count()
    assert second.ask(("a", 0)).session_id == 2


def test_a_session_has_no_more_partitions_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_PARTITIONS", 2)
    everyone = Sessions(10)
    assert Client(everyone).ask(("a", 0), ("a", 1), ("a", 2)).session_id == 0
    client = Client(everyone).begin(("a", 0), ("a", 1))
    plan = client.ask(("a", 2))
    assert (len(plan.partitions), plan.session_id, len(everyone)) == (3, 0, 0)
