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
    return _ULIDS.next(int(time.time() * 1000))


class Ulids:
    """Those of one millisecond count on from a random number, as the specification has it ("monotonicity")."""

    def __init__(self) -> None:
        self._millisecond = -1
        self._first = ""
        self._count = 0

    def next(self, millisecond: int) -> str:
        """One more; all are different, and sort by `millisecond` and then in the order in which they were made."""
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            self._first = _base32(millisecond << 40 | _RANDOM.getrandbits(40), 90)[:18]
            self._count = _RANDOM.getrandbits(39)
        self._count += 1
        count = self._count
        last = _PAIRS[count >> 30 & 1023] + _PAIRS[count >> 20 & 1023] + _PAIRS[count >> 10 & 1023]
        return self._first + last + _PAIRS[count & 1023]


def _base32(number: int, bits: int) -> str:
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(bits - 10, -1, -10)])


_ULIDS = Ulids()
