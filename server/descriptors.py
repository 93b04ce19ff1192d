"""How many connections the limit of open files leaves room for."""

import resource

from server.settings import Config, RemoteSettings

OWN = 48  # pipes, sockets of our own, files that are read now and then; of these a few are spare
WORKER = 4  # connections to one worker
PEER = 2  # to and from another front
ENOUGH = 1 << 16  # descriptors; what the system allows beyond is not asked for
FEWEST = 8  # connections, however few descriptors there are


def raised_limit() -> int:
    """The limit of open files, raised as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def most_connections(config: Config, open_files: int) -> int:
    """How many connections one front may have: its share of `max_connections`, less than there are descriptors."""
    room = max(FEWEST, open_files - reserve(config))
    if config.server.max_connections is None:
        return room
    return min(room, -(-config.server.max_connections // config.server.fronts))


def reserve(config: Config) -> int:
    """The descriptors that a front needs beside its callers'."""
    backends = config.backends.values()
    remote = sum(len(one.urls) * one.limit for one in backends if isinstance(one, RemoteSettings))
    workers = sum(not isinstance(one, RemoteSettings) and not one.inline for one in backends)
    return OWN + remote + WORKER * workers + PEER * (config.server.fronts - 1)
