"""Where requests go, and their bytes, which are made once."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address; `prefix` is what all its paths begin with."""

    host: str
    port: int
    prefix: str = ""
    encrypted: bool = False

    @classmethod
    def at(cls, url: str) -> "Target":
        """The one of an `http` or `https` URL.

        Raises:
            ValueError: it is none.
        """
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname or split.query or split.port == 0:
            raise ValueError(f"expected an address such as http://127.0.0.1:8080, got {url[:64]!r}")
        encrypted = split.scheme == "https"
        return cls(split.hostname, split.port or (443 if encrypted else 80), split.path.rstrip("/"), encrypted)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """A whole request, ready to be sent as often as one likes."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        lines = {
            "Host": f"{host}:{self.port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {self.prefix}{path} HTTP/1.1\r\n{head}\r\n".encode() + body

    async def resolved(self) -> "Address":
        """Its address: of several the first that can be connected to, else the last.

        Raises:
            OSError: the name has none.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        tls = ssl.create_default_context() if self.encrypted else None
        addresses = [Address(str(info[4][0]), self.port, tls, self.host if tls else None) for info in found]
        for address in addresses[:-1]:
            try:
                transport, _ = await loop.create_connection(asyncio.Protocol, address.host, address.port)
            except OSError:
                continue
            transport.close()
            return address
        return addresses[-1]


@dataclass(frozen=True, slots=True)
class Address:
    """What a connection is opened to; `host` is a number, so that nothing has to be looked up again."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    name: str | None
