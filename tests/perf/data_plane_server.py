"""The data plane alone, as a process: `python -m tests.perf.data_plane_server DIR` prints its port and serves."""

import asyncio
import sys

import click
import uvloop

from server import dispatch
from server.log.disk import OsDisk
from server.net.limits import Limits
from server.net.listener import listen
from server.net.registry import Registry
from server.net.sockets import Sockets
from server.world import SystemClock, SystemRng
from tests.support.data_plane import LISTENER, DataPlane


async def serve(folder: str) -> None:
    plane = DataPlane(OsDisk(), SystemClock(), SystemRng(), dirs=(folder,), bench=4)
    serve = dispatch.connect(plane.broker, LISTENER, dispatch.BROKER)
    listening = await listen(Sockets(), Registry(Limits()), "127.0.0.1", 0, serve, plane.broker.writes.flush)
    click.echo(str(listening.port))
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
