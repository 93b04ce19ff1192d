"""Why there is no answer: an error of `models.errors` as the bytes of a failure frame, and back.

An error arrives as the class it was raised as, so that fate and reason are those of the process where it happened. But
what was shed there was not shed here; and what is none of our errors is a bug there, of which only its log says more.
"""

import logging

import msgspec

from models import errors
from models.errors import ChorusError, InvalidRequest, ModelFailed, Overloaded, RemoteOverloaded

log = logging.getLogger(__name__)

_KINDS: dict[str, type[ChorusError]] = {
    kind.__name__: kind
    for kind in (
        errors.InvalidRequest,
        errors.UnknownName,
        errors.BackendError,
        errors.DeadlineExceeded,
        errors.LateInQueue,
        errors.Starved,
        errors.ConnectFailed,
        errors.ConnectionLost,
        errors.ServerFault,
        errors.ModelFailed,
        errors.InvalidAnswer,
        errors.RemoteOverloaded,
        errors.InputRejected,
        errors.SignatureMismatch,
        errors.Overloaded,
        errors.RateLimited,
        errors.BreakerOpen,
        errors.Away,
        errors.Disabled,
        errors.Unverified,
    )
}


class Failure(msgspec.Struct, omit_defaults=True):
    """`code` is the name of a class of `models.errors`; `where` is the place in an invalid request."""

    code: str
    message: str
    where: str = "$"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Failure)


def failure_of(error: Exception) -> bytes:
    """`error` as a payload. A bug is logged here, and sent without its words."""
    code = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS), None)
    if code is None:
        log.error("a bug", exc_info=error)
        return _ENCODER.encode(Failure(ModelFailed.__name__, "a bug in the process that was asked; see its log"))
    where = error.where if isinstance(error, InvalidRequest) else "$"
    return _ENCODER.encode(Failure(code, str(error), where))


def error_of(payload: memoryview) -> ChorusError:
    """The error that a payload says."""
    try:
        failure = _DECODER.decode(payload)
    except msgspec.DecodeError as error:
        return errors.InvalidAnswer(f"malformed failure: {error}")
    kind = _KINDS.get(failure.code, errors.BackendError)
    if kind is InvalidRequest:
        return InvalidRequest(failure.message, failure.where)
    return (RemoteOverloaded if kind is Overloaded else kind)(failure.message)
