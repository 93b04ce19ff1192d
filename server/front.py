"""The process that the world talks to: one composition behind one listening socket."""

import gc
import logging
import socket
import sys
from typing import Any

from aiohttp import web

from backends.served import State
from server import logs
from server.app import make_app, routes_of
from server.child import Parent, run
from server.compose import composed
from server.composition import Current
from server.inference import LIMITS, Limits
from server.logs import Log
from server.middleware import ACCESS
from server.plan import Plan, read_plan
from server.routing import server_of

DRAIN_SECONDS = 10.0
COLLECT = (50_000, 20, 100)  # what a request leaves behind are no circles: look for them rarely


class Front:
    """What the supervisor says about the workers goes into `states`, which the composition reads."""

    def __init__(self, plan: Plan, listening: socket.socket, log: Log) -> None:
        self._plan = plan
        self._listening = listening
        self._log = log
        self._states = {name: State(phase="starting") for name in plan.worker_names()}

    def hear(self, message: dict[str, Any]) -> None:
        """A line from the supervisor: what changed about one worker."""
        state = self._states[message["worker"]]
        state.phase = message["phase"]
        state.pid = message["pid"]
        state.restarts = message["restarts"]

    async def main(self, parent: Parent) -> None:
        """Serve until the supervisor says stop, then finish what is under way."""
        config = self._plan.config
        limits = Limits(config.server.max_timeout_ms / 1e3, config.server.max_body_bytes)
        async with composed(self._plan, self._states) as composition:
            current = Current(composition)
            app = make_app(current, limits, with_debug=config.debug_enabled)
            if config.server.access_log:
                app[ACCESS] = self._log
            async with serving(app, self._listening):
                gc.freeze()
                gc.set_threshold(*COLLECT)
                parent.tell(ready=True)
                await parent.stop.wait()
                current.draining = True


class serving:  # noqa: N801 - reads as a phrase
    """Serve `app` on a listening socket; at the end, stop accepting and finish what is under way."""

    def __init__(self, app: web.Application, listening: socket.socket) -> None:
        # malformed HTTP is its caller's error, not ours; what handlers raise is caught and logged in the middleware
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        self._app = app
        self._listening = listening

    async def __aenter__(self) -> None:
        server = server_of(
            self._app,
            routes_of(self._app),
            max_body_bytes=self._app[LIMITS].max_body_bytes,
            access_log=None,  # `server.middleware` writes our own, with the request id
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=75,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listening, backlog=1024).start()

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()


def main(plan_path: str, listening: str) -> None:
    """Run the front of the plan at `plan_path` on the inherited socket `listening`."""
    plan = read_plan(plan_path)
    with logs.setup(sys.stderr, "front") as logging_:
        front = Front(plan, socket.socket(fileno=int(listening)), logging_.log)
        run(front.main, loop=plan.config.server.loop, on_message=front.hear)


if __name__ == "__main__":
    main(*sys.argv[1:])
