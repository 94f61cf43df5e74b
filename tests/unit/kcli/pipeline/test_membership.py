"""The state machine of a group's member: what it asks for, in which order, after every answer."""

import pytest

from kcli.errors import Failure
from kcli.pipeline.membership import (
    Assign,
    Beat,
    Commit,
    Effect,
    Fail,
    Find,
    Join,
    Learn,
    Leave,
    Member,
    Phase,
    Restore,
    Revoke,
    Sync,
    Tell,
)
from kcli.pipeline.membership_messages import Joined, Standing, assignment, subscription
from kcli.pipeline.messages import EARLIEST, LATEST
from kcli.pipeline.settings import GroupSettings

SETTINGS = GroupSettings("g", reset="earliest")
T0, T1 = ("t", 0), ("t", 1)
ME = Standing("me", 1)
NODE = 7


def joining(settings: GroupSettings = SETTINGS) -> Member:
    """A member whose first JoinGroup is under way."""
    member = Member(settings, ["t"])
    assert member.ticked(0) == [Find()]
    assert member.found(0, 0, NODE) == [Join("", ("t",))]
    return member


def stable(settings: GroupSettings = SETTINGS, *held: tuple[str, int]) -> Member:
    """A member that reads its partitions from offset 10; the time is 0."""
    member, keys = joining(settings), held or (T0,)
    assert member.joined(0, Joined(0, ME, False, ())) == [Sync(ME, {})]
    assert member.synced(0, 0, assignment(keys)) == [Restore(tuple(keys))]
    assert member.restored(0, 0, dict.fromkeys(keys, 10)) == [Assign(dict.fromkeys(keys, 10))]
    return member


def test_a_member_id_is_taken_and_the_group_joined_with_it() -> None:
    member = joining()
    assert member.joined(0, Joined(79, Standing("me", -1), False, ())) == [Join("me", ("t",))]


def test_the_leader_assigns_when_it_knows_the_partitions() -> None:
    member = joining()
    members = (("me", None, subscription(["t"])), ("you", None, subscription(["t", "u"])))
    assert member.joined(0, Joined(0, ME, True, members)) == [Learn(frozenset({"t", "u"}))]
    assert member.ticked(100) == []
    expected = {"me": assignment([("t", 0)]), "you": assignment([("t", 1), ("u", 0)])}
    assert member.learnt(100, {"t": 2, "u": 1}) == [Sync(ME, expected)]


@pytest.mark.parametrize(("reset", "start"), [("earliest", EARLIEST), ("latest", LATEST)])
def test_a_partition_without_an_offset_begins_as_the_setting_says(reset: str, start: int) -> None:
    member = joining(SETTINGS._replace(reset=reset))
    member.joined(0, Joined(0, ME, False, ()))
    member.synced(0, 0, assignment([T0, T1]))
    assert member.restored(0, 0, {T0: 5, T1: -1}) == [Assign({T0: 5, T1: start})]


def test_no_offset_and_no_reset_is_a_failure() -> None:
    member = joining(SETTINGS._replace(reset="none"))
    member.joined(0, Joined(0, ME, False, ()))
    member.synced(0, 0, assignment([T0]))
    (effect,) = member.restored(0, 0, {T0: -1})
    assert isinstance(effect, Fail)
    assert effect.failure.message == "The group has no offsets of t-0, and auto.offset.reset is none"


def test_nothing_assigned_is_no_reason_to_ask_for_offsets() -> None:
    member = joining()
    member.joined(0, Joined(0, ME, False, ()))
    assert member.synced(0, 0, b"") == [Assign({})]
    assert member.phase is Phase.STABLE


def test_it_beats_in_its_interval_and_commits_in_another() -> None:
    member = stable()
    member.read({T0: 12})
    seen: list[tuple[float, Effect]] = []
    for _ in range(5):
        now = member.next_ms
        for effect in member.ticked(now):
            seen.append((now, effect))
            if isinstance(effect, Beat):
                member.beaten(now, 0)
            if isinstance(effect, Commit):
                member.committed(now, dict.fromkeys(effect.offsets, 0), effect.offsets)
    beats = [now for now, effect in seen if effect == Beat(ME)]
    assert beats == [3000, 6000, 9000]
    assert [row for row in seen if row[1] != Beat(ME)] == [(5000, Commit(ME, {T0: 12}))]


def test_what_is_committed_is_not_committed_again() -> None:
    member = stable()
    member.read({T0: 10})
    assert member.uncommitted == {}


def test_offsets_of_partitions_that_are_not_held_are_not_committed() -> None:
    member = stable()
    member.read({T0: 12, T1: 3})
    assert member.uncommitted == {T0: 12}


def test_a_rebalance_commits_gives_up_and_joins_in_this_order() -> None:
    member = stable()
    member.read({T0: 12})
    assert member.beaten(3000, 27) == [Commit(ME, {T0: 12}), Beat(ME)]
    assert member.committed(3001, {T0: 0}, {T0: 12}) == [Revoke(frozenset({T0})), Join("me", ("t",))]
    assert member.held == frozenset()


