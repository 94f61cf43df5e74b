"""Any order of joins, syncs, leaves, commits, deaths, pauses and failovers leaves a group that makes sense."""

from hypothesis import given, settings
from hypothesis import strategies as st

from server.groups.classic import ClassicGroup, State
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from tests.unit.server.groups.worlds import World

NAMES = ("a", "b", "c")
DEEDS = ("join", "sync", "leave", "beat", "die", "commit", "static")
ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["join", "sync", "leave", "beat", "die", "commit", "static"]), st.sampled_from(NAMES)
        ),
        st.tuples(st.just("pass"), st.sampled_from([1, 500, 3_000, 11_000, 61_000])),
        st.tuples(st.sampled_from(["restart", "refuse"]), st.just("")),
    ),
    max_size=60,
)


class Life:
    """Three clients of one group, each with what it believes of itself."""

    def __init__(self) -> None:
        self.world = World(GroupSettings(initial_rebalance_delay_ms=500))
        self.ids = dict.fromkeys(NAMES, "")
        self.generations = dict.fromkeys(NAMES, -1)
        self.instances: dict[str, str | None] = dict.fromkeys(NAMES)
        self.owners: dict[int, set[str]] = {}
        self.acknowledged = -1
        self.offset = 0

    def act(self, what: str, who: str | int) -> None:
        if what == "pass":
            self.world.pass_ms(int(who))
        elif what == "restart":
            self.world.restart()
        elif what == "refuse":
            self.world.refuse = Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        else:
            try:
                getattr(self, what)(str(who))
            except Rejected as e:
                if e.code is ErrorCode.UNKNOWN_MEMBER_ID:
                    self.ids[str(who)] = ""
        self.read_answers()

    def join(self, name: str) -> None:
        answer = self.world.join(name, self.ids[name], instance=self.instances[name])
        if answer is not None:
            self.joined(name, answer)

    def joined(self, name: str, answer: object) -> None:
        code = getattr(answer, "error_code", None)
        if code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.ids[name] = answer.member_id  # type: ignore[attr-defined]
            self.generations[name] = answer.generation_id  # type: ignore[attr-defined]
        elif code is not None:
            self.ids[name] = ""

    def static(self, name: str) -> None:
        self.instances[name], self.ids[name] = f"i-{name}", ""

    def sync(self, name: str) -> None:
        given = {member: f"{name}-{member}".encode() for member in self.ids.values() if member}
        answer = self.world.sync(
            f"{name} syncs", self.ids[name], self.generations[name], given, group_instance_id=self.instances[name]
        )
        if answer is not None:
            self.assigned(self.generations[name], answer)

    def assigned(self, generation: int, answer: object) -> None:
        """All assignments of a generation come from one leader."""
        assignment = getattr(answer, "assignment", b"")
        if assignment:
            self.owners.setdefault(generation, set()).add(assignment.split(b"-")[0].decode())

    def leave(self, name: str) -> None:
        self.world.leave((self.ids[name], self.instances[name]))
        self.ids[name] = ""

    def die(self, name: str) -> None:
        self.ids[name], self.generations[name] = "", -1

    def beat(self, name: str) -> None:
        self.world.heartbeat(self.ids[name], self.generations[name], self.instances[name])

    def commit(self, name: str) -> None:
        self.offset += 1
        try:
            code = self.world.commit(self.offset, self.ids[name], self.generations[name], instance=self.instances[name])
        except Rejected:
            return
        if code is ErrorCode.NONE:
            self.acknowledged = self.offset

    def read_answers(self) -> None:
        for name in NAMES:
            if name in self.world.names and (answer := self.world.answers.pop(self.world.names[name], None)):
                self.joined(name, answer)
            waiting = f"{name} syncs"
            if waiting in self.world.names and (answer := self.world.answers.pop(self.world.names[waiting], None)):
                self.assigned(self.generations[name], answer)

    def check(self) -> None:
        assert self.world.committed() == self.acknowledged, "what was acknowledged last is what is committed"
        assert all(len(leaders) == 1 for leaders in self.owners.values()), self.owners
        group = self.world.core.groups.get("g")
        if group is None:
            return
        assert isinstance(group, ClassicGroup)
        assert (group.state is State.EMPTY) <= (not group.members)
        assert group.leader is None or not group.members or group.leader in group.members
        assert set(group.static.values()) <= set(group.members)
        assert all(group.members[id_].instance_id == name for name, id_ in group.static.items())
        assert group.unsynced <= set(group.members)
        assert group.pending.isdisjoint(group.members)
        for member in group.members.values():
            held = member.joining or member.syncing or ("session", "g", member.member_id) in self.world.timers
            assert held, f"nothing would ever end {member}"
        if group.state in (State.PREPARING, State.COMPLETING) and group.members:
            timers = {key[0] for key in self.world.timers if isinstance(key, tuple)}
            assert timers & {"join", "sync", "session"}, "nothing would ever end this rebalance"


@settings(max_examples=150, deadline=None)
@given(ACTS)
def test_a_group_makes_sense_after_anything(acts: list[tuple[str, str | int]]) -> None:
    life = Life()
    for what, who in acts:
        life.act(what, who)
        life.check()


@settings(max_examples=40, deadline=None)
@given(ACTS)
def test_members_that_are_well_come_to_share(acts: list[tuple[str, str | int]]) -> None:
    """Whatever was before: clients that do what they are told are a stable group in the end."""
    life = Life()
    for what, who in acts:
        life.act(what, who)
    life.world.refuse = None
    for _ in range(400):
        group = life.world.core.groups.get("g")
        if (
            isinstance(group, ClassicGroup)
            and group.state is State.STABLE
            and set(group.members) == set(life.ids.values())
        ):
            return
        for name in NAMES:
            step(life, name)
        life.world.pass_ms(500)
    raise AssertionError(f"not shared: {life.ids}, {life.generations}")


def step(life: Life, name: str) -> None:
    """What a client does next: wait, join, or sync and heartbeat."""
    world = life.world
    waiting = [world.names[key] for key in (name, f"{name} syncs") if key in world.names]
    group = world.core.groups.get("g")
    if isinstance(group, ClassicGroup) and any(
        m.joining in waiting or m.syncing in waiting for m in group.members.values()
    ):
        return
    if life.generations[name] < 0:
        life.act("join", name)
        return
    code = world.heartbeat(life.ids[name], life.generations[name], life.instances[name])
    if code is ErrorCode.NONE:
        life.act("sync", name)
    else:
        if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            life.ids[name] = ""
        life.generations[name] = -1
