"""A consumer group under anything: no two members read a partition at once, and in the end all is shared out evenly."""

from contextlib import suppress
from random import Random

import pytest

from server.groups.consumer.member import Place
from server.groups.consumer.settings import ConsumerSettings
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from tests.unit.server.groups.consumer.worlds import Client, World

GONE = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND)
STEPS = 150


def check(world: World, when: str) -> None:
    """One owner per partition: in what members read, in what the coordinator says that they have, and in the target."""
    group = world.core.groups.get("g")
    if group is None:
        return
    reading = [place for client in world.clients.values() for place in client.owned]
    assert len(reading) == len(set(reading)), f"{when}: read twice: {world.shares()}"
    members = world.group.members.values()
    held = [place for member in members for place in (*member.assigned, *member.revoking)]
    assert len(held) == len(set(held)), when
    assert set(held) == world.group.owners.keys(), when
    targeted = [place for target in world.group.targets.values() for place in target]
    assert len(targeted) == len(set(targeted)), when
    assert all(member.epoch <= world.group.target_epoch <= world.group.epoch for member in members), when


def speak(world: World, client: Client, *, revoke: bool = True) -> None:
    """One heartbeat; who is no member any more gives everything up, and joins anew with the next one."""
    try:
        world.speak(client, revoke=revoke)
    except Rejected as e:
        if e.code not in GONE:
            raise
        client.epoch, client.owned, client.told = 0, frozenset(), frozenset()


def come(world: World, rng: Random) -> None:
    if len(world.clients) < 6:
        world.ids += 1
        topics = [name for name in "tuv" if rng.random() < 0.6]
        regex = "[uv]" if rng.random() < 0.2 else None
        client = Client(f"m{world.ids}", topics=topics, regex=regex, assignor=rng.choice([None, None, "range"]))
        world.clients[client.name] = client


def crash(world: World, rng: Random) -> None:
    """Nobody hears of it until the session is over."""
    if world.clients:
        del world.clients[rng.choice(list(world.clients))]


def leave(world: World, rng: Random) -> None:
    if world.clients:
        client = world.clients.pop(rng.choice(list(world.clients)))
        if client.epoch > 0:
            world.refusal(client.name, -1)


def change_topics(world: World, rng: Random) -> None:
    world.resize(rng.choice("tuv"), rng.randrange(5))


def fail_over(world: World, rng: Random) -> None:
    world.restart()


def lose_an_append(world: World, rng: Random) -> None:
    """The records of a heartbeat are refused; its member hears nothing."""
    if world.clients:
        client = rng.choice(list(world.clients.values()))
        world.refuse = Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        with suppress(Rejected):
            speak(world, client, revoke=False)
        world.refuse = None


def wait(world: World, rng: Random) -> None:
    world.pass_ms(rng.choice([100, 1_000, 20_000]))


def subscribe(world: World, rng: Random) -> None:
    if world.clients:
        rng.choice(list(world.clients.values())).topics = [name for name in "tuv" if rng.random() < 0.6]


def talk(world: World, rng: Random) -> None:
    if world.clients:
        speak(world, rng.choice(list(world.clients.values())), revoke=rng.random() < 0.7)


DEEDS = {
    come: 8,
    crash: 3,
    leave: 3,
    change_topics: 4,
    fail_over: 4,
    lose_an_append: 4,
    wait: 4,
    subscribe: 3,
    talk: 67,
}


@pytest.mark.parametrize("seed", range(150))
def test_a_partition_has_one_owner_at_any_time(seed: int) -> None:
    rng = Random(seed)
    settings = GroupSettings(consumer=ConsumerSettings(assignment_ms=rng.choice([0, 1_000, 5_000])))
    world = World(settings, t=rng.randrange(1, 6), u=rng.randrange(1, 6))
    for number in range(STEPS):
        (deed,) = rng.choices(list(DEEDS), list(DEEDS.values()))
        deed(world, rng)
        check(world, f"seed {seed}, step {number}: after {deed.__name__}")
    for _ in range(90):  # those who crashed are noticed, and all comes to rest
        for client in list(world.clients.values()):
            speak(world, client)
        check(world, f"seed {seed}, at the end")
        world.pass_ms(1_000)
    if world.clients:
        read = {place for client in world.clients.values() for place in client.owned}
        assert (world.group.state_name, read) == ("Stable", subscribed(world)), f"seed {seed}"


def subscribed(world: World) -> set[Place]:
    """What somebody wants to read."""
    return {
        (topic.topic_id, index)
        for name, topic in world.topics.items()
        for client in world.clients.values()
        if name in client.topics or (client.regex is not None and name in "uv")
        for index in topic.partitions
    }
