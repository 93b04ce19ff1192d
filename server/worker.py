"""A process that holds one model and answers a channel on a Unix socket. No HTTP: it starts fast and stays small."""

import sys
from functools import partial

from backends.channel import answering
from backends.worker import Reception
from models.registry import Registry
from server import collecting, logs
from server.background import background, give_way
from server.child import Parent, run
from server.folder import listening_at
from server.loading import loaded, version_of
from server.plan import Plan, read_plan
from server.settings import RemoteSettings


async def work(plan: Plan, name: str, replica: int, parent: Parent) -> None:
    """Serve the model of backend `name` until the supervisor says stop, as the worker number `replica` that does.

    The layers are around it in the front. Here a call waits for the model's thread, and is not run when its deadline
    has passed or its caller has gone.
    """
    settings = plan.config.backends[name]
    assert not isinstance(settings, RemoteSettings)  # noqa: S101 - these have no workers
    version = version_of(settings, Registry(plan.registry_path), plan.pinned[name])
    with loaded(name, settings, version) as local, listening_at(plan.socket(name, replica)) as listening:
        reception = Reception(local, version.manifest.signature)
        async with answering(listening, reception, longest=plan.longest_call, prompt=True):
            collecting.settle()
            parent.tell(ready=True)
            await parent.stop.wait()


def main(plan_path: str, name: str, replica: str) -> None:
    """Run the worker number `replica` of backend `name` in the plan at `plan_path`."""
    plan = read_plan(plan_path)
    if name in background(plan.config):
        give_way()
    with logs.setup(sys.stderr, plan.worker_name(name, int(replica))):
        run(partial(work, plan, name, int(replica)), loop=plan.config.server.loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
