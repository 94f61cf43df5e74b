"""kcli server-stop: stop the servers that kcli server-start started (bin/kafka-server-stop.sh)."""

import os
import signal

import click

from kcli import options
from kcli.cluster import processes, servers
from kcli.errors import Failure
from kcli.report import Report

EXAMPLES = """
    kcli server-stop
    kcli server-stop --node-id=1
    kcli server-stop --process-role=broker
"""
BOTH = "When both node-id and process-role are provided, the value for node-id will take precedence"
STOP_TIMEOUT_S = 60.0


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.option("--process-role", metavar="ROLE", help="Only servers whose process.roles is this.")
@click.option("--node-id", metavar="N", help="Only the server whose node.id is this.")
@options.output
def command(process_role: str | None, node_id: str | None) -> Report:
    """Stop the servers of this user that kcli server-start started, and wait for their end.

    $SIGNAL names another signal than TERM. Nodes of a local cluster are stopped with kcli cluster down.
    """
    if process_role and node_id:
        options.notice(BOTH)
    number = _signal(os.environ.get("SIGNAL") or "TERM")
    known = servers.started_by_hand()
    chosen = [
        server
        for server in known
        if (server.node == node_id if node_id else process_role is None or server.roles == process_role)
    ]
    if not chosen:
        others = ", ".join(f"node {server.node} ({server.roles})" for server in known)
        raise Failure("No kafka server to stop", f"There is {others}." if others else None)
    for server in chosen:
        processes.send(server.process, number)
        processes.send(server.process, signal.SIGCONT)  # a paused one hears nothing before
    for server in chosen:
        if not processes.wait_gone(server.process, STOP_TIMEOUT_S):
            raise Failure(
                f"Server {server.node} (process {server.process.pid}) has not stopped within {STOP_TIMEOUT_S:.0f} s.",
                "SIGNAL=KILL kcli server-stop ends it at once.",
            )
        servers.forget(server)
    return Report(
        "", {"stopped": [{"node": each.node, "roles": each.roles, "pid": each.process.pid} for each in chosen]}
    )


def _signal(name: str) -> signal.Signals:
    name = name.upper().removeprefix("SIG")
    try:
        return signal.Signals(int(name)) if name.isdigit() else signal.Signals[f"SIG{name}"]
    except (KeyError, ValueError) as error:
        raise Failure(f"SIGNAL={name} is no signal.") from error
