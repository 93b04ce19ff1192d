"""The private folder of one running server, for its sockets and its plan."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.channel.answering import BACKLOG

PREFIX = "chorus-"
LOCK = "lock"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder with mode 0700 that lives as long as we do; what servers that were killed left is removed first."""
    base = base_folder()
    remove_stale(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system lets go of it however we end
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def base_folder() -> Path:
    """Where those of all our servers are."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())


def remove_stale(base: Path) -> None:
    """Remove our folders in `base` that nobody holds any more."""
    for folder in base.glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, BlockingIOError):  # another server's, alive or just being made
            continue


def listening_at(path: str) -> socket.socket:
    """A socket that listens at `path`, in place of whatever a process that was killed left there."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = Path(path).with_suffix(".new")
    fresh.unlink(missing_ok=True)
    listening.bind(str(fresh))
    listening.listen(BACKLOG)
    fresh.rename(path)  # a caller finds either socket, never none
    return listening
