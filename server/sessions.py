"""Clients of HTTP: one for each server, so that none can take the connections, the threads or the names of another."""

from collections.abc import Sequence

import aiohttp

from server.resolver import Resolver

CONNECT_SECONDS = 0.25


def connector_to(resolver: Resolver, limit: int) -> aiohttp.TCPConnector:
    """At most `limit` connections. What `resolver` knows is kept there, and nowhere else."""
    return aiohttp.TCPConnector(limit=limit, resolver=resolver, use_dns_cache=False)


def session_on(connector: aiohttp.BaseConnector, traces: Sequence[aiohttp.TraceConfig] = ()) -> aiohttp.ClientSession:
    """A client of one server: its own connections, and nothing that HTTP could add."""
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        auto_decompress=False,
        trace_configs=list(traces),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    )
    session._retry_connection = False  # `backends.oip` decides what is sent again, and counts it; a test sees to this
    return session
