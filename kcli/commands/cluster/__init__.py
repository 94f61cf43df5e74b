"""kcli cluster: a local cluster, from up to wipe; and what bin/kafka-cluster.sh tells of any cluster."""

import click

from kcli import arguments
from kcli.commands.cluster import life, links, rolling, signals, tools

EXAMPLES = """
    kcli cluster up --brokers 3
    kcli cluster up --port 19092 --dir /tmp/other --config log.retention.hours=1
    kcli cluster status
    kcli cluster kill 0; kcli cluster start 0
    kcli cluster rolling-restart
    kcli cluster partition 0 1,2; kcli cluster heal
    kcli cluster logs 0 -f
    kcli cluster down; kcli cluster wipe
    kcli cluster cluster-id --bootstrap-server localhost:9092
"""


@click.group(cls=arguments.Tools, examples=EXAMPLES)
def command() -> None:
    """Run a local cluster; or tell what a cluster is (cluster-id, list-endpoints), and let it forget a broker.

    Only processes that kcli cluster started itself are ever touched. --dir names the folder of the cluster; several
    can run side by side, each with a folder and ports of its own.
    """


for _one in (
    life.up,
    life.down,
    life.status,
    signals.start,
    signals.stop,
    signals.kill,
    signals.pause,
    signals.resume,
    signals.logs,
    rolling.rolling_restart,
    links.partition,
    links.heal,
    life.wipe,
    tools.cluster_id,
    tools.list_endpoints,
    tools.unregister,
):
    command.add_command(_one)
