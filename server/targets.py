"""A remote model by the names that it has at its own server."""

from backends.oip import Remote
from models.columns import INPUT
from models.types import Signature, TensorSpec
from server.settings import RemoteSettings


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
        outputs=_outputs(settings, signature),
    )


def _outputs(settings: RemoteSettings, signature: Signature) -> dict[str, str]:
    """The outputs of a transform by their names over there: only the one of all columns may have another than here."""
    if signature.task != "transform":
        return {}
    return {settings.output if spec.name == INPUT else spec.name: spec.name for spec in signature.outputs}
