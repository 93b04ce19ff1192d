"""`GET /debug/fronts`: the processes that take requests."""

import os
from collections.abc import Callable

import msgspec
from aiohttp import web

from server.about import json_response
from server.peers import PEERS, Kind


class About(msgspec.Struct, frozen=True):
    """One front: its connections now, the most it takes, and how many it has accepted."""

    name: str
    pid: int
    connections: int
    max_connections: int
    accepted: int


ABOUT: web.AppKey[Callable[[], About]] = web.AppKey("about")


def about(name: str, *, connections: int, most: int, accepted: int) -> About:
    """This process."""
    return About(name, os.getpid(), connections, most, accepted)


async def fronts(request: web.Request) -> web.Response:
    """All of them."""
    heard = await request.app[PEERS].ask(Kind.ABOUT, None, About)
    shown = sorted([request.app[ABOUT](), *heard.said], key=lambda one: one.name)
    return json_response({"fronts": shown, "missing": heard.missing})
