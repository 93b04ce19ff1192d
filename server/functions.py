"""A function of the user's, as the rest of the server knows a model: by its version."""

from pathlib import Path

from models.errors import RegistryError
from models.manifest import Compilation, Manifest
from models.registry import Version
from models.runtimes import Model
from server.settings import PythonSettings
from server.signatures import declared


def version_of_function(settings: PythonSettings) -> Version:
    """What the configuration says of it. Nothing is imported; the version is a fingerprint of its file."""
    from models.runtimes.python import fingerprint

    signature = declared(settings)
    assert signature is not None  # noqa: S101 - consistency has seen to it
    folder = Path(settings.path)
    manifest = Manifest(
        name=settings.python,
        signature=signature,
        runtime="python",
        artefact=settings.python,
        original=settings.python,
        compilation=Compilation(converted=False, reason="a function"),
        version=fingerprint(settings.python, folder),
        examples=[list(settings.example)] if settings.example else [],
    )
    return Version(folder, manifest)


def load_function(name: str, settings: PythonSettings, version: Version) -> Model:
    """Import it.

    Raises:
        RegistryError: that fails, with the name of the backend.
    """
    from models.runtimes.python import load_python

    try:
        return load_python(settings.python, version.folder, version.manifest.signature, settings.temperature)
    except RegistryError as error:
        raise RegistryError(f"[backends.{name}] {error}") from error
