"""UpdateFeatures (key 57): set the levels of features, all of a request or none.

Errors: INVALID_REQUEST, INVALID_UPDATE_VERSION, NOT_CONTROLLER; in versions 0 and 1 each feature repeats it.
Source: KIP-584, KIP-778 (v1: upgrade types, validate_only), KIP-1022 (v2: no results), KIP-853 (kraft.version).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import features
from server.metadata.controller.decision import Decision
from server.metadata.image import Image
from server.wire.messages.update_features import UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse

LAST_WITH_RESULTS = 1


async def handle(broker: Broker, ctx: Context, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse:
    controller = broker.controller

    def decide(image: Image) -> Decision[UpdateFeaturesResponse]:
        quorum = features.Quorum(controller.kraft_version, controller.upgrade_refusal)
        decision = features.update(image, broker.config.static, request, node_id=broker.node_id, quorum=quorum)
        level = features.raised(request, decision.response, quorum)
        if level is not None:
            controller.upgrade(level)
        return decision

    response = await controller.decide(decide)
    if ctx.api_version <= LAST_WITH_RESULTS:
        code, message = response.error_code, response.error_message
        response.results = [UpdatableFeatureResult(row.feature, code, message) for row in request.feature_updates]
    return response
