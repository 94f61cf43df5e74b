"""Which partitions are read: those of a topic, or of all topics that match, as they appear in the metadata."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kcli.errors import Failure
from kcli.pipeline.fetcher import TOPIC_AUTHORIZATION_FAILED, Fetcher, Key
from kcli.pipeline.messages import EARLIEST
from kcli.pipeline.network import FOREVER_MS, Network
from kcli.pipeline.producer import INVALID_TOPIC

LOOK_MS = 1_000  # how often a topic is looked for that is not there
NEVER = float("-inf")


class Wanted(NamedTuple):
    """Either `topic` or `include` (which has to match a whole name)."""

    topic: str | None = None
    include: re.Pattern[str] | None = None
    partition: int | None = None  # the only one; None: all
    internal: bool = False  # whether `include` may match internal topics
    create: bool = False  # whether asking for the topic may create it


class Subscription:
    """Hands partitions to `fetcher` as they are found.

    starts  says where to begin with those that are there from the first; what appears later is read from its first
            record, since nobody can have seen any of it, unless `later` says otherwise
    patient whether to wait for a topic that is not there
    """

    def __init__(
        self,
        network: Network,
        fetcher: Fetcher,
        wanted: Wanted,
        starts: Callable[[Sequence[Key]], Mapping[Key, int]],
        later: int = EARLIEST,
        *,
        patient: bool = True,
    ) -> None:
        self._network, self._fetcher, self._wanted = network, fetcher, wanted
        self._starts, self._later, self._patient = starts, later, patient
        self.seen: set[Key] = set()
        self._looked, self._metadata_at = NEVER, NEVER
        self._told = False
        network.want(None if wanted.topic is None else {wanted.topic}, create=wanted.create)

    @property
    def known(self) -> bool:
        """Whether the brokers have said what is there."""
        return self._metadata_at > NEVER

    @property
    def missing(self) -> bool:
        """Whether the topic, or the partition, is not there (yet)."""
        return self._wanted.topic is not None and not self.seen

    @property
    def wait_ms(self) -> float:
        """How long a poll may last before `discover` has something to do."""
        return LOOK_MS if self.missing else FOREVER_MS

    def discover(self) -> None:
        """Begin to read what is there and has not been seen. Raises Failure: a topic that can never be read."""
        network, now = self._network, self._network.now_ms()
        if self.missing and now >= self._looked + LOOK_MS:
            self._looked = now
            network.refresh()
        if network.metadata_at == self._metadata_at:
            return
        first, self._metadata_at = not self.known, network.metadata_at
        new = [key for key in self._found() if key not in self.seen]
        if new:
            self._fetcher.assign(self._starts(new) if first else dict.fromkeys(new, self._later))
            self.seen.update(new)
        if self.missing and not self._told:
            self._told = True
            if not self._patient:
                raise Failure(self._absence())
            network.notice(f"{self._absence()}; waiting for it")

    def _absence(self) -> str:
        """What is not there."""
        view = self._network.topology.topics.get(self._wanted.topic or "")
        if view and view.leaders:
            return (
                f"Topic {self._wanted.topic} has no partition {self._wanted.partition}: its last is {max(view.leaders)}"
            )
        return f"Topic {self._wanted.topic} does not exist"

    def _found(self) -> list[Key]:
        topics, wanted = self._network.topology.topics, self._wanted
        if wanted.topic is None:
            assert wanted.include, "one of the two is given"
            names = [name for name in sorted(topics) if wanted.include.fullmatch(name)]
            names = [name for name in names if wanted.internal or not topics[name].internal]
        else:
            names = [wanted.topic] if wanted.topic in topics else []
            error = topics[wanted.topic].error if names else 0
            if error == INVALID_TOPIC:
                raise Failure(f"Invalid topics: [{wanted.topic}]")
            if error == TOPIC_AUTHORIZATION_FAILED:
                raise Failure(f"Not authorized to access topics: [{wanted.topic}]")
        keys = [(name, index) for name in names for index in sorted(topics[name].leaders)]
        return [key for key in keys if wanted.partition is None or key[1] == wanted.partition]
