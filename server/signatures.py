"""The signature of a backend that the configuration describes itself, as it does what is not in the registry."""

from models.columns import INPUT, specs_of
from models.types import Signature, TensorSpec, classifier, regressor
from server.kinds import Backend
from server.settings import LocalSettings, PythonSettings


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
