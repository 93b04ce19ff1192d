"""A member elsewhere that is late now and then: one compiled model behind the Open Inference Protocol.

    python -m benchmarks.baselines.straggler REGISTRY NAME SHARE SECONDS

A SHARE of its calls, drawn from a fixed seed, take SECONDS longer, without keeping the others waiting.
"""

import asyncio
import random
import sys
from pathlib import Path

from aiohttp import web

from backends.oip import HEADER_LENGTH
from benchmarks.baselines.serving import serve
from models.oip.requests import decode_request
from models.oip.responses import encode_response
from models.registry import Registry
from models.runtimes import Model, load
from models.types import InferResponse, Signature, TensorSpec

SEED = 20


def make_app(name: str, model: Model, signature: Signature, share: float, seconds: float) -> web.Application:
    """The metadata of `name`, and its answers."""
    dice = random.Random(SEED)

    async def metadata(_request: web.Request) -> web.Response:
        tensors = {
            "inputs": [_said(spec) for spec in signature.inputs],
            "outputs": [_said(spec) for spec in signature.outputs],
        }
        return web.json_response({"name": name, "platform": "onnx", **tensors})

    async def infer(request: web.Request) -> web.Response:
        late = dice.random() < share
        given = request.headers.get(HEADER_LENGTH)
        call = decode_request(await request.read(), None if given is None else int(given), signature)
        outputs = model(call.inputs)
        if late:
            await asyncio.sleep(seconds)
        about = {"model_name": name, "model_version": "1", "id": call.id}
        body, length = encode_response(InferResponse(outputs), signature, call.wanted, about)
        headers = {} if length is None else {HEADER_LENGTH: str(length)}
        return web.Response(body=body, headers=headers, content_type="application/octet-stream")

    app = web.Application()
    app.add_routes([web.get(f"/v2/models/{name}", metadata), web.post(f"/v2/models/{name}/infer", infer)])
    return app


def _said(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def main(registry: str, name: str, share: str, seconds: str) -> None:
    """Serve the champion of `breast-cancer/NAME`."""
    version = Registry(Path(registry)).resolve(f"breast-cancer/{name}")
    model = load(version.folder, version.manifest)
    serve(make_app(name, model, version.manifest.signature, float(share), float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
