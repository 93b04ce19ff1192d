"""The signature of a backend that the configuration describes itself, as it does what is not in the registry."""

from models.columns import INPUT, specs_of
from models.types import Signature, TensorSpec, classifier, regressor, transformer
from server.kinds import Backend
from server.settings import LocalSettings, PythonSettings, RemoteSettings


def declared(settings: Backend) -> Signature | None:
    """What `settings` say of the backend; None if that is in the registry, or if they say too little."""
    if isinstance(settings, LocalSettings) or not settings.features:
        return None
    if isinstance(settings, PythonSettings):
        return _for_task(settings, specs_of(settings.features, nullable=settings.nullable))
    return _for_task(settings, (TensorSpec(INPUT, "FP32", (-1, len(settings.features)), settings.features),))


def _for_task(settings: PythonSettings | RemoteSettings, inputs: tuple[TensorSpec, ...]) -> Signature | None:
    if settings.task == "classification":
        return classifier(inputs, settings.labels) if settings.labels else None
    if settings.task == "transform":
        return transformer(inputs, specs_of(settings.outputs, nullable=False)) if settings.outputs else None
    return regressor(inputs)
