"""The process that the world talks to: one composition behind a listening socket, which other fronts may share."""

import socket
import sys
from contextlib import closing
from typing import Any

from aiohttp import web

from server import collecting, logs
from server.answers import answers_of
from server.app import make_app, routes_of
from server.board import Board
from server.child import Parent, run, tell
from server.compose import Composer
from server.descriptors import most_connections, raised_limit
from server.draining import drain
from server.fronts import ABOUT, about
from server.kept import KEPT, kept_of
from server.limits import limits_of
from server.logs import Log
from server.middleware import ACCESS
from server.peers import PEERS, answering_peers, peers_of
from server.plan import Plan, read_plan
from server.serving import serving
from server.succession import Succession
from server.switching import SWITCHING, Switching
from server.threads import take_short_turns


class Front:
    """The front number `index` of `plan`."""

    def __init__(self, plan: Plan, index: int, listening: socket.socket, log: Log) -> None:
        self._plan = plan
        self._index = index
        self._listening = listening
        self._log = log
        self._peers = peers_of(plan, index)
        self._switching = Switching(self._peers, tell)
        self._succession = Succession(plan, index, self._switching, tell)
        self._succeeded = False

    def hear(self, message: dict[str, Any]) -> None:
        """A line from the supervisor: what is switched, whether another accepts, or about workers and plans."""
        if "disabled" in message:
            self._switching.hear(message)
        elif "succeeded" in message:
            self._succeeded = True
        else:
            self._succession.hear(message)

    async def main(self, parent: Parent) -> None:
        """Serve until the supervisor says stop, then finish what is under way."""
        config = self._plan.config
        limits = limits_of(config.server)
        await self._switching.introduced.wait()
        async with Composer() as composer:
            current = await self._succession.first(composer)
            app = make_app(current, limits, with_debug=config.debug_enabled)
            if config.server.access_log:
                app[ACCESS] = self._log
            most = most_connections(config, raised_limit())
            door = serving(app, routes_of(app), self._listening, most=most, board=self._board())
            self._equip(app, door)
            with closing(self._peers):
                async with answering_peers(self._plan, self._index, answers_of(app)), door:
                    collecting.settle()
                    parent.tell(ready=True)
                    await parent.stop.wait()
                    current.drain()
                    await drain(door, limits.longest, succeeded=self._succeeded, hurried=parent.hurried)

    def _equip(self, app: web.Application, door: serving) -> None:
        """What the routes need to speak for the whole server."""
        name = self._plan.front_name(self._index)
        app[PEERS] = self._peers
        app[SWITCHING] = self._switching
        app[ABOUT] = lambda: about(name, connections=door.connections, most=door.most, accepted=door.accepting.accepted)
        if self._peers.names:
            app[KEPT] = kept_of(self._plan, self._index)

    def _board(self) -> Board | None:
        """Where the fronts see how many connections each has; one alone does not look."""
        return Board(self._plan.board, self._index) if self._peers.names else None


def main(plan_path: str, listening: str, index: str) -> None:
    """Run the front number `index` of the plan at `plan_path` on the inherited socket `listening`."""
    take_short_turns()
    plan = read_plan(plan_path)
    with logs.setup(sys.stderr, plan.front_name(int(index))) as logging_:
        front = Front(plan, int(index), socket.socket(fileno=int(listening)), logging_.log)
        run(front.main, loop=plan.config.server.loop, on_message=front.hear)


if __name__ == "__main__":
    main(*sys.argv[1:])
