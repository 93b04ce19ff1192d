"""A process that holds one model: the same server, over the Open Inference Protocol, on a Unix socket."""

import gc
import socket
import sys
from functools import partial
from pathlib import Path

from server import logs
from server.app import make_app
from server.child import Parent, run
from server.compose import composed_alone
from server.composition import Current
from server.front import serving
from server.inference import Limits
from server.plan import Plan, read_plan


async def work(plan: Plan, name: str, parent: Parent) -> None:
    """Serve the model of backend `name` until the supervisor says stop."""
    server = plan.config.server
    limits = Limits(server.max_timeout_ms / 1e3, server.max_body_bytes * 4, private=True)
    async with composed_alone(plan, name) as composition:
        app = make_app(Current(composition), limits, with_debug=True)
        with listening_at(plan.socket(name)) as listening:
            async with serving(app, listening):
                gc.freeze()
                parent.tell(ready=True)
                await parent.stop.wait()


def listening_at(path: str) -> socket.socket:
    """A socket bound to `path`, in place of whatever a process that was killed left there."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = Path(path).with_suffix(".new")
    fresh.unlink(missing_ok=True)
    listening.bind(str(fresh))
    fresh.rename(path)  # a caller finds either socket, never none
    return listening


def main(plan_path: str, name: str) -> None:
    """Run the worker of backend `name` in the plan at `plan_path`."""
    plan = read_plan(plan_path)
    with logs.setup(sys.stderr, f"worker {name}"):
        run(partial(work, plan, name), loop=plan.config.server.loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
