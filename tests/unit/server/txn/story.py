"""Transactions as text: one line for each thing that happens, and behind `->` what came of it.

    init t                    -> 1000/0
    add t 1000/0 a-0 a-1      -> ok
    commit t 1000/0           -> ok; markers COMMIT 1000/0 for a-0 a-1
    complete t                -> ok
    t                         -> CompleteCommit 1000/0

`commit2`, `abort2` and `add2` are those of a client of transactions v2. `init t after 1000/0` names what the producer
has. `wait MS` passes time; `fire NAME` lets a timer come. `failover` loads a new core from what was written.
"""

from server.model.coordination import Decision, Entry, Now, Producer
from server.model.errors import Rejected
from server.txn import ending, init, joining
from server.txn.core import EXPIRED, OVERDUE, Core
from server.txn.ledger import SendMarkers, Settings
from server.txn.state import TV2, TopicPartition

TIMERS = {"overdue": OVERDUE, "expired": EXPIRED}


class Story:
    def __init__(self, level: int = 2, settings: Settings | None = None) -> None:
        self.level, self.settings = level, settings or Settings()
        self.log: list[Entry] = []
        self.now_ms, self.next_id = 0, 1000
        self.sent: dict[str, SendMarkers] = {}
        self.core = self._core()

    def _core(self) -> Core:
        return Core(self.settings, lambda: self.level)

    @property
    def now(self) -> Now:
        return Now(self.now_ms, self.now_ms)

    def tell(self, text: str) -> None:
        """Play each line, and compare what came of it."""
        for line in text.strip().splitlines():
            does, _, expected = (part.strip() for part in line.partition("->"))
            if does:
                assert self.line(does) == expected, does

    def line(self, does: str) -> str:
        try:
            return self._do(*does.split())
        except Rejected as refused:
            return refused.code.name

    def _do(self, verb: str, *words: str) -> str:
        match verb:
            case "init":
                return self._init(*words)
            case "add" | "add2":
                version = TV2 if verb == "add2" else 0
                where = [_partition(each) for each in words[2:]]
                return self.take(joining.add(self.core, self.now, words[0], _producer(words[1]), where, version))
            case "verify":
                codes = joining.verify(
                    self.core, words[0], _producer(words[1]), [_partition(each) for each in words[2:]]
                )
                return " ".join(code.name for code in codes.values())
            case "commit" | "abort" | "commit2" | "abort2":
                return self._end(verb, *words)
            case "complete":
                sent = self.sent[words[0]]
                return self.take(ending.complete(self.core, self.now, words[0], sent.txn))
            case "wait":
                self.now_ms += int(words[0])
                return ""
            case "fire":
                return self.take(self.core.fired(TIMERS[words[0]], self.now))
            case "failover":
                self.core = self._core()
                for offset, entry in enumerate(self.log):
                    self.core.replay(entry, offset, -1)
                return self.take(self.core.loaded(self.now))
            case "level":
                self.level = int(words[0])
                return ""
            case "epoch":  # as if so many had been given
                txn = self.core.txns[words[0]]
                at = txn.initialized(txn.producer_id, int(words[1]), txn.timeout_ms, self.now_ms)
                return self.take(self.core.moved(words[0], at, None))
        return self._shown(verb)

    def _init(self, transactional_id: str, *words: str) -> str:
        expected = _producer(words[1]) if "after" in words else None
        timeout_ms = int(words[-1]) if "timeout" in words else 60_000
        wanted = init.Wanted(transactional_id, timeout_ms, expected)
        decision = init.init_producer_id(self.core, self.now, wanted)
        if decision.response is None:
            self.next_id += 1
            decision = init.init_producer_id(self.core, self.now, wanted, self.next_id - 1)
        return self.take(decision)

    def _end(self, verb: str, transactional_id: str, producer: str) -> str:
        version = TV2 if verb.endswith("2") else 0
        wanted = ending.Wanted(transactional_id, _producer(producer), verb.startswith("commit"), version)
        decision = ending.end(self.core, self.now, wanted)
        if decision.response is None:
            self.next_id += 1
            decision = ending.end(self.core, self.now, wanted, self.next_id - 1)
        return self.take(decision)

    def take(self, decision: Decision[object]) -> str:
        for entry in decision.records:
            self.log.append(entry)
            self.core.replay(entry, len(self.log), -1)
        response = decision.response
        told = ["ok"]
        if isinstance(response, Producer) and response.id >= 0:
            told = [f"{response.id}/{response.epoch}"]
        elif response is not None and not isinstance(response, Producer):
            told = [getattr(response, "name", str(response))]
        for effect in decision.effects:
            if isinstance(effect, SendMarkers):
                self.sent[effect.transactional_id] = effect
                txn = effect.txn
                where = " ".join(f"{topic}-{index}" for topic, index in sorted(txn.partitions)) or "nothing"
                kind = "COMMIT" if txn.commits else "ABORT"
                told.append(f"markers {kind} {txn.producer_id}/{txn.producer_epoch} for {where}")
        return "; ".join(told)

    def _shown(self, transactional_id: str) -> str:
        txn = self.core.txns.get(transactional_id)
        if txn is None:
            return "unknown"
        where = "".join(f" {topic}-{index}" for topic, index in sorted(txn.partitions))
        return f"{txn.state.label} {txn.producer_id}/{txn.producer_epoch}{where}"


def _producer(text: str) -> Producer:
    id_, _, epoch = text.partition("/")
    return Producer(int(id_), int(epoch))


def _partition(text: str) -> TopicPartition:
    topic, _, index = text.rpartition("-")
    return TopicPartition(topic, int(index))
