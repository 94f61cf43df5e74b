"""A plan is carried out a batch at a time: never more than asked, to the end, and nothing twice."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kcli.model import Partition, Reassignment, Topic
from kcli.model.layout import Replicas
from kcli.model.moves import DirStatus, Plan, Progress, Target, TopicPartition
from kcli.plan import applying
from kcli.plan.applying import NOT_THERE, PATIENCE_MS, Look, Pace, State, Step, step

A, B, C = ("t", 0), ("t", 1), ("t", 2)
TARGETS = (Target(*A, (1, 4)), Target(*B, (2, 4)), Target(*C, (4,)))
REPLICAS: dict[TopicPartition, Replicas] = {A: (1, 3), B: (2, 3), C: (3,)}
SIZES = {A: 10, B: 20, C: 5}
STATE = State(TARGETS, SIZES)
REPLICA_LISTS = st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True).map(tuple)


def submitted(told: Step) -> list[TopicPartition]:
    return [target.key for target in told.submit]


class Cluster:
    """What is asked of it, it does at some time; `rng` says when."""

    def __init__(self, replicas: dict[TopicPartition, Replicas], rng: Random) -> None:
        self.replicas, self.going, self.rng = dict(replicas), dict[TopicPartition, Replicas](), rng

    def look(self) -> Look:
        for key in [*self.going]:
            if self.rng.random() < 0.4:
                self.replicas[key] = self.going.pop(key)
        return Look(dict(self.replicas), dict(self.going))


@given(
    st.lists(st.tuples(REPLICA_LISTS, REPLICA_LISTS, st.integers(0, 50)), min_size=1, max_size=12),
    st.integers(1, 5),
    st.none() | st.integers(1, 100),
    st.integers(0, 1 << 32),
)
def test_never_more_than_asked_to_the_end_and_nothing_twice(
    rows: list[tuple[Replicas, Replicas, int]], batch_size: int, most: int | None, seed: int
) -> None:
    keys = [("t", index) for index in range(len(rows))]
    rng = Random(seed)
    cluster = Cluster({key: row[0] for key, row in zip(keys, rows, strict=True)}, rng)
    targets = tuple(Target(*key, row[1]) for key, row in zip(keys, rows, strict=True))
    sizes = {key: row[2] for key, row in zip(keys, rows, strict=True)}
    pace = Pace(batch_size, most)
    state, asked = State(targets, sizes), set[TopicPartition]()
    for now_ms in range(1000):
        if rng.random() < 0.1:  # the client is killed, and another one goes on
            state = State(targets, sizes)
        look = cluster.look()
        told = step(state, look, pace, now_ms)
        assert {*told.done}.isdisjoint(told.moving)
        if told.ended:
            break
        assert asked.isdisjoint(submitted(told)), "asked for twice"
        asked |= {*submitted(told)}
        cost = sum(applying.cost(one, cluster.replicas[one.key], sizes) for one in told.submit)
        cluster.going |= {target.key: target.replicas for target in told.submit}
        assert len(cluster.going) <= batch_size
        assert most is None or cost <= most or len(told.submit) == 1
        state = told.state.submitted(submitted(told), {})
    else:
        raise AssertionError("it does not end")
    assert cluster.replicas == {key: row[1] for key, row in zip(keys, rows, strict=True)}
    assert asked == {key for key, row in zip(keys, rows, strict=True) if row[0] != row[1]}
    again = step(State(targets, sizes), cluster.look(), pace, 0)
    assert (again.ended, again.submit, {*again.done}) == (True, (), {*keys})


def test_a_batch_ends_where_bytes_or_partitions_are_enough() -> None:
    look = Look(REPLICAS)
    assert submitted(step(STATE, look, Pace(2), 0)) == [A, B]
    assert submitted(step(STATE, look, Pace(9, 29), 0)) == [A]
    assert submitted(step(STATE, look, Pace(9, 30), 0)) == [A, B]
    assert submitted(step(STATE, look, Pace(9, 1), 0)) == [A], "alone, however large"


def test_nothing_more_begins_while_something_moves() -> None:
    told = step(STATE, Look({**REPLICAS, A: (1, 4)}, {B: (2, 4)}), Pace(1), 0)
    assert (told.done, told.moving, told.submit, told.ended) == ((A,), (B,), (), False)


def test_a_move_to_elsewhere_is_turned_first() -> None:
    assert submitted(step(STATE, Look(REPLICAS, {C: (2,)}), Pace(1), 0)) == [C]


def test_what_is_neither_there_nor_on_its_way_is_given_up_after_a_while() -> None:
    state = STATE.submitted([A], {B: "no", C: "no"})
    first = step(state, Look(REPLICAS), Pace(), 100)
    assert (first.moving, first.ended) == ((A,), False)
    seen = step(first.state, Look(REPLICAS, {A: (1, 4)}), Pace(), 100 + PATIENCE_MS)
    assert seen.moving == (A,)
    late = step(seen.state, Look(REPLICAS), Pace(), 200 + PATIENCE_MS)
    assert (late.moving, late.state.failed) == ((A,), {B: "no", C: "no"})
    last = step(late.state, Look(REPLICAS), Pace(), 200 + 2 * PATIENCE_MS)
    assert (last.ended, last.state.failed) == (True, {A: NOT_THERE, B: "no", C: "no"})


def test_it_stops_when_others_lag_at_two_looks() -> None:
    other = ("other", 0)
    lagging = Look(REPLICAS, {}, frozenset({other, A}))
    first = step(STATE, lagging, Pace(), 0)
    assert (first.trouble, len(first.submit)) == ((), 3)
    assert step(first.state, lagging, Pace(), 1).trouble == (other,)
    assert step(first.state, lagging, Pace(), 1).submit == ()
    assert step(first.state, lagging, Pace(abort=False), 1).trouble == ()
    assert step(step(first.state, Look(REPLICAS), Pace(), 1).state, lagging, Pace(), 2).trouble == ()


def test_who_lagged_before_counts_when_it_has_been_well_in_between() -> None:
    lagging = Look(REPLICAS, {}, frozenset({("other", 0)}))
    state = STATE._replace(known=lagging.lagging)
    for look, trouble in (
        (lagging, ()),
        (lagging, ()),
        (Look(REPLICAS), ()),
        (lagging, ()),
        (lagging, (("other", 0),)),
    ):
        told = step(state, look, Pace(), 0)
        assert told.trouble == trouble
        state = told.state


def test_directories_count() -> None:
    there = {target.key: target.replicas for target in TARGETS}
    told = step(STATE, Look(there, shifting=frozenset({A}), astray=frozenset({B})), Pace(), 0)
    assert (told.moving, told.done, told.ended) == ((A,), (C,), False)
    assert submitted(step(STATE, Look(there, astray=frozenset({B})), Pace(), 0)) == [B]


def test_a_look_tells_what_moves_from_what_lags() -> None:
    rows = (
        Partition(0, 1, (1, 4, 3), (1, 3)),
        Partition(1, 2, (2, 3), (2,)),
        Partition(2, 3, (3,), (3,)),
    )
    look = applying.look_of(
        [Topic("t", "id", rows)],
        [Reassignment("t", 0, (1, 4, 3), (4,), (3,))],
        [DirStatus("t", 1, 2, "/b", True, "/a", "/b"), DirStatus("t", 2, 3, "/b", True, "/a", None)],
    )
    assert look == Look(REPLICAS, {A: (1, 4)}, frozenset({B}), frozenset({B}), frozenset({C}))


def test_moves_that_cross_a_plan() -> None:
    plan = Plan(TARGETS, None, {A: (1, 3), B: (2, 3)})
    going = {A: (1, 4), B: (2, 3), C: (2,), ("other", 0): (1,)}
    assert applying.astride(plan, Look(REPLICAS, going)) == [(C, (4,), (2,))]


def test_only_leaders_that_the_plan_changed_are_elected() -> None:
    rows = (
        Partition(0, 4, (1, 4), (1, 4)),  # led first before
        Partition(1, 4, (2, 4), (2, 4)),
        Partition(2, 4, (4,), (4,)),
        Partition(3, 5, (6, 5), (5,)),  # not in sync
    )
    plan = (*TARGETS, Target("t", 3, (6, 5)))
    before = {A: (1, 3), B: (3, 2), C: (3,), ("t", 3): (5,)}
    assert applying.to_elect(plan, before, [Topic("t", "id", rows)]) == [B]


def test_the_end_is_foreseen_by_what_this_process_has_copied() -> None:
    assert applying.progress(1, 3, 600, 1000, 100, 2000) == Progress(1, 3, 600, 1000, 50, 8)
    assert applying.progress(1, 3, 600, 1000, 0, 2000) == Progress(1, 3, 600, 1000, None, None)
    assert applying.progress(3, 3, 1100, 1000, 1, 0) == Progress(3, 3, 1000, 1000, None, 0)
