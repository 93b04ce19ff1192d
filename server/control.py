"""What a running server can be told, by whoever may open a socket in its private folder.

Each line is a JSON object. `about` says which server this is; `reload` what becomes of it, line by line; `hand-over`
gives the listening socket to another server, and has this one leave when that says so.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from models.errors import ChorusError
from server.config import ConfigError
from server.folder import listening_at
from server.reloading import Reloading
from server.source import Source
from server.supervisor import Supervisor

SOCKET = "control.sock"
MOST_BYTES = 1 << 16
WRONG = "expected about, reload or hand-over"


class About(msgspec.Struct, frozen=True):
    """A server that runs: its supervisor, where it listens, and what it was started with."""

    pid: int
    host: str
    port: int
    config: str
    registry: str


class Control:
    """One server's side."""

    def __init__(self, supervisor: Supervisor, reloading: Reloading, source: Source) -> None:
        self._supervisor = supervisor
        self._reloading = reloading
        self._source = source

    async def talk(self, line: "Line") -> None:
        """One conversation."""
        asked = await line.hear()
        todo: Mapping[str, Callable[[Line, dict[str, Any]], Awaitable[None]]] = {
            "about": self._about,
            "reload": self._reload,
            "hand-over": self._hand_over,
        }
        await todo.get(str(asked.get("do")), _wrong)(line, asked)

    async def _about(self, line: "Line", _asked: dict[str, Any]) -> None:
        plan = self._supervisor.plan
        host, port = self._supervisor.listening.getsockname()[:2]
        about = About(os.getpid(), host, port, str(self._source.path.resolve()), plan.config.registry.path)
        await line.say(done=about)

    async def _reload(self, line: "Line", asked: dict[str, Any]) -> None:
        def progress(text: str) -> None:
            said.put_nowait({"progress": text})

        async def reload() -> None:
            try:
                said.put_nowait({"done": await self._reloading.reload(progress, restart=bool(asked.get("restart")))})
            except (ChorusError, ConfigError, OSError) as error:
                said.put_nowait({"error": str(error)})
            except BaseException as error:
                said.put_nowait({"error": f"it ended meanwhile ({type(error).__name__})"})
                raise

        said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        task = asyncio.create_task(reload())  # which goes on if nobody listens any more
        while True:
            message = await said.get()
            await line.say(**message)
            if "progress" not in message:
                return await task

    async def _hand_over(self, line: "Line", _asked: dict[str, Any]) -> None:
        line.hand(self._supervisor.listening)
        if (await line.hear()).get("do") == "leave":
            self._supervisor.succeeded = True
            self._supervisor.stopping.set()
            await line.say(done="leaving")


async def _wrong(line: "Line", _asked: dict[str, Any]) -> None:
    await line.say(error=WRONG)


class Line:
    """A connection, as lines."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""

    async def hear(self) -> dict[str, Any]:
        """The next line; an empty object at the end, and where it is none."""
        while b"\n" not in self._rest and len(self._rest) < MOST_BYTES:
            chunk = await asyncio.get_running_loop().sock_recv(self._connection, MOST_BYTES)
            if not chunk:
                return {}
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            return {}

    async def say(self, **message: object) -> None:
        """Send one line."""
        await asyncio.get_running_loop().sock_sendall(self._connection, msgspec.json.encode(message) + b"\n")

    def hand(self, listening: socket.socket) -> None:
        """Send a socket along with an empty line."""
        socket.send_fds(self._connection, [b"\n"], [listening.fileno()])


@asynccontextmanager
async def controlled(folder: Path, control: Control, stopping: asyncio.Event) -> AsyncIterator[None]:
    """Answer whoever connects; nobody finds us any more once we are `stopping`."""
    with listening_at(str(folder / SOCKET)) as listening:
        listening.setblocking(False)
        tasks = [asyncio.create_task(_accept(listening, control)), asyncio.create_task(_hide(folder, stopping))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _hide(folder: Path, stopping: asyncio.Event) -> None:
    await stopping.wait()
    os.unlink(folder / SOCKET)  # noqa: PTH108 - which takes no time


async def _accept(listening: socket.socket, control: Control) -> None:
    talks: set[asyncio.Task[None]] = set()
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listening)
        talk = asyncio.create_task(_talk(connection, control))
        talks.add(talk)
        talk.add_done_callback(talks.discard)


async def _talk(connection: socket.socket, control: Control) -> None:
    with connection:
        connection.setblocking(False)
        try:
            await control.talk(Line(connection))
        except OSError:  # who asked has gone
            return


async def supervised(supervisor: Supervisor, source: Source, on_ready: Callable[[], None]) -> None:
    """Run `supervisor`, and do what it is told meanwhile: here, and by SIGHUP.

    Raises:
        ChildError: a front cannot start.
    """
    reloading = Reloading(supervisor, source)
    at_terminal, reloads = os.isatty(0), set[asyncio.Task[None]]()

    def hung_up() -> None:
        if at_terminal and not os.isatty(0):  # it was closed, which is no wish for a reload
            supervisor.stopping.set()
            return
        task = asyncio.create_task(reloading.logged())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up)
    async with controlled(Path(supervisor.plan.folder), Control(supervisor, reloading, source), supervisor.stopping):
        await supervisor.run(on_ready)
