"""Where a version comes from: the code, the libraries and the command that made it."""

import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "chorus-serve",
    "numpy",
    "scikit-learn",
    "xgboost-cpu",
    "xgboost",
    "skl2onnx",
    "onnxmltools",
    "onnxruntime",
    "skops",
)


def revision() -> str | None:
    """The commit of this code, with `-dirty` if it was changed since; None where it is no checkout."""
    here = Path(__file__)
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:  # installed into another checkout, perhaps
        return None
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def libraries() -> dict[str, str]:
    """The versions of Python and of the libraries that a model depends on, of those installed."""
    found = {name: installed for name in LIBRARIES if (installed := _version(name))}
    return {"python": ".".join(map(str, sys.version_info[:3]))} | found


def command() -> str:
    """The command line of this process, without the folders that the program lies in."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        said = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True, timeout=10)  # noqa: S603, S607  fixed words; git is where the user has it
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
