"""What a front has shown of its counters, in a file, so that the sum over all fronts never falls.

Prometheus takes a counter that falls for one that began anew, and counts all of it once more: with one of two fronts
killed, a million requests too many. So a front keeps its counters before it shows them to anyone. When it is gone, or
silent, they are read there; and the front that takes its place goes on from them.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from aiohttp import web

from server.families import Family, added, additive
from server.plan import Plan

log = logging.getLogger(__name__)

SUFFIX = "counters"
_DECODER = msgspec.msgpack.Decoder(list[Family])
_ENCODER = msgspec.msgpack.Encoder()


class Kept:
    """The file of one front, at `path`; what its predecessor has left there is counted on. `others` are by name."""

    def __init__(self, path: Path, others: Mapping[str, Path]) -> None:
        self._path = path
        self._others = others
        self._before = read_kept(path)

    def keep(self, families: Iterable[Family]) -> bytes:
        """`families` with those from before, encoded as others may see them; kept first."""
        encoded = _ENCODER.encode(added((families, self._before)))
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            fresh.write_bytes(encoded)
            fresh.replace(self._path)
        except OSError as error:
            log.warning("cannot keep the counters: %s; they will seem to fall if this front dies", error)
        return encoded

    def last_of(self, name: str) -> list[Family]:
        """The counters that were shown last of another front."""
        return read_kept(self._others[name])


def kept_of(plan: Plan, index: int) -> Kept:
    """The file of the front number `index`, and those of the others."""
    others = [other for other in range(plan.config.server.fronts) if other != index]
    return Kept(
        plan.front_path(index, SUFFIX), {plan.front_name(other): plan.front_path(other, SUFFIX) for other in others}
    )


KEPT: web.AppKey[Kept] = web.AppKey("kept", Kept)


def decoded(encoded: bytes | memoryview) -> list[Family]:
    """What `keep` has encoded."""
    return _DECODER.decode(encoded)


def read_kept(path: Path) -> list[Family]:
    """The counters at `path`; none where a front has shown none."""
    try:
        return additive(decoded(path.read_bytes()))
    except (OSError, msgspec.DecodeError):
        return []
