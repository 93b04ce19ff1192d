"""One model behind HTTP, as in an afternoon's work: JSON rows in, JSON probabilities out. `gather` asks five of them.

    python -m benchmarks.baselines.model REGISTRY NAME compiled|original

It runs on the event loop: the process has nothing else to do, and a thread would only cost.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from aiohttp import web

from benchmarks.baselines.hello import Body
from benchmarks.baselines.serving import serve
from models.manifest import read_verified
from models.registry import Registry
from models.types import Array

Predict = Callable[[Array], Array]
"""Rows (n, f) float32 to probabilities (n, k)."""


def compiled(registry: Registry, name: str) -> Predict:
    """The ONNX model as it was registered, in a bare onnxruntime session of one thread."""
    from models.runtimes.onnx import read_session

    version = registry.resolve(name)
    session = read_session(read_verified(version.folder, version.manifest, version.manifest.artefact), threads=1)
    given, wanted = session.get_inputs()[0].name, session.get_outputs()[-1].name  # the labels come first

    def predict(rows: Array) -> Array:
        scores: Array = session.run([wanted], {given: rows})[0]
        return scores

    return predict


def original(registry: Registry, name: str) -> Predict:
    """What was fitted: scikit-learn's or xgboost's estimator, with one thread."""
    estimator = registry.original(name)
    jobs = [parameter for parameter in estimator.get_params() if parameter.split("__")[-1] == "n_jobs"]
    estimator.set_params(**dict.fromkeys(jobs, 1))
    predict: Predict = estimator.predict_proba
    return predict


def make_app(predict: Predict) -> web.Application:
    """`POST /predict` gives `{"probabilities": [[...]]}`."""
    decoder, encoder = msgspec.json.Decoder(Body), msgspec.json.Encoder()

    async def answer(request: web.Request) -> web.Response:
        body = decoder.decode(await request.read())
        probabilities = predict(np.array(body.instances, np.float32))
        said = encoder.encode({"probabilities": probabilities.tolist()})
        return web.Response(body=said, content_type="application/json")

    app = web.Application()
    app.add_routes([web.post("/predict", answer)])
    return app


if __name__ == "__main__":
    load = {"compiled": compiled, "original": original}[sys.argv[3]]
    serve(make_app(load(Registry(Path(sys.argv[1])), sys.argv[2])))
