"""What fronts answer when the supervisor tells them of another plan."""

import asyncio
from collections.abc import Mapping

from server.process import Process

WORDS = ("composed", "swapped", "released")


class Replies:
    """Each is waited for by its front, its word, and the number of the plan; a reason instead is `refused`."""

    def __init__(self) -> None:
        self._expected: dict[tuple[Process, str, int], asyncio.Future[str]] = {}

    def expect(self, front: Process, word: str, number: int) -> asyncio.Future[str]:
        """What will be said: nothing if it is that word, else why not."""
        key = (front, word, number)
        future = self._expected[key] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self._expected.pop(key, None))
        return future

    def hear(self, front: Process, message: Mapping[str, object]) -> bool:
        """Take `message`, if it is a reply."""
        for word in WORDS:
            if word in message:
                self._settle("", front, word, message[word])
                return True
        if "refused" in message:
            self._settle(str(message.get("why")), front, None, message["refused"])
            return True
        return False

    def lost(self, front: Process) -> None:
        """It is gone, and says nothing any more."""
        self._settle("it ended meanwhile", front, None, None)

    def _settle(self, said: str, front: Process, word: str | None, number: object) -> None:
        """All that is expected of `front`, of one word and number where they are given."""
        for (of, what, plan), future in list(self._expected.items()):
            if of is front and word in (None, what) and number in (None, plan) and not future.done():
                future.set_result(said)
