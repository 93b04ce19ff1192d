"""The handlers that say what is served, and whether it is ready."""

from importlib.metadata import version
from typing import Any

import msgspec
from aiohttp import web

from backends.served import Served
from models.types import Signature, TensorSpec
from server.composition import Composition
from server.inference import CURRENT
from server.routing import SERVED_ROUTES

_ENCODER = msgspec.json.Encoder()


def json_response(value: object, status: int = 200) -> web.Response:
    """`value` as JSON, indented: these answers are read by people too."""
    body = msgspec.json.format(_ENCODER.encode(value), indent=2)
    return web.Response(body=body + b"\n", status=status, content_type="application/json")


async def index(request: web.Request) -> web.Response:
    """What is served here, and the routes."""
    composition = request.app[CURRENT].composition
    routes = sorted(f"{method} {path}" for method, path, _ in request.app[SERVED_ROUTES])
    models = {name: _described(composition, served) for name, served in composition.served.items()}
    return json_response(
        {
            "name": "chorus",
            "version": version("chorus-serve"),
            "default": composition.default,
            "models": models,
            "routes": routes,
        }
    )


def _described(composition: Composition, served: Served) -> dict[str, Any]:
    described: dict[str, Any] = {
        "task": served.signature.task,
        "version": served.version,
        "ready": composition.ready(served),
    }
    if served.signature.labels:
        described["labels"] = served.signature.labels
    if served.parts:
        described |= {"kind": served.kind, "parts": served.parts, "timeout_ms": served.timeout * 1e3, **served.about()}
    if served.example is not None:
        described["example"] = {"instances": [served.example]}
    return described


async def live(_request: web.Request) -> web.Response:
    """The event loop turns."""
    return web.Response(text="ok\n")


async def ready(request: web.Request) -> web.Response:
    """Whether the default can be asked: 200, else 503."""
    is_ready = request.app[CURRENT].ready()
    return web.Response(text="ready\n" if is_ready else "not ready\n", status=200 if is_ready else 503)


async def list_v1(request: web.Request) -> web.Response:
    """KServe v1: the names."""
    return json_response({"models": list(request.app[CURRENT].composition.served)})


async def model_v1(request: web.Request) -> web.Response:
    """KServe v1: one name, and whether it is ready."""
    composition = request.app[CURRENT].composition
    served = composition.find(request.match_info["name"])
    return json_response({"name": served.name, "ready": composition.ready(served)})


async def server_v2(_request: web.Request) -> web.Response:
    """Open Inference Protocol: the server."""
    about = {"name": "chorus", "version": version("chorus-serve"), "extensions": ["binary_tensor_data"]}
    return json_response(about)


async def live_v2(_request: web.Request) -> web.Response:
    """Open Inference Protocol: the event loop turns."""
    return json_response({"live": True})


async def ready_v2(request: web.Request) -> web.Response:
    """Open Inference Protocol: whether the default can be asked."""
    is_ready = request.app[CURRENT].ready()
    return json_response({"ready": is_ready}, 200 if is_ready else 503)


async def list_v2(request: web.Request) -> web.Response:
    """The names; the protocol leaves this route to the server."""
    composition = request.app[CURRENT].composition
    return json_response(
        {"models": [{"name": name, "version": served.version} for name, served in composition.served.items()]}
    )


async def model_v2(request: web.Request) -> web.Response:
    """Open Inference Protocol: one model's metadata."""
    served = request.app[CURRENT].composition.find(request.match_info["name"], request.match_info.get("version"))
    return json_response(
        {
            "name": served.name,
            "versions": [served.version],
            "platform": f"chorus_{served.kind if served.parts else served.runtime}",
            "inputs": [_tensor(spec) for spec in served.signature.inputs],
            "outputs": [_tensor(spec) for spec in served.signature.outputs],
            "parameters": _semantics(served.signature),
        }
    )


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


def _semantics(signature: Signature) -> dict[str, Any]:
    """What the protocol has no word for: which column is which feature, and which label."""
    return {"task": signature.task, "labels": signature.labels, "features": signature.features}


async def model_ready_v2(request: web.Request) -> web.Response:
    """Open Inference Protocol: whether one model can be asked."""
    composition = request.app[CURRENT].composition
    served = composition.find(request.match_info["name"], request.match_info.get("version"))
    is_ready = composition.ready(served)
    return json_response({"name": served.name, "ready": is_ready}, 200 if is_ready else 503)
