"""Request ids: the caller's own where it is harmless, else a ULID, which sorts by time."""

import os
import random
import re
import time

HEADER = "X-Request-Id"

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]  # of ten bits
_RANDOM = random.Random(os.urandom(32))  # noqa: S311 - ids must differ, they are no secrets
_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


def request_id(given: str | None) -> str:
    """`given` if it can stand in a header and a log line, else a new ULID."""
    return given if given and _HARMLESS.fullmatch(given) else ulid()


def traceparent(given: str | None) -> str:
    """`given` if it is a W3C traceparent, else nothing.

    Source: https://www.w3.org/TR/trace-context/#traceparent-header-field-values (all zeros and version ff are invalid)
    """
    return given if given and _TRACE.fullmatch(given) else ""


def ulid() -> str:
    """48 bits of wall-clock milliseconds, then 80 random bits, in Crockford's base 32.

    Source: https://github.com/ulid/spec
    """
    number = int(time.time() * 1000) << 80 | _RANDOM.getrandbits(80)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
