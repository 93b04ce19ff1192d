"""`Expect: 100-continue`: whether a caller should send the body that it has announced."""

from aiohttp import hdrs, web

from server.errors import problem_response
from server.exchange import EXCHANGE
from server.limits import too_large
from server.reply import Answer, Handler


def expecting(handler: Handler, longest: int) -> Handler:
    """`handler`, for a request with an Expect header. Whoever reads the body tells its caller to go on."""

    async def expected(request: web.Request) -> Answer:
        if request.headers[hdrs.EXPECT].lower() != "100-continue":
            detail = "only 100-continue can be expected"
            return problem_response(417, "expectation_failed", detail, request[EXCHANGE].id)
        if request.content_length is not None and request.content_length > longest:
            response = problem_response(413, "request_entity_too_large", too_large(longest), request[EXCHANGE].id)
            response.force_close()
            return response
        return await handler(request)

    return expected
