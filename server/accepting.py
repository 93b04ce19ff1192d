"""The accept loop of one front: it shares the listening socket with the other fronts.

An event loop's own server accepts until nobody waits, so that whichever front wakes first would get all connections.
Here each readiness takes one; who has more than the others looks away for a moment, and who is busy comes late.
(A socket of its own for each front, by SO_REUSEPORT, would strand those who wait at a front that hangs or dies.)
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from server.board import Board

log = logging.getLogger(__name__)

LOOK_AWAY_SECONDS = 0.002
BACKLOG = 1024
FULL_SECONDS = 0.05
TELL_SECONDS = 60.0  # between two words about it in the log
SHORT_SECONDS = 0.5  # of descriptors or memory, which someone else must give back
SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
UNACKNOWLEDGED_MS = 10_000  # a caller that vanished without a word is noticed by what it does not acknowledge


class Accepting:
    """Take connections from `listening`, as long as fewer than `most` are open; the others wait in its backlog.

    So they do while it `is_full` here for other reasons. `connections` counts the open ones; where they are too many,
    `make_room` closes some that nobody needs, if there are any. Stopping closes none.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        *,
        connections: Callable[[], int],
        most: int,
        make_room: Callable[[], object] = lambda: None,
        is_full: Callable[[], bool] = lambda: False,
        board: Board | None = None,
    ) -> None:
        if most < 1:
            raise ValueError(f"most must be positive, got {most}")
        self._listening = listening
        self._protocol = protocol
        self._connections = connections
        self._most = most
        self._make_room = make_room
        self._is_full = is_full
        self._board = board
        self._loop = asyncio.get_running_loop()
        self._handing_over: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._looked_away = False
        self._stopped = False
        self._tell_again = 0.0
        self.accepted = 0

    def start(self) -> None:
        """Begin to accept."""
        self._stopped = False
        prepare(self._listening)
        self._look()

    async def stop(self) -> None:
        """Accept no more; what has been accepted is with its protocol when this returns."""
        self._stopped = True
        if self._pause is not None:
            self._pause.cancel()
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
        if self._handing_over:
            await asyncio.wait(self._handing_over)

    async def finish(self) -> None:
        """Stop for good; who waits in the backlog is taken, as far as there is room, unless that is left to others.

        The socket is closed here; who comes when all who share it have closed it is refused, and can ask elsewhere. To
        shut it down would end it for those, too, who go on.
        """
        if not self._stopped:
            self._loop.remove_reader(self._listening)
            while (open_now := self._connections() + len(self._handing_over)) < self._most and self._accept(open_now):
                pass
        self._listening.close()  # in the same turn of the loop: who comes in between is cut off
        await self.stop()

    def _look(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._readable)

    def _look_away(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._pause = self._loop.call_later(seconds, self._look)

    def _readable(self) -> None:
        """Someone waits; take one connection, unless there are too many here or others should."""
        open_now = self._connections() + len(self._handing_over)
        if open_now >= self._most or self._is_full():
            self._tell_full(open_now)
            self._make_room()
            self._look_away(FULL_SECONDS)
        elif self._board is not None and not self._looked_away and self._board.has_too_many(open_now):
            self._looked_away = True
            self._look_away(LOOK_AWAY_SECONDS)
        else:
            self._looked_away = False
            self._accept(open_now)

    def _tell_full(self, open_now: int) -> None:
        now = self._loop.time()
        if now >= self._tell_again:
            self._tell_again = now + TELL_SECONDS
            why = f"all {self._most} connections are in use" if open_now >= self._most else "the memory is used up"
            log.warning("%s; others wait until some are closed", why)

    def _accept(self, open_before: int) -> bool:
        """Take one, if there is one."""
        try:
            connection, _ = self._listening.accept()
        except OSError as error:
            if error.errno in SHORT_OF:
                log.warning("no connection can be accepted for %g s: %s", SHORT_SECONDS, error.strerror)
                self._look_away(SHORT_SECONDS)
            return False  # else another front was faster, or the caller has gone again
        self.accepted += 1
        if self._board is not None:
            self._board.write(open_before + 1)
        task = self._loop.create_task(self._hand_over(connection))
        self._handing_over.add(task)
        task.add_done_callback(self._handing_over.discard)
        return True

    async def _hand_over(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # it has gone again
            connection.close()


def prepare(listening: socket.socket) -> None:
    """What accepted connections inherit: small answers leave at once, and vanished callers are noticed."""
    listening.listen(BACKLOG)
    listening.setblocking(False)
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
