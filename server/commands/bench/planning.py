"""From what the command line asks for to a load and an objective."""

from models.errors import InvalidRequest
from server.bench.load import Load
from server.bench.objective import Objective
from server.bench.requests import READERS, requests_of
from server.bench.target import Target
from server.commands.bench.options import MOST_CONNECTIONS, Options
from server.commands.bench.subject import Subject

PATIENCE_S = 10.0  # for an answer, beyond the time that the server has for it
RAMP_SHARE = 0.999


def objective_of(options: Options, subject: Subject) -> Objective:
    """What is given; a ramp needs both, and has them."""
    p99_ms, share = options.p99_ms, options.share
    if options.ramp:
        p99_ms = p99_ms or options.timeout_ms or subject.timeout_ms
        share = RAMP_SHARE if share is None else share
    return Objective(p99_ms=p99_ms, share=share, degraded=options.degraded)


def load_of(url: str, subject: Subject, options: Options) -> Load:
    """What is sent.

    Raises:
        InvalidRequest: a row cannot be written in this protocol.
    """
    target = Target.at(url)
    timeout = {} if options.timeout_ms is None else {"X-Request-Timeout-Ms": f"{options.timeout_ms:g}"}
    try:
        requests = requests_of(
            target, subject.model, subject.rows, options.protocol,
            rows_each=options.rows_each, parameters=options.parameters, headers=timeout,
        )  # fmt: skip
    except ValueError as error:
        raise InvalidRequest(f"{subject.source}: {error}") from error
    patience = PATIENCE_S + (options.timeout_ms or subject.timeout_ms) / 1e3
    connections = options.connections or MOST_CONNECTIONS
    return Load(target, requests, READERS[options.protocol], connections, patience)
