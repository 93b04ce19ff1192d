"""The signature of a backend that the configuration describes itself, as it does what is not in the registry."""

from backends.oip import Remote
from models.columns import INPUT, specs_of
from models.types import Signature, TensorSpec, classifier, regressor
from server.kinds import Backend
from server.settings import LocalSettings, PythonSettings, RemoteSettings


def declared(settings: Backend) -> Signature | None:
    """What `settings` say of the backend; None if that is in the registry, or if they say too little."""
    if isinstance(settings, LocalSettings) or not settings.features:
        return None
    if isinstance(settings, PythonSettings):
        specs = specs_of(settings.features, nullable=settings.nullable)
        return classifier(specs, settings.labels) if settings.task == "classification" else regressor(specs)
    spec = TensorSpec(INPUT, "FP32", (-1, len(settings.features)), settings.features)
    if settings.task == "classification":
        return classifier((spec,), settings.labels) if settings.labels else None
    return regressor((spec,))


def target(settings: RemoteSettings, signature: Signature, url: str) -> Remote:
    """The model behind `settings` at the address `url`, by the names that it has there."""
    names = settings.inputs
    if names:
        inputs = tuple(TensorSpec(names[one], settings.datatype, (-1, 1), (one,)) for one in settings.features)
    else:
        width = len(settings.features)
        inputs = (TensorSpec(settings.input, settings.datatype, (-1, width), settings.features),)
    return Remote(
        f"{url}/v2/models/{settings.model}/infer",
        settings.model,
        signature,
        inputs,
        settings.output,
        settings.binary,
        names_labels=settings.gives == "labels",
    )
