"""The list of planted bugs (tests/sim/mutants.py): where each goes, the world that must see it, and what it costs."""

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    world: str
    file: str
    old: str
    new: str
    why: str  # it loses data
    seed: int = 0  # that caught it last: tried first


PRODUCE, FETCH, OFFSETS = "server/broker/produced.py", "server/broker/fetching.py", "server/handlers/list_offsets.py"
LEADER, FOLLOWER = "server/replication/leader.py", "server/replication/follower.py"
PARTITION, QUORUM, CONTROLLER = "server/broker/partition.py", "server/broker/quorum.py", "server/broker/controller.py"
LOG, FOLDER, PRODUCERS = "server/log/log.py", "server/log/folder.py", "server/log/producers.py"
SNAPSHOTS = "server/log/snapshots.py"
ELECTIONS, ISR = "server/metadata/controller/elections.py", "server/metadata/controller/isr.py"
VOTING, BOOKS, REPLICA = "server/raft/voting.py", "server/raft/leader.py", "server/raft/replica.py"
FOLLOWING = "server/raft/following.py"

MUTANTS = (
    Mutant(
        "acknowledge-before-replication",
        "replicated",
        PRODUCE,
        "elif self.acks == ALL and partition.hw < next_offset:",
        "elif self.acks == ALL and partition.hw < 0:",
        "the leader dies before a follower has the record",
        seed=1,
    ),
    Mutant(
        "acknowledge-what-a-successor-dropped",
        "replicated",
        PRODUCE,
        "elif partition.leader is None or partition.leader_epoch != leader_epoch:",
        "elif False:",
        "a deposed leader answers for records that it has cut off since, or will",
        seed=29,
    ),
    Mutant(
        "hw-ignores-isr-in-flight",
        "replica",
        LEADER,
        "items() if r in self.maximal_isr)",
        "items() if r in self.isr)",
        "the controller has counted in a replica that the high watermark did not wait for",
        seed=1,
    ),
    Mutant(
        "isr-shrinks-before-commit",
        "replica",
        LEADER,
        "return self.isr | (self._proposed or frozenset())",
        "return self._proposed or self.isr",
        "the controller still elects a replica that the high watermark waits for no more",
        seed=3,
    ),
    Mutant(
        "truncate-to-hw",
        "replica",
        PARTITION,
        "            self.log.epochs.truncate_end(self.log.leo)\n",
        "            self.log.truncate_to(self._hw)\n",
        "records above the follower's high watermark may be committed",
    ),
    Mutant(
        "no-diverging-epoch",
        "replica",
        FETCH,
        "if epoch < want.last_fetched_epoch or end < want.fetch_offset:",
        "if False:",
        "a follower keeps what the leader never had",
        seed=3,
    ),
    Mutant(
        "serve-above-hw",
        "replica",
        FETCH,
        "if committed else row.high_watermark",
        "if committed else partition.leo",
        "a consumer reads what a failover takes away",
        seed=1,
    ),
    Mutant(
        "list-offsets-above-hw",
        "replica",
        OFFSETS,
        "if request.isolation_level == READ_COMMITTED else partition.hw",
        "if request.isolation_level == READ_COMMITTED else partition.leo",
        "the end that was told goes back at a failover",
    ),
    Mutant(
        "list-offsets-of-a-new-leader",
        "replica",
        OFFSETS,
        "if leader.epoch_start > end and not leader.caught_up:",
        "if False:",
        "a new leader tells an older high watermark than the last one (KIP-207)",
    ),
    Mutant(
        "sequence-not-checked",
        "replica",
        PRODUCERS,
        "if sequence != (producer.last_sequence + 1) & MAX_SEQUENCE:",
        "if False:",
        "a batch that came twice is written twice",
    ),
    Mutant(
        "producers-forgotten-at-truncation",
        "replica",
        FOLDER,
        "            recovery.replay(self.segments, self.producers, start, self.leo)\n",
        "",
        "a batch that came twice is not known again after a failover",
        seed=4,
    ),
    Mutant(
        "follower-writes-no-epochs",
        "replica",
        LOG,
        "            if latest is None or head.partition_leader_epoch > latest:",
        "            if latest is None:",
        "where logs part is looked for in the wrong epoch",
    ),
    Mutant(
        "stale-answers-are-obeyed",
        "replica",
        FOLLOWER,
        '        """The leader answered a fetch from `asked`."""\n        if asked != self.position:',
        '        """The leader answered a fetch from `asked`."""\n        if False:',
        "a late diverging epoch cuts off what came since",
    ),
    Mutant(
        "elect-from-outside-the-isr",
        "replica",
        ELECTIONS,
        "if each in candidates and rules.acceptable(each)",
        "if rules.acceptable(each)",
        "a replica that lags leads, and the others follow it down",
    ),
    Mutant(
        "unclean-stop-stays-eligible",
        "replica",
        ELECTIONS,
        "candidates = {*before.elr, *before.isr} - {*isr} - rules.unclean",
        "candidates = {*before.elr, *before.isr} - {*isr}",
        "a broker that lost its page cache is elected as if it had all",
        seed=7,
    ),
    Mutant(
        "hw-ignores-min-isr",
        "replica",
        LEADER,
        "        if self.below_min_isr:\n            return ()",
        "        if False:\n            return ()",
        "what one replica alone has is read, and an eligible one is elected without it",
        seed=12,
    ),
    Mutant(
        "isr-grows-early",
        "replica",
        LEADER,
        "offset >= max(self.hw, self.epoch_start)",
        "offset >= self.hw",
        "a new leader's high watermark is old: who has that much may lack what is committed",
    ),
    Mutant(
        "fetch-of-a-former-life-counts",
        "replica",
        LEADER,
        "(broker_epoch == -1 or broker_epoch >= follower.broker_epoch)",
        "True",
        "the high watermark rests on records that a power cut has taken since",
        seed=2,
    ),
    Mutant(
        "isr-takes-a-former-life",
        "replica",
        ISR,
        "broker.active and epoch in (ANY_EPOCH, broker.epoch)",
        "broker.active",
        "a replica is counted in for what it had before it lost power",
        seed=1,
    ),
    Mutant(
        "isr-of-an-old-state-accepted",
        "replica",
        ISR,
        "if row.partition_epoch < known.partition_epoch:",
        "if False:",
        "a proposal that comes twice takes in who has been dropped, and lags, since",
        seed=2,
    ),
    Mutant(
        "leader-epoch-not-compared",
        "replica",
        PARTITION,
        "if current_leader_epoch != ANY_EPOCH and current_leader_epoch != self.leader_epoch:",
        "if False:",
        "a fetch of an older epoch counts, though its sender has cut its log off since",
        seed=1,
    ),
    Mutant(
        "producers-outlive-truncation",
        "replica",
        SNAPSHOTS,
        "    producers.clear()\n    return None",
        "    return None",
        "a batch that was cut off is taken for written when it comes again",
        seed=30,
    ),
    Mutant(
        "vote-not-persisted",
        "raft",
        REPLICA,
        "            self.state = state\n            self.emit(Persist(state))",
        "            self.state = state",
        "after a restart a voter votes again in the same epoch",
    ),
    Mutant(
        "vote-for-a-shorter-log",
        "raft",
        VOTING,
        "        return up_to_date\n",
        "        return True\n",
        "the leader lacks what is committed",
        seed=2,
    ),
    Mutant(
        "commit-by-counting-old-epochs",
        "raft",
        BOOKS,
        "return offset if offset > self.start_offset else -1",
        "return offset",
        "another leader may still replace entries of older epochs",
    ),
    Mutant(
        "apply-uncommitted-metadata",
        "raft",
        FOLLOWING,
        "        hw = min(response.high_watermark, log.end_offset)\n",
        "        hw = log.end_offset\n",
        "a follower shows metadata that is then replaced",
        seed=7,
    ),
    Mutant(
        "controller-answers-before-commit",
        "quorum",
        CONTROLLER,
        "        await self._settled()\n        return decision.response",
        "        return decision.response",
        "a topic that was promised goes with the controller that promised it",
        seed=3,
    ),
    Mutant(
        "raft-leader-counts-unsynced",
        "quorum",
        QUORUM,
        "            paths = [self.log.segments.active.log_path]\n",
        "            paths = []\n",
        "a power cut takes what a majority had only in memory",
        seed=7,
    ),
    Mutant(
        "raft-follower-counts-unsynced",
        "raft",
        FOLLOWING,
        "not self._replica.stopping and log.flushed >= log.end_offset",
        "not self._replica.stopping",
        "a power cut takes what a majority had only in memory",
    ),
)
