"""kcli reassign-partitions: move partitions to other brokers or directories (bin/kafka-reassign-partitions.sh).

Beyond Kafka: --generate needs no files; --verify can wait, and tell by its exit code; each --execute is in a journal,
from which `rollback` goes back; plans may carry the id of their cluster, and are refused where they do not fit.
"""

import functools
from collections.abc import Callable
from typing import Any

import click

from kcli import client, options
from kcli.client import Admin
from kcli.commands.reassign_partitions import frame, verify
from kcli.commands.reassign_partitions.cancel import cancel
from kcli.commands.reassign_partitions.execute import Leave, Limits, execute
from kcli.commands.reassign_partitions.generate import generate
from kcli.commands.reassign_partitions.parts import PARTS
from kcli.errors import Failure, Usage
from kcli.options import Given
from kcli.report import Report

EXAMPLES = """
    kcli reassign --generate
    kcli reassign --generate --broker-list 0,1,2 --plan-file plan.json --seed 1
    kcli reassign --execute --reassignment-json-file plan.json --throttle 50MB
    kcli reassign --verify --reassignment-json-file plan.json --wait --strict
    kcli reassign --cancel --reassignment-json-file plan.json
    kcli reassign-partitions --list
    kcli reassign rollback
"""
ACTIONS = {
    "generate": "Propose where partitions could be; change nothing.",
    "execute": "Begin to move partitions as the plan says.",
    "verify": "Tell how far the plan is; when all is done, clear throttles.",
    "cancel": "Stop what the plan began, as far as it has not ended.",
    "list": "List the reassignments under way.",
}
NEEDED = {"execute": "reassignment-json-file", "verify": "reassignment-json-file", "cancel": "reassignment-json-file"}
BROKERS, CONTROLLERS = "bootstrap-server", "bootstrap-controller"
ALWAYS = {"command-config", "command-property", "output", "debug"}
PERMITTED = {
    "generate": {
        BROKERS, "topics-to-move-json-file", "broker-list", "disable-rack-aware", "seed", "plan-file",
    },
    "execute": {
        BROKERS, "reassignment-json-file", "additional", "throttle", "replica-alter-log-dirs-throttle", "timeout",
        "disallow-replication-factor-change", "force",
    },
    "verify": {BROKERS, "reassignment-json-file", "preserve-throttles", "strict", "wait", "timeout"},
    "cancel": {BROKERS, CONTROLLERS, "reassignment-json-file", "preserve-throttles", "timeout"},
    "list": {BROKERS, CONTROLLERS},
}  # fmt: skip
TIMEOUT_MS = 10_000


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order; --bootstrap-server and the files of --generate have a default here."""
    if given.has(BROKERS) and given.has(CONTROLLERS):
        raise Usage("Please don't specify both --bootstrap-server and --bootstrap-controller")
    (action,) = filter(given.has, ACTIONS)
    if action in NEEDED:
        given.need(NEEDED[action])
    for name in given.names():
        if name != action and name not in ALWAYS and name not in PERMITTED[action]:
            raise Usage(f'Option "[{name}]" can\'t be used with action "[{action}]"')
    if action == "verify" and given.has("timeout") and not given.has("wait"):
        raise Usage('Option "[timeout]" can\'t be used with action "[verify]"', "It is for --verify --wait.")


def _connected(body: Callable[..., Any]) -> Callable[..., Any]:
    """Give the body `admin` and `controllers`: whether it is controllers that are asked, then the active one."""

    @functools.wraps(body)
    def framed(bootstrap_controller: str | None, **rest: Any) -> Any:
        config, properties = rest.pop("command_config"), rest.pop("command_property")
        servers = rest.pop("bootstrap_server")
        connect = click.get_current_context().obj or client.connect
        made = options.connect_to(servers or bootstrap_controller, config, properties)
        if bootstrap_controller is not None:
            with connect(made) as admin:
                quorum = admin.describe_cluster(controllers=True)
            places = {node.id: (node.host, node.port) for node in quorum.brokers}
            if quorum.controller not in places:
                raise Failure("The controllers have no leader at the moment", "Try again in a few seconds.")
            made = made._replace(bootstrap=(places[quorum.controller],))
        with connect(made) as admin:
            return body(admin=admin, controllers=bootstrap_controller is not None, **rest)

    return framed


@click.command(
    cls=options.Parted,
    actions=ACTIONS,
    joint=", ",
    check=check,
    parts=PARTS,
    examples=EXAMPLES,
    purpose="This tool helps to move topic partitions between replicas.",
)
@click.option("--reassignment-json-file", metavar="FILE", help="The plan: what --generate proposes, or your own.")
@click.option(
    "--topics-to-move-json-file",
    metavar="FILE",
    help='The topics of --generate: {"version": 1, "topics": [{"topic": "orders"}]}. Default: all but internal ones.',
)
@click.option("--broker-list", metavar="0,1,2", help="The brokers of --generate. Default: all that live.")
@click.option("--disable-rack-aware", is_flag=True, help="Let --generate take no notice of racks.")
@click.option("--seed", type=options.LONG, metavar="N", help="Have --generate propose the same again.")
@click.option("--plan-file", metavar="FILE", help="Have --generate write its proposal, with the cluster's id in it.")
@click.option("--additional", is_flag=True, help="Execute beside reassignments that are under way; changes a throttle.")
@click.option("--throttle", default="-1", metavar="BYTES/S", help="Copy at most so much: 5000000, 50MB, 1GiB/s.")
@click.option(
    "--replica-alter-log-dirs-throttle",
    default="-1",
    metavar="BYTES/S",
    help="Copy at most so much between directories of a broker.",
)
@click.option("--preserve-throttles", is_flag=True, help="Have --verify and --cancel leave throttles as they are.")
@click.option("--disallow-replication-factor-change", is_flag=True, help="Refuse to change a replication factor.")
@click.option("--force", is_flag=True, help="Execute a plan that is for another cluster, or stale.")
@click.option("--strict", is_flag=True, help="Have --verify exit with 0 done, 1 failed, 2 still in progress.")
@click.option("--wait", is_flag=True, help="Have --verify wait until nothing of the plan moves any more.")
@click.option(
    "--timeout",
    metavar="MS",
    help=f"How long directory moves may take to begin (default {TIMEOUT_MS}), or --wait may wait (no limit).",
)
@click.option("--bootstrap-server", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP)
@click.option("--bootstrap-controller", metavar="HOST:PORT,...", help="Controllers in place of brokers (list, cancel).")
@click.option("--command-config", metavar="FILE", help="Client properties file (security.protocol=... and so on).")
@click.option("--command-property", metavar="KEY=VALUE", multiple=True, help="One client property; repeatable.")
@_connected
@options.output
@frame.framed
def command(admin: Admin, action: str, controllers: bool, **given: Any) -> Report:
    """Move partitions between brokers, and replicas between directories."""
    if action == "generate":
        return generate(
            admin,
            given["topics_to_move_json_file"],
            given["broker_list"],
            given["plan_file"],
            given["seed"],
            rack_aware=not given["disable_rack_aware"],
        )
    if action == "list":
        return verify.list_(admin, controllers=controllers)
    wanted, timeout_ms = frame.plan_at(given["reassignment_json_file"]), frame.number("timeout", given["timeout"])
    if action == "verify":
        manner = verify.Manner(given["preserve_throttles"], given["strict"], given["wait"], timeout_ms)
        return verify.verify(admin, wanted, manner)
    begin_ms = TIMEOUT_MS if timeout_ms is None else timeout_ms
    if action == "cancel":
        keep = given["preserve_throttles"]
        return cancel(admin, wanted, begin_ms, preserve_throttles=keep, controllers=controllers)
    limits = Limits(
        frame.rate("throttle", given["throttle"]),
        frame.rate("replica-alter-log-dirs-throttle", given["replica_alter_log_dirs_throttle"]),
        begin_ms,
    )
    leave = Leave(given["additional"], not given["disallow_replication_factor_change"], given["force"])
    return execute(admin, wanted, limits, leave)
