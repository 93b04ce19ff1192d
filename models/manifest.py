"""The manifest of a version: what it takes and gives, how it is run, and how it came to be."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from models.errors import RegistryError
from models.types import Signature

MANIFEST = "manifest.json"

Runtime = Literal["onnx", "sklearn", "xgboost", "python"]
"""What runs a model. A version of the registry is never `python`, which is for functions of a configuration."""

RUNTIMES: dict[str, Runtime] = {".onnx": "onnx", ".skops": "sklearn", ".ubj": "xgboost", ".json": "xgboost"}
"""What runs a file, by its suffix."""


class Compilation(msgspec.Struct, frozen=True):
    """Whether the model became ONNX and says the same: the largest difference of `rows` held-out rows.

    A difference is absolute for probabilities and relative for regression. `reason` is why the original is served.
    """

    converted: bool
    agrees: bool = False
    max_difference: float | None = None
    rows: int = 0
    reason: str = ""


class Calibration(msgspec.Struct, frozen=True):
    """The temperature that the runtime applies, and what it was fitted on; log losses in nats."""

    temperature: float
    at_bound: bool = False
    split: str = "out-of-fold"
    log_loss_before: float | None = None
    log_loss_after: float | None = None


class Training(msgspec.Struct, frozen=True):
    """How a version was trained, as far as it takes to do it again."""

    dataset: str
    dataset_sha256: str
    rows: dict[str, int]
    """The rows of each split."""
    split: str
    parameters: dict[str, Any]
    seed: int
    libraries: dict[str, str]
    revision: str | None
    """The commit of the code; null where there is none, with `-dirty` where it had been changed."""
    command: str
    seconds: float


class Manifest(msgspec.Struct, frozen=True):
    """One immutable version. `files` maps each file to its SHA-256; the suffix of `original` is its format."""

    name: str
    signature: Signature
    runtime: Runtime
    artefact: str
    """The file that is served."""
    original: str
    """The file that was fitted; the artefact itself where nothing was compiled."""
    compilation: Compilation
    version: str = ""
    """Given by the registry, as are `created` and `files`."""
    created: str = ""
    """UTC, ISO 8601."""
    files: dict[str, str] = {}
    calibration: Calibration | None = None
    training: Training | None = None
    metrics: dict[str, float] = {}
    """Of the calibrated model."""
    metrics_split: str = "test"
    examples: list[list[Any]] = []
    """Raw held-out rows to try the model with: numbers and strings in the order of the features, null for missing."""

    @property
    def temperature(self) -> float | None:
        return self.calibration.temperature if self.calibration else None


def encode_manifest(manifest: Manifest) -> bytes:
    """`manifest` as JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the version in `folder`.

    Raises:
        RegistryError: it is missing, torn, or names a file outside its folder.
    """
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RegistryError(f"cannot read {path}: {_said(error)}; {REMEDY}") from error
    if manifest.runtime == "python":
        raise RegistryError(f"{path} names the runtime 'python', which no version can have; {REMEDY}")
    for name in (*manifest.files, manifest.artefact, manifest.original):
        if name not in manifest.files or Path(name).name != name:
            raise RegistryError(f"{path} names the file {name!r}, which no version can hold; {REMEDY}")
    return manifest


def read_verified(folder: Path, manifest: Manifest, name: str) -> bytes:
    """The contents of the file `name`, and no others than were registered: hashed and given from one read.

    Raises:
        RegistryError: the file is missing, or its hash differs.
    """
    path = folder / name
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise RegistryError(f"cannot read {path}: {_said(error)}; {REMEDY}") from error
    if hashlib.sha256(contents).hexdigest() != manifest.files[name]:
        raise RegistryError(f"{path} is not what was registered, its SHA-256 differs; {REMEDY}")
    return contents


def verify_files(folder: Path, manifest: Manifest, names: Iterable[str] | None = None) -> None:
    """Check the hashes of all files, or of `names`.

    Raises:
        RegistryError: a file is missing, or its hash differs.
    """
    for name in manifest.files if names is None else names:
        read_verified(folder, manifest, name)


REMEDY = "restore it, point the alias at another version, or register the model again"


def _said(error: Exception) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else str(error)
