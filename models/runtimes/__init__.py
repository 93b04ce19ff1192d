"""Ways to run a model, one file each; a library is imported only when a model needs it."""

from pathlib import Path
from typing import Any

from models.manifest import RUNTIMES, Manifest, Runtime, read_verified, verify_files
from models.runtimes.base import Model, Trusted
from models.types import Signature

__all__ = ["Model", "load", "load_contents", "load_original"]


def load(folder: Path, manifest: Manifest, threads: int = 1) -> Model:
    """The model of the version in `folder`, calibrated, ready to call. All its files are checked first.

    Raises:
        RegistryError: a file is missing, is not what was registered, or cannot be loaded.
    """
    verify_files(folder, manifest, manifest.files.keys() - {manifest.artefact})
    contents = read_verified(folder, manifest, manifest.artefact)
    return load_contents(contents, manifest.runtime, manifest.signature, manifest.temperature, threads)


def load_contents(
    contents: bytes, runtime: Runtime, signature: Signature, temperature: float | None = None, threads: int = 1
) -> Model:
    """A model from the bytes of its file; the caller has checked where they come from.

    Raises:
        RegistryError: they cannot be loaded.
    """
    return Trusted(_bare(contents, runtime, signature, threads), signature, temperature)


def _bare(contents: bytes, runtime: Runtime, signature: Signature, threads: int) -> Model:
    if runtime == "onnx":
        from models.runtimes.onnx import OnnxModel

        return OnnxModel(contents, signature, threads)
    if runtime == "xgboost":
        from models.runtimes.xgboost import XgboostModel

        return XgboostModel(contents, signature, threads)
    from models.runtimes.sklearn import SklearnModel

    return SklearnModel(contents, signature, threads)


def load_original(folder: Path, manifest: Manifest) -> Any:
    """What was registered, as its own library has it: an estimator, or a session for a model that came as ONNX.

    Raises:
        RegistryError: the file is missing, is not what was registered, or cannot be loaded.
    """
    contents = read_verified(folder, manifest, manifest.original)
    runtime = RUNTIMES[Path(manifest.original).suffix]
    if runtime == "onnx":
        from models.runtimes.onnx import read_session

        return read_session(contents, threads=1)
    if runtime == "xgboost":
        from models.runtimes.xgboost import read_estimator as read_xgboost

        return read_xgboost(contents, manifest.signature.task)
    from models.runtimes.sklearn import read_estimator as read_sklearn

    return read_sklearn(contents)
