"""Disagreements: what the quorum says that does not go with what this node was told, in one line each.

None of them stops the others, and none stops this node, which follows where it can. So each is said once, with what to
do about it, and again only after it was different in between.

Source: KIP-595 (LeaderChangeMessage), KIP-853 (directory ids).
"""

import logging
from collections.abc import Collection

from server.model.ids import NodeId, uuid_text
from server.raft.voters import ReplicaKey, Voter
from server.records import control

logger = logging.getLogger(__name__)


class Disagreements:
    def __init__(self, me: ReplicaKey) -> None:
        self._me = me
        self._said: dict[str, str] = {}  # subject -> what was said of it last
        self._seen: dict[NodeId, tuple[ReplicaKey, ...]] = {}  # the last two that fetched under an id, the latest last

    def led(self, change: control.LeaderChange, configured: Collection[NodeId]) -> None:
        """A leader says who elected it; `configured` are the voters of controller.quorum.voters."""
        theirs = sorted(NodeId(voter.voter_id) for voter in change.voters)
        if theirs == sorted(configured):
            self._said.pop("voters", None)
            return
        self._say(
            "voters",
            f"controller.quorum.voters of node {self._me.id} names {_listed(configured)}, but node {change.leader_id}, "
            f"which leads the quorum, has {_listed(theirs)}: make it the same on all nodes, and restart those that "
            f"were wrong.",
        )

    def voters(self, mine: Voter | None) -> None:
        """`mine`: who votes under this node's id, by what stands in the log."""
        if mine is None or mine.key == self._me:
            self._said.pop("directory", None)
            return
        voter, own = uuid_text(mine.key.directory_id), uuid_text(self._me.directory_id)
        self._say(
            "directory",
            f"The voter {self._me.id} of this quorum has the directory {voter}, and this node has {own}: it "
            f"was formatted anew, and only observes. Make it a voter with `kcli metadata-quorum remove-controller "
            f"--controller-id {self._me.id} --controller-directory-id {voter}` and then add-controller.",
        )

    def fetched(self, replica: ReplicaKey) -> None:
        """A node fetches the metadata log from this one. Two that do so in turn under one id are two."""
        seen = self._seen.get(replica.id, ())
        if seen and seen[-1] == replica:
            return
        if len(seen) > 1 and seen[0] == replica:
            two = " and ".join(sorted(uuid_text(each.directory_id) for each in seen))
            self._say(
                f"twins {replica.id}",
                f"Two nodes say that they are node {replica.id}, with the directories {two}: as a voter the first of "
                f"them counts. Stop one of them; if both are needed, format it anew with a node.id of its own.",
            )
        self._seen[replica.id] = (*seen[-1:], replica)

    def _say(self, subject: str, text: str) -> None:
        if self._said.get(subject) != text:
            self._said[subject] = text
            logger.error("%s", text)


def _listed(ids: Collection[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
