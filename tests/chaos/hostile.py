"""Answers that no server should give, and what should be said of whoever gives them."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache

from tests.chaos.faults import Answer

HUGE = 100 * 10**6
PIECE = b"1" * (1 << 16)
BOMB_MB = 50  # that come to 50 kB, which is less than an answer may have
DRIP_S = 0.05


@dataclass(frozen=True, slots=True)
class Hostile:
    """An answer, and the fate and reason of a member that gives it."""

    name: str
    answer: Answer
    fate: str = "failed: invalid"


def said(body: bytes, *headers: str, status: str = "200 OK") -> Answer:
    """A whole answer; with its length unless `headers` say something about that."""
    lines = list(headers)
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *lines, ""))
    return raw(head.encode("latin-1") + body)


def raw(*pieces: bytes) -> Answer:
    """These bytes."""

    async def answer() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return answer


def broken(*pieces: bytes) -> Answer:
    """These bytes, and then a reset."""

    async def answer() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        raise ConnectionResetError("as it was told to")

    return answer


def numbers(data: str, shape: str = "[1,2]", model: str = "m", name: str = "probabilities") -> Answer:
    """An answer of the protocol in JSON."""
    output = f'{{"name":"{name}","datatype":"FP64","shape":{shape},"data":{data}}}'
    return said(f'{{"model_name":"{model}","outputs":[{output}]}}'.encode(), "Content-Type: application/json")


async def huge() -> AsyncIterator[bytes]:
    """A hundred megabytes of a number."""
    yield f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {HUGE}\r\n\r\n".encode()
    for _ in range(0, HUGE, len(PIECE)):
        yield PIECE


async def huge_chunks() -> AsyncIterator[bytes]:
    """The same without saying how much it will be."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(0, HUGE, len(PIECE)):
        yield b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
    yield b"0\r\n\r\n"


async def drip() -> AsyncIterator[bytes]:
    """A byte at a time, for longer than anybody waits."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
    for _ in range(4000):
        await asyncio.sleep(DRIP_S)
        yield b" "


async def silence() -> AsyncIterator[bytes]:
    """Nothing, for as long as anybody waits."""
    await asyncio.Event().wait()
    yield b""


@cache
def bomb() -> bytes:
    """Little that becomes much. It takes a while to make, once."""
    return gzip.compress(bytes(BOMB_MB << 20))


def answers(canary: str) -> list[Hostile]:
    """All of them; `canary` is an address that nobody should be led to."""
    html = b"<html><body>502 Bad Gateway</body></html>"
    return [
        Hostile("an error page as 200", said(html, "Content-Type: text/html")),
        Hostile("nothing at all as 200", said(b"")),
        Hostile("a list where an object belongs", said(b"[0.5, 0.5]", "Content-Type: application/json")),
        Hostile("NaN", numbers("[NaN,NaN]")),
        Hostile("1e999", numbers("[1e999,0]")),
        Hostile("null", numbers("[null,1]")),
        Hostile("probabilities of 3 in all", numbers("[1.5,1.5]")),
        Hostile("no row", numbers("[]", "[0,2]")),
        Hostile("a label too many", numbers("[0.2,0.3,0.5]", "[1,3]")),
        Hostile("fewer numbers than its shape", numbers("[1]")),
        Hostile("a shape of 10^18 rows", numbers("[1,0]", "[1000000000000000000,2]")),
        Hostile("another model's name", numbers("[0.5,0.5]", model="other")),
        Hostile("another output", numbers("[0.5,0.5]", name="other")),
        Hostile("lists 100,000 deep", numbers("[" * 100_000 + "]" * 100_000)),
        Hostile("100 MB", huge),
        Hostile("100 MB in chunks", huge_chunks),
        Hostile("a gzip bomb", said(bomb(), "Content-Type: application/json", "Content-Encoding: gzip")),
        Hostile("a redirect", said(b"", f"Location: {canary}/", status="307 Temporary Redirect")),
        Hostile("a header without a colon", said(b"", "no colon here")),
        Hostile("control characters in a header", said(b"{}", "X: a\x00\x01b")),
        Hostile("two different lengths", said(b"{}", "Content-Length: 2", "Content-Length: 3")),
        Hostile("a negative length", said(b"{}", "Content-Length: -1")),
        Hostile("a header of 1 MB", said(b"{}", "X: " + "a" * 10**6)),
        Hostile("no HTTP", raw(b"SSH-2.0-OpenSSH_9.7\r\n")),
        Hostile("what looks like an answer, as 500", said(b'{"model_name":"m"}', status="500 No"), "failed: http_5xx"),
        Hostile("half of a body", broken(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "failed: reset"),
        Hostile("a reset at once", broken(), "failed: reset"),
        Hostile("a byte each 50 ms", drip, "late: timeout"),
    ]
