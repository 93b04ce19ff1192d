"""One model in one process: the whole surface, without a configuration file, a supervisor or workers.

So there is nobody who would start it anew; and a model that crashes takes its server along.
"""

import asyncio
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

from backends.served import Served
from models.registry import Registry, valid_name
from server import collecting
from server.app import make_app, routes_of
from server.compose import composed
from server.composition import Current
from server.config import ConfigError
from server.descriptors import most_connections, raised_limit
from server.draining import drain
from server.fronts import ABOUT, about
from server.kinds import Backend
from server.limits import limits_of
from server.logs import Log
from server.middleware import ACCESS
from server.overrides import absolute, overrule
from server.plan import DRAIN_SECONDS, Plan, make_plan
from server.serving import serving
from server.settings import Config, LocalSettings, RegistrySettings, ServerSettings
from server.switching import SWITCHING, switching_alone

STOP_SECONDS = DRAIN_SECONDS + 1.0
JOIN_SECONDS = 1.0

OnReady = Callable[[Served], None]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def settings_of(
    overrides: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> tuple[ServerSettings, Registry]:
    """What the command line and the environment say of the server and of the registry, the one here unless they do.

    Raises:
        ConfigError: with all that is wrong.
    """
    values: dict[str, Any] = {"registry": absolute(Path(), RegistrySettings().path)}
    _, mistakes = overrule(values, overrides, environ)
    if mistakes:
        raise ConfigError(*mistakes)
    values.pop("default", None)  # there is but one
    if values.pop("fronts", 1) != 1:
        raise ConfigError("--workers: one model alone is served by one process; for more, name it in a chorus.toml")
    return ServerSettings(**{key: value for key, value in values.items() if key != "registry"}), Registry(
        Path(values["registry"])
    )


def plan_of(name: str, reference: str, registry: Registry, server: ServerSettings, folder: Path) -> Plan:
    """The plan of a server of the one model `reference`, under `name`.

    Raises:
        UnknownName, RegistryError: it is not there, or cannot be read.
    """
    backends: dict[str, Backend] = {name: LocalSettings(model=reference, inline=True)}
    config = Config(registry=RegistrySettings(path=str(registry.path)), server=server, backends=backends)
    return make_plan(config, registry, folder)


def plain_name(model: str) -> str:
    """What a model is served as, unless it is named: the last part of `model`, and nothing that a name cannot hold."""
    last = model.partition("@")[0].rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._-]", "-", last).strip(".")[:56]
    return name if name and not name.isdigit() else f"model-{name}".rstrip("-")


def checked_name(name: str) -> str:
    """`name`, if a model can be called so.

    Raises:
        ConfigError: it cannot.
    """
    if not (_NAME.fullmatch(name) and valid_name(name)):
        raise ConfigError(f"--name: 1 to 64 of letters, digits, '.', '_' and '-', and not digits alone, got {name!r}")
    return name


def run(plan: Plan, listening: socket.socket, log: Log, on_ready: OnReady) -> None:
    """Serve `plan` on `listening` until a signal says stop; a second one says at once."""
    factory = uvloop.new_event_loop if plan.config.server.loop == "uvloop" else asyncio.SelectorEventLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            runner.run(_main(plan, listening, log, on_ready))
        except asyncio.CancelledError:
            logging.getLogger(__name__).warning("told to stop twice; what was under way has got no answer")


async def _main(plan: Plan, listening: socket.socket, log: Log, on_ready: OnReady) -> None:
    server = plan.config.server
    stopping = Stopping()
    limits = limits_of(server)
    async with composed(plan, {}) as composition:
        current = Current(composition)
        app = make_app(current, limits, with_debug=plan.config.debug_enabled)
        if server.access_log:
            app[ACCESS] = log
        app[SWITCHING] = switching_alone()
        app[SWITCHING].attach(current)
        most = most_connections(plan.config, raised_limit())
        door = serving(app, routes_of(app), listening, most=most)
        app[ABOUT] = lambda: about("front", connections=door.connections, most=most, accepted=door.accepting.accepted)
        async with door:
            collecting.settle()
            on_ready(composition.find(composition.default))
            await stopping.told.wait()
            current.drain()
            await drain(door, limits.longest, hurried=stopping.hurried)


class Stopping:
    """What signals say: stop; and, the second time, at once. Ends the process if it cannot."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.hurried = False  # by someone at a terminal
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._signalled, sign)

    def _signalled(self, sign: signal.Signals) -> None:
        self.hurried = sign == signal.SIGINT
        if self.told.is_set():
            if self._task is not None:
                self._task.cancel()
            return
        self.told.set()
        watchdog = threading.Timer(STOP_SECONDS, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()


def leave() -> None:
    """End the process, even if a model hangs in its thread: the interpreter would wait for that without end."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(JOIN_SECONDS)
            if thread.is_alive():
                sys.stdout.flush()
                os._exit(0)
