"""A local cluster and its nodes in words and columns, and as data for --output json."""

from collections.abc import Sequence
from typing import NamedTuple

from kcli.model import Broker, LocalNode

HEADINGS = (
    "NODE",
    "ROLES",
    "STATE",
    "PID",
    "PORT",
    "CONTROLLER",
    "RSS",
    "UPTIME",
    "LEADERS",
    "UNDER-REPLICATED",
)
ACTIVE = "*"


class Row(NamedTuple):
    """A node and how it is. None: it has no process, or nobody tells.

    leaders           how many partitions it leads
    under_replicated  how many of those have an ISR that lacks replicas
    active            whether it is the active controller
    """

    node: LocalNode
    state: str
    folder: str
    pid: int | None = None
    rss_bytes: int | None = None
    uptime_ms: int | None = None
    leaders: int | None = None
    under_replicated: int | None = None
    active: bool = False


def up(path: str, bootstrap: str, in_words: str, *, where: str, default: bool) -> str:
    """What `up` says at the end.

    in_words  what it did
    where     the option that names this cluster in the lines to copy; empty for the default one
    default   whether commands go to this cluster by themselves
    """
    lines = [
        in_words,
        f"  brokers  {bootstrap}",
        f"  files    {path}",
        f"  logs     kcli cluster logs 0{where}",
        f"  stop     kcli cluster down{where}",
    ]
    if not default:
        lines.insert(2, f"  use it   export KCLI_BOOTSTRAP_SERVER={bootstrap}")
    return "\n".join(lines) + "\n"


def status(rows: Sequence[Row], path: str, bootstrap: str, summary: str = "") -> str:
    """The table, and what the cluster says as a whole."""
    import tabulate  # 15 ms that only a table needs

    tabulate.PRESERVE_WHITESPACE = True
    table = [
        (
            f"{row.node.id}{ACTIVE if row.active else ''}",
            ",".join(row.node.roles),
            row.state,
            _or_dash(row.pid),
            _or_dash(row.node.port),
            _or_dash(row.node.controller_port),
            "-" if row.rss_bytes is None else f"{row.rss_bytes / (1 << 20):.0f} MB",
            "-" if row.uptime_ms is None else duration(row.uptime_ms),
            _or_dash(row.leaders),
            _or_dash(row.under_replicated),
        )
        for row in rows
    ]
    told = tabulate.tabulate(table, HEADINGS, "plain", disable_numparse=True)
    return f"{told}\n\n{summary}brokers {bootstrap}, files {path}\n"


def summary(
    active: int | None, partitions: int | None, under_replicated: int, without_leader: int, running: int
) -> str:
    """The line of what holds for the cluster as a whole. partitions None: no broker tells."""
    if not running:
        return "No node runs: kcli cluster up starts them.\n"
    controller = f"{ACTIVE} active controller: {active}" if active is not None else "no active controller is known"
    if partitions is None:
        return f"{controller}; no broker tells about partitions\n"
    health = f"partitions {partitions}, under-replicated {under_replicated}, without leader {without_leader}"
    return f"{controller}; {health}\n"


def status_data(rows: Sequence[Row], path: str, bootstrap: str, partition: str) -> object:
    """partition: as `kcli cluster partition` takes it; empty: none is in force."""
    return {
        "directory": path,
        "bootstrapServers": bootstrap,
        "partition": partition or None,
        "nodes": [
            {
                "id": row.node.id,
                "roles": list(row.node.roles),
                "state": row.state,
                "pid": row.pid,
                "port": row.node.port,
                "controllerPort": row.node.controller_port,
                "rssBytes": row.rss_bytes,
                "uptimeMs": row.uptime_ms,
                "leaders": row.leaders,
                "underReplicated": row.under_replicated,
                "activeController": row.active,
                "directory": row.folder,
            }
            for row in rows
        ],
    }


def duration(ms: int) -> str:
    """A time as people say it: the two largest units."""
    seconds = ms // 1000
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def endpoints(nodes: Sequence[Broker], *, controllers: bool) -> str:
    """The table of list-endpoints; every cell is padded, the last one, too. Controllers have no state."""
    width = max((len(node.host) for node in nodes), default=0)
    lines = [_cells("ID", "HOST", "PORT", "RACK", None if controllers else "STATE", "ENDPOINT_TYPE", width)]
    for node in nodes:
        state = None if controllers else "fenced" if node.fenced else "unfenced"
        kind = "controller" if controllers else "broker"
        lines.append(_cells(str(node.id), node.host, str(node.port), node.rack or "null", state, kind, width))
    return "".join(lines)


def endpoints_data(nodes: Sequence[Broker], *, controllers: bool) -> object:
    kind = "controller" if controllers else "broker"
    return {
        "endpoints": [
            {"id": n.id, "host": n.host, "port": n.port, "rack": n.rack, "fenced": n.fenced, "type": kind}
            for n in nodes
        ]
    }


def _cells(id_: str, host: str, port: str, rack: str, state: str | None, kind: str, width: int) -> str:
    middle = "" if state is None else f"{state:<10} "
    return f"{id_:<10} {host:<{width}} {port:<10} {rack:<10} {middle}{kind:<15}\n"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
