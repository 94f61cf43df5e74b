"""Creating topics: at somebody's request, or because a client asked for one that does not exist.

Source: KIP-4; KIP-204 and KIP-487 (topics created by asking for them).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from server.broker.channel import Channel
from server.broker.controller import ActiveController
from server.metadata import settings
from server.metadata.controller import topics
from server.metadata.controller.decision import Decision
from server.metadata.image import Image
from server.model.errors import ErrorCode
from server.model.ids import INTERNAL_TOPICS, TopicId
from server.ports import Rng
from server.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

BROKER_DEFAULT = -1
CREATE_TOPICS = 19
TOPICS_A_PIECE = 50


async def create(
    controller: ActiveController, static: settings.Static, rng: Rng, request: CreateTopicsRequest
) -> CreateTopicsResponse:
    """Decide and commit. Raises Rejected(NOT_CONTROLLER).

    A request for many topics is decided piece by piece: a controller that does nothing else for a second is deposed. No
    piece depends on another, for each topic succeeds or fails alone; after a failure the first pieces may be there.
    """
    left = topics.MAX_PARTITIONS_A_REQUEST
    results: list[CreatableTopicResult] = []
    for piece in _pieces(request):

        def decide(
            image: Image, piece: CreateTopicsRequest = piece, room: int = left
        ) -> Decision[CreateTopicsResponse]:
            return topics.create(image, static, piece, lambda: TopicId(rng.uuid()), rng.below, room)

        answered = await controller.decide(decide)
        left -= sum(row.num_partitions for row in answered.topics if not row.error_code)
        results += answered.topics
    return CreateTopicsResponse(topics=results)


def _pieces(request: CreateTopicsRequest) -> Iterator[CreateTopicsRequest]:
    """The request in parts that can be decided one after the other; whole, where its topics must see one another."""
    names = {topic.name for topic in request.topics}
    if request.validate_only or len(names) < len(request.topics) or len(names) <= TOPICS_A_PIECE:
        yield request
        return
    for at in range(0, len(request.topics), TOPICS_A_PIECE):
        yield replace(request, topics=request.topics[at : at + TOPICS_A_PIECE])


async def create_by_asking(channel: Channel, names: Sequence[str]) -> dict[str, ErrorCode]:
    """Create topics with the broker's defaults; which of them now cannot be used, and why.

    One that came into being meanwhile is as good. Internal topics are made by those who use them, with settings of
    their own, so they are not created here.
    """
    wanted = [CreatableTopic(name, BROKER_DEFAULT, BROKER_DEFAULT) for name in names if name not in INTERNAL_TOPICS]
    response: CreateTopicsResponse = await channel.request(CREATE_TOPICS, CreateTopicsRequest(wanted))
    made = (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS)
    failed = {row.name: ErrorCode(row.error_code) for row in response.topics if row.error_code not in made}
    # Clients take this one for a passing state; the others would make them give up, as they should.
    passing = (ErrorCode.INVALID_REPLICATION_FACTOR,)
    return {name: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if code in passing else code for name, code in failed.items()}
