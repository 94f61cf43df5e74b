"""The administrator of a simulated world: makes and deletes topics, and knows what was acknowledged."""

import asyncio
from dataclasses import dataclass, field

from server.model.errors import ErrorCode
from server.model.ids import ZERO_UUID, TopicId
from server.wire.messages import create_topics, delete_topics, metadata
from tests.sim.actors import LATER, Scene
from tests.sim.client import CREATE_TOPICS, DELETE_TOPICS, METADATA, Broken, Client

RETRIED = LATER | {ErrorCode.NOT_CONTROLLER}
EXISTS, GONE = ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


@dataclass
class Admin:
    """`there` and `gone`: topics whose making or deletion was acknowledged last. What had no answer is in neither."""

    scene: Scene
    there: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    topic_ids: dict[str, TopicId] = field(default_factory=dict)
    _number: int = 0

    def __post_init__(self) -> None:
        self._client: Client = self.scene.new_client()
        self._client.use_newest(METADATA)  # which tells topic ids

    async def run(self) -> None:
        rng = self.scene.rng
        while not self.scene.stopping:
            await asyncio.sleep(rng.uniform(0.2, 3))
            extra = sorted(name for name in self.there if name.startswith("extra"))
            if extra and rng.random() < 0.4:
                await self.delete(rng.choice(extra))
            else:
                self._number += 1
                await self.create(f"extra{self._number}", rng.randint(1, 3), {})

    async def create(self, name: str, partitions: int, config: dict[str, str]) -> None:
        """Ask until there is an answer; a topic that exists on a later try was made by an earlier one."""
        rows = [create_topics.CreatableTopicConfig(key, value) for key, value in config.items()]
        topic = create_topics.CreatableTopic(name, partitions, 1, configs=rows)
        await self._insist(CREATE_TOPICS, create_topics.CreateTopicsRequest([topic], timeout_ms=5000), EXISTS)
        self.there[name] = partitions

    async def delete(self, name: str) -> None:
        del self.there[name]
        request = delete_topics.DeleteTopicsRequest([name], [delete_topics.DeleteTopicState(name)], 5000)
        await self._insist(DELETE_TOPICS, request, GONE)
        self.gone.add(name)

    async def _insist(
        self,
        api_key: int,
        request: create_topics.CreateTopicsRequest | delete_topics.DeleteTopicsRequest,
        done_before: ErrorCode,
    ) -> None:
        tries = 0
        while True:
            tries += 1
            try:
                answer = await self._client.call(api_key, request)
            except Broken:
                await self.scene.pause()
                continue
            rows = answer.topics if isinstance(request, create_topics.CreateTopicsRequest) else answer.responses
            code = ErrorCode(rows[0].error_code)
            if code == ErrorCode.NONE or (code == done_before and tries > 1):
                return
            assert code in RETRIED, f"{request} was told {code.name}"
            await self.scene.pause()

    async def look(self) -> dict[str, int]:
        """All topics, with how many of their partitions have a leader. Remembers their ids."""
        while True:
            try:
                answer = await self._client.call(METADATA, metadata.MetadataRequest(topics=None))
            except Broken:
                await self.scene.pause()
                continue
            for topic in answer.topics:
                if topic.topic_id != ZERO_UUID:
                    self.topic_ids[topic.name] = TopicId(topic.topic_id)
            return {topic.name: sum(row.leader_id >= 0 for row in topic.partitions) for topic in answer.topics}

    async def verify(self) -> list[str]:
        """What is not as it was acknowledged."""
        found = await self.look()
        wrong = [
            f"{name} has {found.get(name, 0)} of {n} partitions"
            for name, n in self.there.items()
            if found.get(name) != n
        ]
        return wrong + [f"{name} was deleted and is there" for name in sorted(self.gone & found.keys())]
