"""What can become of a request that gets no answer."""

from typing import Literal

Kind = Literal["refused", "reset", "closed", "timeout", "malformed", "connect", "not sent", "interrupted"]
"""`closed`: before the whole answer; `connect`: neither refused nor done; `not sent`: no connection was free in time;
`interrupted`: by whoever ended the run, and no failure."""


def kind_of(error: BaseException) -> Kind:
    """The kind of what a socket said."""
    match error:
        case ConnectionRefusedError():
            return "refused"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "reset"
        case TimeoutError():
            return "timeout"
    return "connect"
