"""The socket that a server listens on."""

import errno
import socket
import time

from server.config import ConfigError
from server.listening import chorus_at, words_for

BIND_SECONDS = 2.0  # how long the front of a server that was just killed may still hold the port


def bound(host: str, port: int) -> socket.socket:
    """The listening socket. A port in use is tried again for a moment.

    Raises:
        ConfigError: it cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + BIND_SECONDS
    while True:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(1024)
        except OSError as error:
            listening.close()
            if time.monotonic() > until:
                raise ConfigError(f"cannot listen on {host}:{port}: {_why(error, host, port)}; try --port") from error
            time.sleep(0.05)
        else:
            return listening


def _why(error: OSError, host: str, port: int) -> str:
    words = (error.strerror or str(error)).lower()
    return f"{words} {words_for(chorus_at(host, port))}" if error.errno == errno.EADDRINUSE else words
