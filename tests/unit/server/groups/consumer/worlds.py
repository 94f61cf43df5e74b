"""Consumer groups in virtual time: members that behave as the clients do, and topics that come, grow and go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from server.groups.consumer.group import ConsumerGroup
from server.groups.consumer.heartbeat import Caller
from server.groups.consumer.member import Place, by_topic
from server.groups.core import GroupCore
from server.groups.settings import GroupSettings
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from tests.unit.server.groups import worlds


@dataclass
class Topic:
    topic_id: UUID
    partitions: dict[int, None]


def topic_id(name: str) -> UUID:
    return UUID(bytes=name.encode().rjust(16, b"\0"))


@dataclass
class Client:
    """owned: what it reads; told: what it has been told to read. `done` is to be said to the coordinator."""

    name: str
    epoch: int = 0
    owned: frozenset[Place] = frozenset()
    told: frozenset[Place] = frozenset()
    instance: str | None = None
    topics: Sequence[str] = ("t",)
    regex: str | None = None
    assignor: str | None = None


class World(worlds.World):
    def __init__(self, settings: GroupSettings | None = None, **topics: int) -> None:
        self.topics: dict[str, Topic] = {}
        for name, count in topics.items():
            self.topics[name] = Topic(topic_id(name), dict.fromkeys(range(count)))
        self.clients: dict[str, Client] = {}
        super().__init__(settings)

    def make_core(self) -> GroupCore:
        return GroupCore(self.settings, lambda: self.topics)

    @property
    def group(self) -> ConsumerGroup:
        group = self.core.groups["g"]
        assert isinstance(group, ConsumerGroup)
        return group

    def resize(self, name: str, count: int) -> None:
        """A topic comes, grows, or (0) goes."""
        self.topics.pop(name, None)
        if count:
            self.topics[name] = Topic(topic_id(name), dict.fromkeys(range(count)))
        self.take(self.core.topics_changed([name], self.now))

    # requests

    def beat(self, member_id: str, epoch: int, **fields: Any) -> ConsumerGroupHeartbeatResponse:
        request = ConsumerGroupHeartbeatRequest("g", member_id, epoch, **fields)
        return self.take(self.core.consumer_heartbeat(request, Caller("c", "/1.2.3.4", "made"), self.now))

    def refusal(self, member_id: str, epoch: int, **fields: Any) -> ErrorCode:
        try:
            self.beat(member_id, epoch, **fields)
        except Rejected as e:
            return e.code
        return ErrorCode.NONE

    # clients

    def come(self, name: str, **how: Any) -> Client:
        client = self.clients[name] = Client(name, **how)
        self.speak(client)
        return client

    def speak(self, client: Client, *, revoke: bool = True) -> None:
        """One heartbeat. revoke: what it no longer has is given up at once, and said in the next one."""
        joining = client.epoch == 0
        request = {
            "instance_id": client.instance,
            "rebalance_timeout_ms": 60_000,
            "subscribed_topic_names": list(client.topics),
            "subscribed_topic_regex": client.regex,
            "server_assignor": client.assignor,
            "topic_partitions": [] if joining else [TopicPartitions(*row) for row in by_topic(client.owned).items()],
        }
        if joining:
            client.owned = client.told = frozenset()
        answer = self.beat(client.name, client.epoch, **request)
        client.epoch = answer.member_epoch
        if answer.assignment is not None:
            rows = answer.assignment.topic_partitions
            client.told = frozenset((row.topic_id, index) for row in rows for index in row.partitions)
        if revoke:
            client.owned = client.told
        else:
            client.owned |= client.told

    def settle(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            for client in list(self.clients.values()):
                self.speak(client)
            self.pass_ms(1_000)

    def shares(self) -> dict[str, list[str]]:
        """What each client reads, as `t0`."""
        return {
            name: [f"{id_.bytes.lstrip(bytes(1)).decode()}{index}" for id_, index in sorted(client.owned)]
            for name, client in sorted(self.clients.items())
        }
