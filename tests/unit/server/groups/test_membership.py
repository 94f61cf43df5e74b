"""Classic groups: how members come, share, go and come back."""

import pytest

from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from server.wire.messages.sync_group import SyncGroupResponse
from tests.unit.server.groups.worlds import RANGE, World

QUICK = GroupSettings(initial_rebalance_delay_ms=0)
TWO = (("range", b"r"), ("sticky", b"s"))
STICKY_FIRST = (("sticky", b"s"), ("range", b"r"))


def state(world: World) -> str:
    return world.core.described("g", 5).group_state


def code(answer: JoinGroupResponse | SyncGroupResponse | None) -> ErrorCode:
    assert answer is not None
    return ErrorCode(answer.error_code)


def sync_code(world: World, member_id: str, generation: int, **how: str) -> ErrorCode:
    with pytest.raises(Rejected) as caught:
        world.sync("x", member_id, generation, None, **how)
    return caught.value.code


# the first rebalance


def test_a_new_group_waits_for_company_and_its_first_member_leads() -> None:
    """KIP-134: every new member puts the end of the wait off, until the rebalance time-out."""
    world = World()
    a = world.enter("a")
    world.pass_ms(2_000)
    b = world.enter("b")
    world.pass_ms(1_000)
    assert (state(world), world.answer("a")) == ("PreparingRebalance", None)
    world.pass_ms(2_999)
    assert world.answer("a") is None
    world.pass_ms(1)
    members = [JoinGroupResponseMember(a, None, RANGE[0][1]), JoinGroupResponseMember(b, None, RANGE[0][1])]
    assert world.answer("a") == JoinGroupResponse(0, 0, 1, "consumer", "range", a, False, a, members)
    assert world.answer("b") == JoinGroupResponse(0, 0, 1, "consumer", "range", a, False, b, ())
    assert state(world) == "CompletingRebalance"


def test_the_wait_for_company_ends_with_the_rebalance_time_out() -> None:
    world = World()
    world.enter("m0", rebalance_ms=7_000)
    for number in range(1, 8):
        world.pass_ms(999)
        world.enter(f"m{number}", rebalance_ms=7_000)
    assert world.answer("m0") is None
    world.pass_ms(7)
    assert world.answer("m0").generation_id == 1


def test_the_leaders_assignment_reaches_all_and_stands_in_the_log() -> None:
    world = World(QUICK)
    a, b = world.enter("a"), world.enter("b")
    world.pass_ms(1)
    assert world.sync("b syncs", b, 1) is None
    assert state(world) == "CompletingRebalance"
    assert world.sync("a syncs", a, 1, {a: b"1", b: b"2"}) == SyncGroupResponse(0, 0, "consumer", "range", b"1")
    assert world.answer("b syncs") == SyncGroupResponse(0, 0, "consumer", "range", b"2")
    assert state(world) == "Stable"
    world.restart()
    assert state(world) == "Stable"
    assert world.sync("b again", b, 1) == SyncGroupResponse(0, 0, "consumer", "range", b"2")
    assert world.heartbeat(a, 1) is ErrorCode.NONE


def test_an_assignment_that_cannot_be_stored_is_nobodys() -> None:
    world = World(QUICK)
    a, b = world.enter("a"), world.enter("b")
    world.pass_ms(1)
    world.sync("b syncs", b, 1)
    world.refuse = Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    assert sync_code(world, a, 1) is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert str(world.answer("b syncs")) == "COORDINATOR_NOT_AVAILABLE"
    assert state(world) == "CompletingRebalance"
    assert code(world.join("a comes again", a)) is ErrorCode.NONE
    assert world.sync("a syncs", a, 1, {a: b"1", b: b"2"}).assignment == b"1"


def test_members_vote_for_the_protocol_that_all_have() -> None:
    world = World(QUICK)
    world.enter("a", protocols=TWO)
    world.enter("b", protocols=STICKY_FIRST)
    world.enter("c", protocols=(("roundrobin", b""), *STICKY_FIRST))
    refused = world.join("d", protocols=(("roundrobin", b""),), version=3)
    assert code(refused) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert code(world.join("e", protocols=TWO, protocol_type="connect")) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    world.pass_ms(1)
    assert world.answer("a").protocol_name == "sticky"


@pytest.mark.parametrize(("protocol_type", "protocols"), [("", RANGE), ("consumer", ())])
def test_a_group_is_of_some_protocol(protocol_type: str, protocols: tuple[tuple[str, bytes], ...]) -> None:
    world = World()
    answer = world.join("a", protocol_type=protocol_type, protocols=protocols)
    assert code(answer) is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


# who comes later


