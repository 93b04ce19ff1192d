"""The handler that asks one model alone and says how long each stage took.

Past its layers: nothing is counted, no breaker opens, and a disabled backend answers too. The stages add up to the
total. What a worker says of its own stages is taken out of `send_receive`, which elsewhere has the model's time in it.
"""

import msgspec
from aiohttp import web
from msgspec.structs import replace

from models.errors import BackendError, InvalidRequest
from models.stopwatch import Stopwatch
from models.types import NO_PARAMETERS
from server.about import json_response
from server.bodies import body_of
from server.codecs import kserve_v1
from server.codecs.outcome import milliseconds
from server.errors import problem_response, status_of
from server.exchange import EXCHANGE
from server.inference import CURRENT, deadline_of
from server.opening import ALONE_SECONDS
from server.origin import same_origin


@same_origin
async def predict_alone(request: web.Request) -> web.Response:
    """One KServe v1 request to one backend: its answer, and where the time went."""
    served = request.app[CURRENT].composition.find(request.match_info["name"])
    if served.alone is None:
        parts = f"; ask one of its parts: {', '.join(served.parts)}" if served.parts else ""
        raise InvalidRequest(f"{served.name!r} ({served.kind}) is not one model alone{parts}", "path")
    stopwatch = Stopwatch(began=request[EXCHANGE].began)
    body = await body_of(request)
    stopwatch.lap("receive")
    call, timeout = kserve_v1.decode(body, served.signature, request[EXCHANGE].id, "")
    if call.parameters != NO_PARAMETERS:
        raise InvalidRequest("one model alone takes no parameters but timeout_ms", "$.parameters")
    stopwatch.lap("decode")
    deadline = deadline_of(request, served, timeout or ALONE_SECONDS)
    try:
        response = await served.alone(replace(call, stopwatch=stopwatch), deadline)
    except BackendError as error:
        stopwatch.lap("unfinished")
        more = {"stages_ms": stages_ms(stopwatch), "fate": error.fate, "reason": error.reason}
        return problem_response(*status_of(error), str(error), request[EXCHANGE].id, more)
    total = stopwatch.total
    answer = kserve_v1.encode(response, served.signature, served.name, total, explain=False)
    shown = msgspec.json.decode(answer)
    return json_response(shown | {"stages_ms": stages_ms(stopwatch), "total_ms": milliseconds(total)})


def stages_ms(stopwatch: Stopwatch) -> dict[str, float]:
    """The stages in milliseconds."""
    return {stage: milliseconds(seconds) for stage, seconds in stopwatch.seconds.items()}
