"""ApiVersions (key 18): what this listener serves, and which features the cluster has.

Folded from the table of dispatch, so that it cannot say what is not so. A version above ours never comes here: dispatch
answers it. The client may say what software it is.

Errors: INVALID_REQUEST (a software name or version that is none).
Source: KIP-35, KIP-511 (v3), KIP-584 (features), KIP-1022 (v4: features whose lowest level is 0).
"""

import re

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.model.features import KRAFT_VERSION, SUPPORTED
from server.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

FIRST_NAMED_VERSION, FIRST_ZERO_LEVEL_VERSION = 3, 4
SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(broker: Broker, ctx: Context, request: ApiVersionsRequest) -> ApiVersionsResponse:
    if ctx.api_version >= FIRST_NAMED_VERSION:
        names = (request.client_software_name, request.client_software_version)
        if not all(SOFTWARE.fullmatch(name) for name in names):
            raise Rejected(ErrorCode.INVALID_REQUEST)
        ctx.client.software_name, ctx.client.software_version = names
    image = broker.image
    levels = dict(image.features)
    if broker.kraft_version():  # the quorum keeps its own level, and says nothing of the lowest
        levels[KRAFT_VERSION] = broker.kraft_version()
    return ApiVersionsResponse(
        api_keys=[ApiVersion(key, low, high) for key, (low, high) in sorted(ctx.advertised.items())],
        supported_features=[
            SupportedFeatureKey(name, low, high)
            for name, (low, high) in sorted(SUPPORTED.items())
            if low > 0 or ctx.api_version >= FIRST_ZERO_LEVEL_VERSION
        ],
        finalized_features_epoch=image.offset,
        finalized_features=[
            FinalizedFeatureKey(name, level, level)
            for name, level in sorted(levels.items())
            if name in SUPPORTED  # the log may hold levels of features that this server does not have
        ],
    )