def test_a_rebalance_during_a_commit_waits_for_its_answer_and_commits_the_rest() -> None:
    member = stable()
    member.read({T0: 12})
    assert Commit(ME, {T0: 12}) in member.ticked(5000)
    member.read({T0: 15})
    assert member.beaten(5001, 27) == []
    assert member.committed(5002, {T0: 0}, {T0: 12}) == [Commit(ME, {T0: 15})]


def test_without_auto_commit_nothing_is_ever_committed() -> None:
    member = stable(SETTINGS._replace(auto_commit=False))
    member.read({T0: 12})
    assert member.beaten(3000, 27) == [Revoke(frozenset({T0})), Join("me", ("t",))]


@pytest.mark.parametrize(("error", "name"), [(22, "me"), (25, "")])
def test_one_that_was_expelled_gives_up_without_a_commit(error: int, name: str) -> None:
    member = stable()
    member.read({T0: 12})
    told = Tell("The group g has gone on without this member; joining it again")
    turn = member.turn
    assert member.beaten(3000, error) == [told, Revoke(frozenset({T0})), Join(name, ("t",))]
    assert member.turn > turn


@pytest.mark.parametrize("error", [15, 16])
def test_a_coordinator_that_moved_is_looked_for_and_the_partitions_are_kept(error: int) -> None:
    member = stable()
    member.read({T0: 12})
    assert member.beaten(6000, error) == []
    assert member.ticked(6000) == []
    assert member.next_ms == 6100
    assert member.ticked(6100) == [Find()]
    assert member.found(6101, 0, 8) == [Commit(ME, {T0: 12}), Beat(ME)]
    assert member.held == {T0}


def test_a_commit_that_is_lost_on_the_way_to_a_rebalance_is_repeated() -> None:
    member = stable()
    member.read({T0: 12})
    member.beaten(3000, 27)
    assert member.lost(3001) == []
    assert member.ticked(3101) == [Find()]
    assert Commit(ME, {T0: 12}) in member.found(3102, 0, NODE)


def test_a_leader_that_assigns_goes_on_to_when_its_coordinator_is_lost() -> None:
    member = joining()
    member.joined(0, Joined(0, ME, True, (("me", None, subscription(["t"])),)))
    member.lost(1)
    assert member.learnt(200, {"t": 1}) == [Find()]
    assert member.found(201, 0, NODE) == [Sync(ME, {"me": assignment([T0])})]


@pytest.mark.parametrize("error", [7, 14])
def test_a_coordinator_that_is_not_ready_is_asked_again(error: int) -> None:
    member = joining()
    assert member.joined(0, Joined(error, Standing(), False, ())) == []
    assert member.ticked(99) == []
    assert member.ticked(100) == [Join("", ("t",))]


@pytest.mark.parametrize("error", [23, 24, 26, 30, 81, 82])
def test_what_no_repetition_mends_is_a_failure(error: int) -> None:
    (effect,) = joining().joined(0, Joined(error, Standing(), False, ()))
    assert isinstance(effect, Fail)
    assert isinstance(effect.failure, Failure)


def test_leaving_commits_first() -> None:
    member = stable()
    member.read({T0: 12})
    assert member.leave(10) == [Commit(ME, {T0: 12})]
    assert member.committed(11, {T0: 0}, {T0: 12}) == [Leave(ME)]
    assert member.left(12, 0) == []
    assert member.gone
    assert member.ticked(99_999) == []


def test_leaving_goes_on_when_the_offsets_belong_to_another_member() -> None:
    member = stable()
    member.read({T0: 12})
    member.leave(10)
    told, left = member.committed(11, {T0: 25}, {T0: 12})
    assert isinstance(told, Tell)
    assert left == Leave(ME)


def test_a_static_member_commits_and_does_not_leave() -> None:
    member = stable(SETTINGS._replace(instance="i"))
    member.read({T0: 12})
    assert member.leave(10) == [Commit(ME, {T0: 12})]
    assert member.committed(11, {T0: 0}, {T0: 12}) == []
    assert member.gone


def test_one_that_never_joined_has_nothing_to_leave() -> None:
    member = joining()
    assert member.leave(10) == []
    assert member.gone


def test_a_deleted_topic_does_not_keep_a_commit_from_ending() -> None:
    member = stable(SETTINGS, T0, T1)
    member.read({T0: 12, T1: 12})
    member.beaten(3000, 27)
    assert member.committed(3001, {T0: 0, T1: 3}, {T0: 12, T1: 12})[0] == Revoke(frozenset({T0, T1}))


def test_topics_that_appear_are_joined_for() -> None:
    member = stable()
    assert member.topics_are(100, ["t"], {"t": 1}) == []
    assert member.topics_are(100, ["t", "u"], {"t": 1, "u": 1}) == [Revoke(frozenset({T0})), Join("me", ("t", "u"))]


def test_the_leader_assigns_anew_when_a_topic_grows() -> None:
    member = joining()
    member.joined(0, Joined(0, ME, True, (("me", None, subscription(["t"])),)))
    member.learnt(0, {"t": 1})
    member.synced(0, 0, assignment([T0]))
    member.restored(0, 0, {T0: 10})
    assert member.topics_are(100, ["t"], {"t": 1}) == []
    assert member.topics_are(100, ["t"], {"t": 2}) == [Revoke(frozenset({T0})), Join("me", ("t",))]
