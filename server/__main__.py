"""python -m server CONFIG [--override NAME=VALUE ...] [--cuts FILE]: run one node until it is told to stop.

--cuts names a file of addresses that the node must not reach, for whoever tries what a broken network does (net/cuts).
SIGTERM and SIGINT stop it cleanly. A node that cannot start, or cannot go on, says why in one line and exits with 1.
"""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Mapping, Sequence

from server.config import ConfigError, NodeConfig, load
from server.log.disk import OsDisk
from server.log.meta_properties import UnusableDirectory
from server.model.errors import Rejected
from server.net.cuts import Cuts
from server.net.sockets import Sockets
from server.node import CannotStart, Node
from server.ports import Disk, Network
from server.world import SystemClock, SystemRng

USAGE = "usage: python -m server CONFIG [--override NAME=VALUE ...] [--cuts FILE]"
YOUNG_OBJECTS = 10_000

logger = logging.getLogger("server")


def main(arguments: Sequence[str], disk: Disk | None = None) -> int:
    try:
        path, overrides, cuts = _arguments(arguments)
        config = _config(path, overrides)
    except ConfigError as e:
        sys.stderr.write(f"{e}\n")
        return 1
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="[%(asctime)s] %(levelname)s %(message)s (%(name)s)"
    )
    for line in config.warnings:
        logger.warning("%s", line)
    for line in config.notices:
        logger.warning("%s", line)
    try:
        reason = _run(config, disk or OsDisk(), cuts)
    except (CannotStart, ConfigError, UnusableDirectory, Rejected, OSError) as e:
        reason = e.message or str(e) if isinstance(e, Rejected) else str(e)
    if reason is not None:
        sys.stdout.flush()
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


def _arguments(arguments: Sequence[str]) -> tuple[str, dict[str, str], str | None]:
    """(path, overrides, file of cuts). Raises ConfigError."""
    rest = list(arguments)
    path, overrides, cuts = None, {}, None
    while rest:
        word = rest.pop(0)
        if word == "--override" and rest and "=" in rest[0]:
            name, _, value = rest.pop(0).partition("=")
            overrides[name] = value
        elif word == "--cuts" and rest:
            cuts = rest.pop(0)
        elif path is None and not word.startswith("-"):
            path = word
        else:
            raise ConfigError(USAGE)
    if path is None:
        raise ConfigError(USAGE)
    return path, overrides, cuts


def _config(path: str, overrides: Mapping[str, str]) -> NodeConfig:
    """Raises ConfigError."""
    try:
        return load(OsDisk().read(path).decode(), path, overrides)
    except OSError as e:
        raise ConfigError(f"Cannot read {path}: {e.strerror}.") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"Cannot read {path}: it is not text.") from e


def _run(config: NodeConfig, disk: Disk, cuts: str | None) -> str | None:
    """Run the node; why it could not go on, or None when it was told to stop."""
    try:
        import uvloop
    except ImportError:  # the same code runs on asyncio's own loop, a little slower
        return asyncio.run(_serve(config, disk, cuts))
    return uvloop.run(_serve(config, disk, cuts))


async def _serve(config: NodeConfig, disk: Disk, cuts: str | None) -> str | None:
    if cuts is None:
        return await _serve_over(Sockets(), config, disk)
    network = Cuts(Sockets(), lambda: _text(cuts))
    network.look()
    watching = asyncio.ensure_future(network.watch())
    try:
        return await _serve_over(network, config, disk)
    finally:
        watching.cancel()


def _text(path: str) -> str:
    try:
        return OsDisk().read(path).decode()
    except FileNotFoundError:
        return ""


async def _serve_over(network: Network, config: NodeConfig, disk: Disk) -> str | None:
    node = Node(config, clock=SystemClock(), network=network, disk=disk, rng=SystemRng())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await node.start()
    # What start-up made stays; walking it again and again would only cost time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait((stopped, node.fatal), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await node.stop()
    return node.fatal.result() if node.fatal.done() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
