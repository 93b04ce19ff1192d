"""What each key of chorus.toml means, in one line, for the schema and for `chorus init`.

The types say the rest: what is expected, and the default. A key without a line here works all the same.
"""

from collections.abc import Mapping
from types import MappingProxyType

from server.composites import KINDS
from server.key import Key

SERVER = {
    "host": Key("the address to listen on; 0.0.0.0 lets other machines in"),
    "port": Key("the port to listen on; 0 picks a free one"),
    "default": Key("what POST /predict asks; unless given the first ensemble, else the first backend"),
    "max_timeout_ms": Key("no request gets more time than this"),
    "max_body_bytes": Key("a longer request is refused"),
    "access_log": Key("one log line for each request"),
    "loop": Key("the event loop"),
    "fronts": Key("processes that take requests, all on the one port; --workers on the command line"),
    "max_connections": Key("of all fronts; more wait. Unless given as many as open files are allowed", 1000),
    "hung_ms": Key("a process that gives no sign of life for so long is replaced; 0: never"),
    "min_in_flight": Key("the bound on requests under way, for each name that is asked, adapts, but not below this"),
    "max_in_flight": Key("nor above this, of all names together; of each front"),
    "brown_out": Key("under overload, do without members that are not needed for an answer before refusing requests"),
    "header_timeout_ms": Key("a connection on which a request's head takes longer to come is closed"),
    "body_timeout_ms": Key("a body that takes longer to come is refused: 408"),
    "write_timeout_ms": Key("a connection that takes longer to take its answer is closed"),
    "max_bodies_bytes": Key("of all requests under way, of each front; from 85 % on large ones are refused"),
    "max_memory_bytes": Key("of each front; from 90 % on requests are refused; unless given it is not watched", 2**30),
}
BACKEND = {
    "model": Key("name, name@alias or name@version in the registry; of a remote, its name over there"),
    "timeout_ms": Key("the longest that one call may take; unless given the caller's deadline", 500),
    "limit": Key("so many calls may be under way"),
    "queue": Key("so many more may wait; the next is refused at once"),
    "batch": Key("requests that come at once are asked as one; unless given only models of the registry", True),
    "breaker": Key("leave an address alone that fails, and try it now and then"),
    "retry": Key("try once more where that can help, does no harm, and is needed for an answer"),
    "hedge": Key("ask another replica, too, when one takes longer than nearly always; the first answer counts"),
    "cache": Key(
        "give answers again for ttl_s seconds; true: 10000 of them for a minute", {"entries": 10000, "ttl_s": 60}
    ),
    "coalesce": Key("ask once for those who ask the same at the same time"),
    "idempotent": Key("asking twice does no more than asking once; false: it is never tried again"),
    "cost": Key("of a call, in any unit; over 0: no call is made that may turn out not to be needed"),
    "inline": Key("in the server's own process: less isolation, less latency"),
    "processes": Key("so many workers, each with the model; one that fails or is busy leaves the call to another"),
    "threads": Key("for one call"),
    "canary_key": Key(
        "what always gets the same one of champion and canary; unless given the request", "parameters.user"
    ),
    "python": Key("a function of yours, called with the columns by name", "rules:predict"),
    "path": Key("the folder that its module is in, seen from this file"),
    "nullable": Key("a number may be missing"),
    "example": Key("one row, to try the function with at the start, and to show callers", [5.1, 3.5]),
    "url": Key("the address of a server of the Open Inference Protocol v2, or a list of them", "http://127.0.0.1:8000"),
    "features": Key("the names of the columns, in the order of its input", ["length", "width"]),
    "labels": Key("in the order of its probabilities", ["no", "yes"]),
    "task": Key("what it answers with: probabilities, a number, or tensors for others to be asked about"),
    "input": Key("the name of its input tensor"),
    "inputs": Key("where each feature is a tensor of its own, their names by feature", {"length": "x1", "width": "x2"}),
    "datatype": Key("of its input, over there"),
    "gives": Key("whether its output is probabilities, or only a label per row, which then counts as certain"),
    "binary": Key("send tensors as raw bytes; false for servers that take JSON only, such as MLServer"),
    "throttle": Key("in any period_s seconds at most rate calls begin, at each address", {"rate": 200, "period_s": 1}),
    "output": Key("the name of its output tensor; unless given that of a Chorus: predictions of a regression, ..."),
    "outputs": Key("what a transform gives: columns, name or name:DATATYPE, or tensors, name:DATATYPE[3,4]"),
    "temperature": Key("divides the logarithms of its probabilities: over 1 makes it less sure of itself", 1.5),
}
TIMEOUT = {"timeout_ms": Key("how long an answer may take, where the request does not say", 1000)}

KEYS: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        "server": SERVER,
        "registry": {"path": Key("the folder of the models, seen from this file")},
        "debug": {
            "enabled": Key("the routes under /debug; unless given only where just this machine can ask", True),
            "drills": Key("whether faults may be played on the running server: chorus drill"),
        },
        "backends": BACKEND,
        **{kind.table: {**TIMEOUT, **kind.keys} for kind in KINDS},
    }
)
"""By the table, whatever kind of backend it is."""

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "server": "Where to listen and what to accept.",
        "registry": "Where the models are.",
        "debug": "Whether the debug routes are there.",
        "backends": "What can be asked, each under its name.",
        **{kind.table: kind.about for kind in KINDS},
    }
)


def key_of(table: str, name: str) -> Key | None:
    """What is known of `name` in `[table]` or `[table.NAME]`."""
    return KEYS.get(table, {}).get(name)
