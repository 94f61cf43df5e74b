"""Any order of requests, from any producers, with failovers: what must hold all the same.

- An outcome that was decided is never turned around, and is the one that markers are sent for.
- Who was shut out changes nothing any more.
- No two producers are given the same id and epoch, unless the one repeats what it asked.
- A new core that replays the log stands where the old one stood.
"""

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from server.model.coordination import Decision, Producer
from server.model.errors import Rejected
from server.txn import ending, init, joining
from server.txn.ledger import SendMarkers
from server.txn.state import LAST_EPOCH, PREPARED, TV2, State, TopicPartition, Txn
from tests.unit.server.txn.story import Story

IDS = st.sampled_from(["t", "u"])
WHERE = st.frozensets(st.builds(TopicPartition, st.just("a"), st.integers(0, 2)), min_size=1)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.story = Story(level=2)
        self.given: dict[str, list[Producer]] = {"t": [], "u": []}  # in the order in which clients got them
        self.decided: dict[tuple[str, Producer], bool] = {}  # id and the epoch of its markers -> commit?

    @initialize(level=st.sampled_from([0, 2]), near_the_end=st.booleans())
    def begin(self, level: int, near_the_end: bool) -> None:
        self.story.level = level
        if near_the_end:
            self._init("t")
            self.story.tell(f"epoch t {LAST_EPOCH - 1} -> ok")
            self.given["t"].append(Producer(1000, LAST_EPOCH - 1))

    # what clients do

    @rule(id_=IDS)
    def starts(self, id_: str) -> None:
        got = self._init(id_)
        if got is not None:
            assert got not in self.given[id_], "two producers with the same epoch"
            self.given[id_].append(got)

    @rule(id_=IDS, draw=st.randoms(use_true_random=False))
    def goes_on(self, id_: str, draw: object) -> None:
        named = self._someone(id_, draw)
        latest = self.given[id_][-1:] == [named]
        got = self._init(id_, named)
        if got is not None and named is not None and got not in self.given[id_]:
            assert latest or self._was_aborted(id_, named), "who was shut out came back"
            self.given[id_].append(got)

    @rule(id_=IDS, where=WHERE, version=st.sampled_from([0, TV2]), draw=st.randoms(use_true_random=False))
    def adds(self, id_: str, where: frozenset[TopicPartition], version: int, draw: object) -> None:
        producer = self._someone(id_, draw)
        if producer is None:
            return
        before = self.txn(id_)
        done = self.attempt(lambda: joining.add(self.story.core, self.story.now, id_, producer, where, version))
        if done is not None:
            assert before is not None
            assert before.state not in PREPARED
            assert (before.producer_id, before.producer_epoch) == producer, "who was shut out added a partition"

    @rule(id_=IDS, commit=st.booleans(), version=st.sampled_from([0, TV2]), draw=st.randoms(use_true_random=False))
    def ends(self, id_: str, commit: bool, version: int, draw: object) -> None:
        producer = self._someone(id_, draw)
        if producer is None:
            return
        before = self.txn(id_)
        wanted = ending.Wanted(id_, producer, commit, version)
        done = self.attempt(lambda: ending.end(self.story.core, self.story.now, wanted, self._fresh()))
        if done is None:
            return
        assert before is not None
        if done.records:
            assert (before.producer_id, before.producer_epoch) == producer, "who was shut out ended a transaction"
            assert not commit or before.state is State.ONGOING, "nothing was committed"
        if version >= TV2 and isinstance(done.response, Producer) and done.response not in self.given[id_]:
            self.given[id_].append(done.response)

    # what the coordinator does

    @precondition(lambda self: self.story.sent)
    @rule(draw=st.randoms(use_true_random=False))
    def completes(self, draw: object) -> None:
        """An old one may come as well."""
        id_ = draw.choice(sorted(self.story.sent))  # type: ignore[attr-defined]
        sent = self.story.sent[id_]
        before = self.txn(id_)
        self.take(ending.complete(self.story.core, self.story.now, id_, sent.txn))
        after = self.txn(id_)
        if after != before:
            assert before == sent.txn
            assert after is not None
            assert after.state is (State.COMPLETE_COMMIT if sent.txn.commits else State.COMPLETE_ABORT)

    @rule()
    def looks_for_overdue_ones(self) -> None:
        self.story.now_ms += 61_000
        self.story.line("fire overdue")
        self._note_sent()
        assert all(
            txn.state is not State.ONGOING or txn.started_ms + 60_000 >= self.story.now_ms for txn in self.txns()
        )

    @rule()
    def fails_over(self) -> None:
        before = dict(self.story.core.txns)
        self.story.line("failover")
        self._note_sent()
        assert self.story.core.txns == before
        assert {id_ for id_, txn in before.items() if txn.state in PREPARED} <= set(self.story.sent)

    # what holds

    @invariant()
    def the_highest_epoch_is_no_clients(self) -> None:
        assert all(
            producer.epoch <= LAST_EPOCH or self.story.level == 2 for all_ in self.given.values() for producer in all_
        )

    # how

    def txn(self, id_: str) -> Txn | None:
        return self.story.core.txns.get(id_)

    def txns(self) -> list[Txn]:
        return list(self.story.core.txns.values())

    def take(self, decision: Decision[object]) -> None:
        self.story.take(decision)
        self._note_sent(*(each for each in decision.effects if isinstance(each, SendMarkers)))

    def _note_sent(self, *new: SendMarkers) -> None:
        for sent in new or tuple(self.story.sent.values()):
            key = sent.transactional_id, Producer(sent.txn.producer_id, sent.txn.producer_epoch)
            if sent.txn.version >= TV2:  # an epoch is one transaction's
                assert self.decided.setdefault(key, sent.txn.commits) == sent.txn.commits, (
                    "two outcomes of one transaction"
                )

    def attempt(self, decide: Callable[[], Decision[object]]) -> Decision[object] | None:
        try:
            decision = decide()
        except Rejected:
            return None
        self.take(decision)
        return decision

    def _fresh(self) -> int:
        self.story.next_id += 1
        return self.story.next_id

    def _init(self, id_: str, named: Producer | None = None) -> Producer | None:
        wanted = init.Wanted(id_, 60_000, named)
        done = self.attempt(lambda: init.init_producer_id(self.story.core, self.story.now, wanted, self._fresh()))
        return done.response if done is not None and isinstance(done.response, Producer) else None

    def _someone(self, id_: str, draw: object) -> Producer | None:
        """The latest producer most of the time."""
        known = self.given[id_]
        if not known:
            return None
        return known[-1] if draw.random() < 0.6 else draw.choice(known)  # type: ignore[attr-defined]

    def _was_aborted(self, id_: str, named: Producer) -> bool:
        """Only the coordinator was between: it aborted what took too long, and the producer was the latest."""
        return self.given[id_][-1] == named or self.story.level == 2


TestTransactions = Machine.TestCase
TestTransactions.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
