"""What a request, and all requests together, may take."""

from dataclasses import dataclass

from aiohttp import web

from server.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Limits:
    """`longest`, of a deadline, and the three timeouts are in seconds; `least` and `most` bound what is under way."""

    longest: float = 60.0
    max_body_bytes: int = 16 << 20
    max_bodies_bytes: int = 64 << 20
    max_memory_bytes: int | None = None
    header_timeout: float = 10.0
    body_timeout: float = 15.0
    write_timeout: float = 30.0
    least: int = 8
    most: int = 1024


def too_large(longest: int) -> str:
    """What is said to whoever sends a longer body."""
    return f"the body is over {longest} bytes, the most that [server] max_body_bytes allows"


LIMITS: web.AppKey[Limits] = web.AppKey("limits", Limits)


def limits_of(server: ServerSettings) -> Limits:
    """Those of `[server]`."""
    return Limits(
        longest=server.max_timeout_ms / 1e3,
        max_body_bytes=server.max_body_bytes,
        max_bodies_bytes=server.max_bodies_bytes,
        max_memory_bytes=server.max_memory_bytes,
        header_timeout=server.header_timeout_ms / 1e3,
        body_timeout=server.body_timeout_ms / 1e3,
        write_timeout=server.write_timeout_ms / 1e3,
        least=server.min_in_flight,
        most=server.max_in_flight,
    )
