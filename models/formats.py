"""What kind of file a model comes in, told by its suffix and its first bytes, before any library looks at it."""

from pathlib import Path

from models.errors import RegistryError
from models.manifest import RUNTIMES

PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".p")
NETWORKS = (".pt", ".pth", ".h5", ".keras", ".pb", ".tflite", ".safetensors", ".ckpt")

SAVE_AS_SKOPS = "save it again with skops.io.dump(estimator, 'model.skops')"


def check_format(file: str, contents: bytes) -> None:
    """Refuse what no runtime can read, and what could run code as it is read.

    Raises:
        RegistryError: with what to do instead.
    """
    suffix = Path(file).suffix.lower()
    if suffix in PICKLES or _is_pickle(contents):
        raise RegistryError(f"{file}: a pickle can run anything, so none is ever loaded; {SAVE_AS_SKOPS}")
    if suffix in NETWORKS:
        raise RegistryError(f"{file}: export the network to ONNX first (torch.onnx.export, tf2onnx, ...)")
    if Path(file).suffix not in RUNTIMES:
        raise RegistryError(f"{file}: expected a file that ends in {', '.join(RUNTIMES)}")
    if not contents:
        raise RegistryError(f"{file}: the file is empty")
    if suffix == ".skops" and not contents.startswith(b"PK"):
        raise RegistryError(f"{file}: no skops file; {SAVE_AS_SKOPS}")


def _is_pickle(contents: bytes) -> bool:
    """Protocols 2 to 5 begin with their number and end with a full stop."""
    return contents[:1] == b"\x80" and contents[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and contents[-1:] == b"."
