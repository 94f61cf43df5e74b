"""DescribeCluster (key 60): the brokers, or the controllers, and the cluster's id.

A broker's listener tells of brokers, a controller's of controllers (endpoint_type 2).
Errors: MISMATCHED_ENDPOINT_TYPE, UNSUPPORTED_ENDPOINT_TYPE.
Source: KIP-700, KIP-919 (v1), KIP-1073 (v2).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.describing import CLUSTER_OPERATIONS, reachable
from server.model.errors import ErrorCode, Rejected
from server.wire.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS, CONTROLLERS = 1, 2
NO_OPERATIONS = -(1 << 31)


def handle(broker: Broker, ctx: Context, request: DescribeClusterRequest) -> DescribeClusterResponse:
    ours = CONTROLLERS if ctx.controller else BROKERS
    if request.endpoint_type not in (BROKERS, CONTROLLERS):
        raise Rejected(ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, f"Unsupported endpoint type {request.endpoint_type}")
    if request.endpoint_type != ours:
        asked, here = ("CONTROLLER", "BROKER") if ours == BROKERS else ("BROKER", "CONTROLLER")
        raise Rejected(
            ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            f"The request was sent to an endpoint of type {here}, but we wanted an endpoint of type {asked}",
        )
    return DescribeClusterResponse(
        endpoint_type=ours,
        cluster_id=broker.cluster_id,
        controller_id=broker.controller.leader_id if ctx.controller else broker.node_id,
        brokers=_controllers(broker, ctx) if ctx.controller else _brokers(broker, ctx, request.include_fenced_brokers),
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NO_OPERATIONS,
    )


def _brokers(broker: Broker, ctx: Context, fenced: bool) -> list[DescribeClusterBroker]:
    return [
        DescribeClusterBroker(node.broker_id, host, port, node.rack, node.fenced)
        for node, host, port in reachable(broker.image, ctx.listener, fenced=fenced)
    ]


def _controllers(broker: Broker, ctx: Context) -> list[DescribeClusterBroker]:
    return [
        DescribeClusterBroker(node.controller_id, end_point.host, end_point.port)
        for _, node in sorted(broker.image.controllers.items())
        for end_point in node.end_points
        if end_point.name == ctx.listener
    ]
