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
from server.config import ConfigError

PREFIX = "chorus-"
LOCK = "lock"
LONGEST_PATH = 107  # bytes, of a socket; the system's limit is 108 with the closing zero


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder with mode 0700 that lives as long as we do; what servers that were killed left is removed first.

    Raises:
        ConfigError: it cannot be made.
    """
    base = base_folder()
    remove_stale(base)
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"no folder can be made in {base}: {why}; set XDG_RUNTIME_DIR to one of yours") from error
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


def short_enough(path: str) -> str:
    """`path`, if a socket can have it.

    Raises:
        ConfigError: it is too long.
    """
    if (length := len(path.encode())) > LONGEST_PATH:
        problem = f"the socket path {path} is too long, {length} bytes of at most {LONGEST_PATH}"
        raise ConfigError(f"{problem}; set XDG_RUNTIME_DIR to a short folder")
    return path


def listening_at(path: str) -> socket.socket:
    """A socket that listens at `path`, in place of whatever a process that was killed left there.

    Raises:
        ConfigError: the path is too long.
    """
    short_enough(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = Path(path).with_suffix(".new")
    fresh.unlink(missing_ok=True)
    listening.bind(str(fresh))
    listening.listen(BACKLOG)
    fresh.rename(path)  # a caller finds either socket, never none
    return listening
