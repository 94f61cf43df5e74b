"""kcli cluster cluster-id, list-endpoints, unregister: what bin/kafka-cluster.sh does with any cluster."""

import click

from kcli import arguments, client, options
from kcli.errors import Failure
from kcli.render import cluster as render
from kcli.report import Report


@click.command("cluster-id", cls=arguments.Tool, examples="kcli cluster cluster-id --bootstrap-server localhost:9092")
@arguments.old_config
@arguments.bootstrap
@options.output
def cluster_id(admin: client.Admin, controllers: bool) -> Report:
    """Print the id of a cluster."""
    found = admin.describe_cluster(controllers=controllers).id
    if found is None:
        return Report("No cluster ID found. The Kafka version is probably too old.\n", {"clusterId": None}, failed=True)
    return Report(f"Cluster ID: {found}\n", {"clusterId": found})


@click.command("list-endpoints", cls=arguments.Tool, examples="kcli cluster list-endpoints --include-fenced-brokers")
@click.option("--include-fenced-brokers", is_flag=True, help="And the brokers that are not alive.")
@arguments.old_config
@arguments.bootstrap
@options.output
def list_endpoints(admin: client.Admin, controllers: bool, include_fenced_brokers: bool) -> Report:
    """List where the brokers of a cluster listen, or its controllers."""
    if controllers and include_fenced_brokers:
        raise Failure("The option --include-fenced-brokers is only supported with --bootstrap-server option")
    found = admin.describe_cluster(controllers=controllers, fenced=include_fenced_brokers).brokers
    return Report(
        render.endpoints(found, controllers=controllers), render.endpoints_data(found, controllers=controllers)
    )


@click.command(cls=arguments.Tool, examples="kcli cluster unregister --id 2")
@click.option("--id", "-i", "broker", type=options.INT, metavar="ID", required=True, help="The broker's node id.")
@arguments.old_config
@arguments.bootstrap
@options.output
def unregister(admin: client.Admin, controllers: bool, broker: int) -> Report:
    """Let a cluster forget a broker that is gone for good."""
    admin.unregister_broker(broker)
    return Report(f"Broker {broker} is no longer registered.\n", {"unregistered": broker})