def test_a_new_member_sets_off_a_rebalance_that_others_learn_of_by_heartbeat() -> None:
    world = World(QUICK)
    a, b = world.stable("a", "b")
    c = world.enter("c")
    assert (world.heartbeat(a, 1), world.heartbeat(b, 1)) == (ErrorCode.REBALANCE_IN_PROGRESS,) * 2
    assert world.join("a", a) is None
    assert sync_code(world, b, 1) is ErrorCode.REBALANCE_IN_PROGRESS
    assert world.answer("a") is None
    assert world.join("b", b) is None
    assert [world.answer(name).generation_id for name in "abc"] == [2, 2, 2]
    assert [len(world.answer(name).members) for name in "abc"] == [3, 0, 0]
    assert world.answer("c").member_id == c


def test_who_does_not_join_within_the_rebalance_time_out_is_out() -> None:
    world = World(QUICK)
    a, b = world.stable("a", "b")
    world.enter("c", session_ms=100_000)
    assert world.join("b", b, session_ms=100_000) is None
    for _ in range(11):
        world.pass_ms(5_000)
        assert world.heartbeat(a, 1) is ErrorCode.REBALANCE_IN_PROGRESS
    world.pass_ms(5_000)
    assert world.answer("b").leader == b, "the leader stayed away, so another one leads"
    assert world.heartbeat(a, 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_that_falls_silent_is_out_and_the_others_share() -> None:
    world = World(QUICK)
    a, b = world.stable("a", "b")
    world.pass_ms(6_000)
    assert world.heartbeat(a, 1) is ErrorCode.NONE
    world.pass_ms(3_999)
    assert state(world) == "Stable"
    world.pass_ms(1)
    assert world.heartbeat(a, 1) is ErrorCode.REBALANCE_IN_PROGRESS
    assert world.heartbeat(b, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.join("a", a) is None or world.answer("a") is not None
    assert [row.member_id for row in world.answer("a").members] == [a]


def test_who_joined_and_never_asks_for_its_assignment_is_out() -> None:
    world = World(QUICK)
    a, b = world.enter("a", session_ms=300_000), world.enter("b", session_ms=300_000)
    world.pass_ms(1)
    world.sync("a syncs", a, 1, {a: b"all"})
    world.pass_ms(60_000)
    assert world.heartbeat(b, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.heartbeat(a, 1) is ErrorCode.REBALANCE_IN_PROGRESS


def test_a_session_lasts_while_its_request_waits() -> None:
    world = World(QUICK)
    a, b = world.enter("a"), world.enter("b")
    world.pass_ms(1)
    world.sync("b syncs", b, 1)
    for _ in range(3):
        world.pass_ms(9_000)
        assert world.heartbeat(a, 1) is ErrorCode.NONE
    world.sync("a syncs", a, 1, {a: b"1", b: b"2"})
    assert world.answer("b syncs").assignment == b"2"
    assert world.heartbeat(b, 1) is ErrorCode.NONE


def test_a_follower_that_joins_again_with_nothing_new_is_told_of_its_generation() -> None:
    world = World(QUICK)
    a, b = world.stable("a", "b")
    assert world.join("b", b) == JoinGroupResponse(0, 0, 1, "consumer", "range", a, False, b, ())
    assert state(world) == "Stable"
    assert world.join("b", b, protocols=(("range", b"other topics"),)) is None
    assert state(world) == "PreparingRebalance"


def test_a_leader_that_joins_again_wants_a_rebalance() -> None:
    world = World(QUICK)
    a, _ = world.stable("a", "b")
    assert world.join("a", a) is None
    assert state(world) == "PreparingRebalance"


# who goes


def test_members_leave_together_and_each_is_answered() -> None:
    world = World(QUICK)
    a, b = world.stable("a", "b")
    pending = world.join("c")
    assert pending is not None
    assert world.leave((b, None), ("nobody", None), (pending.member_id, None), ("", "no such instance")) == [
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]
    assert world.heartbeat(a, 1) is ErrorCode.REBALANCE_IN_PROGRESS
    world.leave((a, None))
    assert state(world) == "Empty"
    world.restart()
    assert state(world) == "Empty"
    assert world.leave((a, None), group="other") == [ErrorCode.UNKNOWN_MEMBER_ID]


def test_a_group_that_was_left_goes_on_counting() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    world.leave((a, None))
    world.restart()
    world.stable("b")
    assert world.answer("b").generation_id == 3


# limits and errors


def test_a_member_id_must_be_one_that_was_given_out() -> None:
    world = World()
    assert code(world.join("a", "made up")) is ErrorCode.UNKNOWN_MEMBER_ID
    world.enter("b")
    assert code(world.join("a", "made up")) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.heartbeat("made up", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert sync_code(world, "made up", 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_old_clients_join_at_once_and_need_no_id() -> None:
    world = World(QUICK)
    assert world.join("a", version=3) is None
    world.pass_ms(1)
    assert world.answer("a").member_id == "c-1"


def test_an_id_that_is_never_used_holds_up_a_rebalance_no_longer_than_its_session() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    world.join("b")
    assert world.join("again", a) is None
    world.pass_ms(9_999)
    assert world.answer("again") is None
    world.pass_ms(1)
    assert world.answer("again").generation_id == 2


def test_generations_and_protocols_must_agree() -> None:
    world = World(QUICK)
    (a,) = world.stable("a")
    assert world.heartbeat(a, 2) is ErrorCode.ILLEGAL_GENERATION
    assert sync_code(world, a, 2) is ErrorCode.ILLEGAL_GENERATION
    assert sync_code(world, a, 1, protocol_type="connect") is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert sync_code(world, a, 1, protocol_name="sticky") is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert world.sync("a", a, 1, protocol_type="consumer", protocol_name="range").assignment == b"a"


def test_a_group_has_room_for_so_many() -> None:
    world = World(GroupSettings(initial_rebalance_delay_ms=0, max_size=2))
    a, _ = world.stable("a", "b")
    assert code(world.join("c")) is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert world.heartbeat(a, 1) is ErrorCode.NONE


def test_a_group_that_is_too_large_for_a_lowered_limit_shrinks() -> None:
    world = World(QUICK)
    ids = world.stable("a", "b", "c")
    world.settings = GroupSettings(initial_rebalance_delay_ms=0, max_size=2)
    world.restart()
    assert state(world) == "PreparingRebalance"
    assert [world.join(name, id_) is None for name, id_ in zip("abc", ids, strict=True)] == [True, True, False]
    assert world.answer("a").generation_id == 2


# static members


def test_a_static_member_that_comes_back_gets_its_assignment_without_a_rebalance() -> None:
    """KIP-345; KIP-814: a leader is told to leave the assignment as it is."""
    world = World(QUICK)
    assert world.join("a", instance="i") is None
    b = world.enter("b")
    world.pass_ms(1)
    old = world.answer("a").member_id
    world.sync("b syncs", b, 1)
    world.sync("a syncs", old, 1, {old: b"1", b: b"2"}, group_instance_id="i")
    back = world.join("a", instance="i")
    assert back is not None
    assert (back.generation_id, back.skip_assignment, back.leader) == (1, True, back.member_id)
    assert len(back.members) == 2
    assert state(world) == "Stable"
    assert world.heartbeat(old, 1, "i") is ErrorCode.FENCED_INSTANCE_ID
    assert world.heartbeat(old, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    world.restart()
    assert world.sync("a", back.member_id, 1, group_instance_id="i").assignment == b"1"
    older = world.join("a", instance="i", version=8)
    assert older is not None
    assert (older.leader, older.members, older.skip_assignment) == (back.member_id, (), False)


def test_a_static_member_replaces_itself_in_a_rebalance() -> None:
    world = World()
    assert world.join("a", instance="i") is None
    assert world.join("b", instance="i") is None
    assert code(world.answer("a")) is ErrorCode.FENCED_INSTANCE_ID
    world.pass_ms(3_000)
    assert world.answer("b").generation_id == 1


def test_a_rebalance_waits_for_no_static_member_and_keeps_it() -> None:
    world = World(QUICK)
    world.join("a", instance="i", session_ms=300_000)
    b = world.enter("b")
    world.pass_ms(1)
    a = world.answer("a").member_id
    world.sync("b syncs", b, 1)
    world.sync("a syncs", a, 1, {}, group_instance_id="i")
    assert world.join("b", b, protocols=(("range", b"other"),)) is None
    world.pass_ms(60_000)
    assert {row.member_id for row in world.answer("b").members} == {a, b}


def test_an_administrator_removes_a_static_member_by_its_name() -> None:
    world = World(QUICK)
    world.join("a", instance="i")
    world.pass_ms(1)
    assert world.leave(("", "i")) == [ErrorCode.NONE]
    assert state(world) == "Empty"


def test_a_static_members_id_goes_with_its_name() -> None:
    world = World(QUICK)
    world.join("a", instance="i")
    world.pass_ms(1)
    answer = world.join("b", "another", instance="i")
    assert answer is not None
    assert (code(answer), answer.protocol_name) == (ErrorCode.FENCED_INSTANCE_ID, None)
    assert code(world.join("b", "another", instance="unknown")) is ErrorCode.UNKNOWN_MEMBER_ID
