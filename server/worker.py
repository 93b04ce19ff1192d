"""A process that holds one model and answers a channel on a Unix socket. No HTTP: it starts fast and stays small."""

import gc
import socket
import sys
from functools import partial
from pathlib import Path

from backends.channel import answering
from backends.channel.answering import BACKLOG
from backends.worker import Reception
from models.registry import Registry
from server import logs
from server.background import background, give_way
from server.child import Parent, run
from server.loading import loaded, version_of
from server.plan import Plan, read_plan
from server.settings import RemoteSettings


async def work(plan: Plan, name: str, parent: Parent) -> None:
    """Serve the model of backend `name` until the supervisor says stop.

    The layers are around it in the front. Here a call waits for the model's thread, and is not run when its deadline
    has passed or its caller has gone.
    """
    settings = plan.config.backends[name]
    assert not isinstance(settings, RemoteSettings)  # noqa: S101 - these have no workers
    version = version_of(settings, Registry(plan.registry_path), plan.pinned[name])
    with loaded(name, settings, version) as local, listening_at(plan.socket(name)) as listening:
        async with answering(listening, Reception(local, version.manifest.signature), longest=plan.longest_call):
            gc.freeze()
            parent.tell(ready=True)
            await parent.stop.wait()


def listening_at(path: str) -> socket.socket:
    """A socket that listens at `path`, in place of whatever a process that was killed left there."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = Path(path).with_suffix(".new")
    fresh.unlink(missing_ok=True)
    listening.bind(str(fresh))
    listening.listen(BACKLOG)
    fresh.rename(path)  # a caller finds either socket, never none
    return listening


def main(plan_path: str, name: str) -> None:
    """Run the worker of backend `name` in the plan at `plan_path`."""
    plan = read_plan(plan_path)
    if name in background(plan.config):
        give_way()
    with logs.setup(sys.stderr, f"worker {name}"):
        run(partial(work, plan, name), loop=plan.config.server.loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
