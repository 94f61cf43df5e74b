"""A real local cluster for tests: started in a second, killed and restarted at will, gone at the end.

`kcli.pytest_plugin` hands it out as the fixture `kcli_cluster`; other test runners use it as a context manager:

    with Cluster(folder, brokers=3) as cluster:
        producer = Producer({"bootstrap.servers": cluster.bootstrap})
        cluster.kill(0)
        cluster.restart(0)
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from kcli import nodes as local
from kcli.cluster.local import Folder, LocalCluster
from kcli.errors import Failure
from kcli.plan import cluster as plan


class Cluster:
    """Nodes 0 to brokers-1 (and `controllers` nodes behind them), each a process that listens on free ports.

    Raises kcli.errors.Failure: a node does not come up, a node is not there; its text says why.
    """

    def __init__(
        self,
        folder: Path | str,
        brokers: int = 1,
        controllers: int | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Start the cluster and wait until it answers.

        folder       where the nodes' files go; made if it is not there
        controllers  None: the first three brokers are controllers, too
        config       settings of all nodes, in Kafka's names
        """
        self.dir = Path(folder)
        self._home = LocalCluster(str(folder))
        layout = plan.layout(brokers, controllers, 0, local.free_ports())
        extra = plan.settings([f"{name}={value}" for name, value in (config or {}).items()])
        with self._home.locked():
            local.make(self._home, layout, extra)
            self._nodes = {folder.node: folder for folder in self._home.folders()}
            try:
                local.start(list(self._nodes.values()))
            except BaseException:
                local.end(list(self._nodes.values()))
                raise
        self.nodes = tuple(self._nodes)
        self.bootstrap = plan.bootstrap(layout)
        self.addresses = {node.id: f"{plan.HOST}:{node.port}" for node in layout if node.port is not None}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def kill(self, *nodes: int) -> None:
        """End nodes at once, as a crash would (kill -9)."""
        for folder in self._chosen(nodes):
            folder.kill()

    def stop(self, *nodes: int) -> None:
        """Stop nodes cleanly: leaders move away first."""
        local.stop(self._chosen(nodes))

    def start(self, *nodes: int) -> None:
        """Start nodes that do not run, and wait until they answer."""
        local.start(self._chosen(nodes))

    def restart(self, *nodes: int) -> None:
        """Stop nodes cleanly if they run, start them, and wait until they answer."""
        self.stop(*nodes)
        self.start(*nodes)

    def pause(self, *nodes: int) -> None:
        """Freeze nodes: they keep their connections and say nothing (SIGSTOP)."""
        for folder in self._chosen(nodes):
            folder.pause()

    def resume(self, *nodes: int) -> None:
        """Let frozen nodes go on (SIGCONT)."""
        for folder in self._chosen(nodes):
            folder.resume()

    def partition(self, *sides: Iterable[int]) -> None:
        """Cut the nodes of each side off from those of the others; clients still reach all."""
        parted = plan.groups([",".join(map(str, side)) for side in sides], self.nodes)
        layout = [local.node_of(folder) for folder in self._nodes.values()]
        local.part(self._home, parted, layout)

    def heal(self) -> None:
        """Let all nodes reach one another again."""
        local.part(self._home, (), [])

    def state(self, node: int) -> str:
        """running, paused, stopped, or crashed (it ended by itself, or was killed)."""
        return self._chosen([node])[0].state().word

    def log(self, node: int) -> str:
        """What a node said, of all its runs."""
        return Path(self._chosen([node])[0].log).read_text(errors="replace")

    def close(self) -> None:
        """End every node that still runs, at once. The files stay."""
        local.end(list(self._nodes.values()))

    def _chosen(self, nodes: Iterable[int]) -> list[Folder]:
        for node in (wanted := tuple(nodes)):
            if node not in self._nodes:
                raise Failure(f"The cluster has no node {node}: it has {', '.join(map(str, self._nodes))}.")
        return [self._nodes[node] for node in wanted]
