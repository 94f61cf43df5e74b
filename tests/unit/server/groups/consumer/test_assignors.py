"""Server-side assignors: everything is given out once, to who subscribes to it; uniform is even and sticky."""

from random import Random
from uuid import UUID

import pytest

from server.groups.consumer.assignors import ASSIGNORS, Assignment, Subscriber, range_, uniform

T, U = UUID(int=1), UUID(int=2)
NOTHING: frozenset[tuple[UUID, int]] = frozenset()


def member(*topics: UUID, before: frozenset[tuple[UUID, int]] = NOTHING, instance: str | None = None) -> Subscriber:
    return Subscriber(instance, frozenset(topics), before)


def shown(given: Assignment) -> dict[str, list[str]]:
    names = {T: "t", U: "u"}
    return {id_: [f"{names[topic]}{index}" for topic, index in sorted(places)] for id_, places in given.items()}


def test_range_gives_each_topic_in_ranges_that_meet() -> None:
    members = {"a": member(T, U), "b": member(T, U)}
    assert shown(range_(members, {T: 3, U: 3})) == {"a": ["t0", "t1", "u0", "u1"], "b": ["t2", "u2"]}


def test_range_puts_static_members_first_by_their_instances() -> None:
    members = {"a": member(T), "z": member(T, instance="1"), "y": member(T, instance="2")}
    assert shown(range_(members, {T: 3})) == {"a": ["t2"], "z": ["t0"], "y": ["t1"]}


def test_uniform_evens_out_over_topics() -> None:
    members = {"a": member(T, U), "b": member(T, U)}
    assert shown(uniform(members, {T: 3, U: 3})) == {"a": ["t0", "t2", "u1"], "b": ["t1", "u0", "u2"]}


def test_uniform_moves_no_more_than_the_newcomers_share() -> None:
    before = uniform({"a": member(T), "b": member(T)}, {T: 6})
    members = {id_: member(T, before=before[id_]) for id_ in "ab"} | {"c": member(T)}
    after = uniform(members, {T: 6})
    assert {id_: len(places) for id_, places in after.items()} == {"a": 2, "b": 2, "c": 2}
    assert after["a"] < before["a"]
    assert after["b"] < before["b"]


def test_uniform_makes_up_for_topics_that_not_all_read() -> None:
    members = {"a": member(T), "b": member(T, U)}
    assert shown(uniform(members, {T: 2, U: 2})) == {"a": ["t0", "t1"], "b": ["u0", "u1"]}


def test_nobody_and_nothing() -> None:
    assert (uniform({}, {}), range_({}, {})) == ({}, {})
    assert uniform({"a": member()}, {}) == {"a": frozenset()}


@pytest.mark.parametrize("name", ASSIGNORS)
@pytest.mark.parametrize("seed", range(60))
def test_everything_is_given_once_to_who_reads_it(name: str, seed: int) -> None:
    rng = Random(seed)
    sizes = {UUID(int=number): rng.randrange(1, 9) for number in range(1, 5)}
    alike = rng.random() < 0.4
    common = frozenset(id_ for id_ in sizes if rng.random() < 0.7)
    members: dict[str, Subscriber] = {}
    for number in range(rng.randrange(1, 6)):
        topics = common if alike else frozenset(id_ for id_ in sizes if rng.random() < 0.6)
        members[f"m{number}"] = Subscriber(None, topics, NOTHING)
    for _ in range(4):
        given = ASSIGNORS[name](members, sizes)
        assert given.keys() == members.keys()
        places = [place for mine in given.values() for place in mine]
        wanted = {(id_, i) for member in members.values() for id_ in member.topics for i in range(sizes[id_])}
        assert len(places) == len(set(places))
        assert set(places) == wanted
        assert all(place[0] in members[id_].topics for id_, mine in given.items() for place in mine)
        if name == "uniform":
            for giver, mine in given.items():
                for taker, others in given.items():
                    movable = any(place[0] in members[taker].topics for place in mine)
                    assert not movable or len(mine) - len(others) <= 1, (seed, giver, taker)
        members = {id_: Subscriber(None, each.topics, given[id_]) for id_, each in members.items()}
        if name == "uniform":
            assert ASSIGNORS[name](members, sizes) == given, "an assignment that is even stays"
        if rng.random() < 0.5 and len(members) > 1:
            members.pop(rng.choice(sorted(members)))
        grown = rng.choice(sorted(sizes))
        sizes[grown] = max(1, sizes[grown] + rng.randrange(-2, 3))
