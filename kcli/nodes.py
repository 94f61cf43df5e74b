"""The nodes of a local cluster: made, started, stopped, watched. What `kcli cluster` and the pytest plugin share.

What changes something is called inside `home.locked()`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from kcli import client
from kcli.cluster import network, processes
from kcli.cluster.local import CUTS_SETTLE_S, PAUSED, RUNNING, Folder, LocalCluster, text_of
from kcli.cluster.processes import Process
from kcli.cluster.progress import Progress
from kcli.errors import Failure, Refused, Unreachable
from kcli.model import LocalNode, Meta, Quorum, Topic
from kcli.plan import cluster as plan
from kcli.properties import Connection
from kcli.render.cluster import Row

ALIVE = (RUNNING, PAUSED)
POLL_S = 0.05
FREE_S = 2.0  # how long a port of a node that has just ended may still be taken
# Those who are asked how they are may be cut off or without a controller: a short time is enough.
QUICK = {"request.timeout.ms": "1000", "default.api.timeout.ms": "2000", "socket.connection.setup.timeout.ms": "1000"}


def make(home: LocalCluster, nodes: Sequence[LocalNode], extra: Mapping[str, str]) -> None:
    """Write and format the folders of new nodes; nothing is left of them if one cannot be made. Raises Failure."""
    from kcli.formats import features, new_id
    from kcli.formats import storage as files

    check_ports(nodes)
    folders = [home.folder(node.id) for node in nodes]
    told = [plan.properties(nodes, node, folder.data, extra) for node, folder in zip(nodes, folders, strict=True)]
    for folder, settings in zip(folders, told, strict=True):
        files.parsed(text_of(settings), folder.settings)
    cluster_id, levels = new_id(), features.of_new_cluster(None, {}, unstable=False, dynamic_quorum=False)
    try:
        for folder, settings in zip(folders, told, strict=True):
            meta = Meta(cluster_id, folder.node, new_id())
            files.write_directory(folder.data, meta, levels, (), None, time.time_ns() // 1_000_000)
            folder.write(settings)  # last: a folder with settings is a node
    except OSError as error:
        home.remove(folders)
        raise Failure(f"Cannot make {home.path}: {error.strerror}") from error
    except BaseException:
        home.remove(folders)
        raise


def start(folders: Sequence[Folder]) -> set[int]:
    """Start those that do not run, wait until all of them answer; returns the ids of those that were started.

    Interrupted, it stops what it has started. Raises Failure: a node does not come up; the others stay.
    """
    asleep = [folder for folder in folders if folder.state().word not in ALIVE]
    check_ports([node_of(folder) for folder in asleep], FREE_S)
    begun: list[tuple[Folder, Process, int]] = []
    progress = Progress()
    try:
        for folder in asleep:
            begun += [(folder, *folder.start())]
        for at, (folder, process, log_from) in enumerate(begun):
            progress.of(f"{at} of {len(begun)} nodes are up; node {folder.node} starts ")
            folder.wait_ready(process, log_from, plan.address(node_of(folder)), progress.tick)
    except KeyboardInterrupt:
        progress.clear()
        stop([folder for folder in asleep if folder.state().word in ALIVE])
        raise
    finally:
        progress.clear()
    return {folder.node for folder in asleep}


def stop(folders: Sequence[Folder]) -> None:
    """Stop nodes cleanly, those first that are brokers only: they need the controllers to leave in order."""
    progress = Progress()
    for group in _brokers_first(folders):
        for folder in group:
            folder.ask_to_stop()
        try:
            for folder in group:
                progress.of(f"Node {folder.node} stops ")
                folder.wait_stopped(progress.tick)
        finally:
            progress.clear()


def end(folders: Sequence[Folder]) -> None:
    """End nodes at once, those that run or are paused."""
    for folder in folders:
        folder.kill()
    processes.reap()


def check_ports(nodes: Sequence[LocalNode], patience_s: float = 0) -> None:
    """Raises Failure: a port that a node needs is in use, and still is after `patience_s`."""
    deadline = time.monotonic() + patience_s
    for node in nodes:
        for port in (node.port, node.controller_port):
            while port is not None and (wrong := network.trouble(plan.HOST, port)):
                if time.monotonic() >= deadline:
                    raise Failure(wrong, "Stop that process, or take another port: kcli cluster up --port P --dir DIR")
                time.sleep(POLL_S)


def free_ports() -> Callable[[int], int]:
    """A function that gives the port that is asked for if it is free, else another; none twice."""
    given: set[int] = set()

    def free(wanted: int) -> int:
        port = wanted
        if not wanted or wanted in given or network.trouble(plan.HOST, wanted) is not None:
            port = network.any_free(plan.HOST, frozenset(given))
        given.add(port)
        return port

    return free


def node_of(folder: Folder) -> LocalNode:
    """Raises Failure: its settings are not such as kcli cluster writes."""
    try:
        return plan.read(folder.load())
    except (KeyError, ValueError) as error:
        told = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise Failure(
            f"{folder.settings} is not what kcli cluster wrote: {told}",
            "Put it right by hand, or remove the cluster's folder and make it anew.",
        ) from error


def rows(home: LocalCluster) -> list[Row]:
    """Every node and how its process is; what the cluster says of them is left out."""
    found = []
    for folder in home.folders():
        state = folder.state()
        found.append(Row(node_of(folder), state.word, folder.path, state.pid, state.rss_bytes, state.uptime_ms))
    return found


def answering(folders: Sequence[Folder]) -> list[LocalNode]:
    """Those that run and answer."""
    running = [node_of(folder) for folder in folders if folder.state().word == RUNNING]
    return [node for node in running if network.answers(*plan.address(node))]


def quorum(nodes: Sequence[LocalNode]) -> Quorum | None:
    """The quorum as the first of these nodes tells it that can; None: none can."""
    for node in nodes:
        with contextlib.suppress(Unreachable, Refused), connected([node]) as admin:
            return admin.describe_quorum()
    return None


def topics(nodes: Sequence[LocalNode], first: int | None = None) -> tuple[Topic, ...] | None:
    """All topics as a broker of these nodes tells them, `first` before the others; None: none can."""
    for node in sorted((node for node in nodes if node.port is not None), key=lambda node: node.id != first):
        with contextlib.suppress(Unreachable, Refused), connected([node]) as admin:
            return admin.describe_topics()
    return None


def unwell(nodes: Sequence[LocalNode], committed: int | None) -> tuple[str | None, int | None]:
    """Why none of these nodes should be taken away now (None: one may), and the offset to ask for the next time.

    committed  up to where every node must have the metadata log; None: up to what is committed now
    Every broker is asked: one that has just started may not know yet what it lacks.
    """
    told = quorum(nodes)
    if told is None:
        return "nobody knows the active controller", committed
    end = told.high_watermark if committed is None else committed
    brokers = [node for node in nodes if node.port is not None]
    seen = []
    for node in brokers:
        try:
            with connected([node]) as admin:
                alive = {broker.id for broker in admin.describe_cluster().brokers}
                seen.append(plan.Seen(node.id, alive, admin.describe_topics()))
        except (Unreachable, Refused) as error:
            return f"node {node.id}: {error.message}", end
    return plan.unwell(nodes, told, end, seen), end


def part(home: LocalCluster, sides: Sequence[Sequence[int]], nodes: Sequence[LocalNode]) -> None:
    """Cut the nodes of each side off from those of the others; no sides: heal. Returns when they have done it."""
    home.set_sides(plan.told_sides(sides))
    for folder in home.folders():
        folder.cut(plan.cut_off(folder.node, sides, nodes))
    time.sleep(CUTS_SETTLE_S)


@contextlib.contextmanager
def connected(nodes: Sequence[LocalNode]) -> Iterator[client.Admin]:
    """A client of these nodes that does not wait for long."""
    with client.connect(Connection(tuple(plan.address(node) for node in nodes), QUICK)) as admin:
        yield admin


def _brokers_first(folders: Sequence[Folder]) -> list[list[Folder]]:
    with_controller = [folder for folder in folders if plan.CONTROLLER in node_of(folder).roles]
    return [[folder for folder in folders if folder not in with_controller], with_controller]
