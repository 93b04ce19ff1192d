"""Reads a model's file in a process of its own, with limits: libraries crash on files that are damaged or made to.

xgboost's reader ends its process on one in ten damaged files. The child reads, tries, compiles and describes the
model; what comes back is a manifest and bytes, and the parent never parses the file.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from models.admission import Application, admitted
from models.errors import ChorusError, RegistryError
from models.manifest import Manifest

MEMORY_BYTES = 2 << 30
CPU_SECONDS = 20
WALL_SECONDS = 60.0  # on a busy machine it may take longer than what it computes

APPLICATION, MANIFEST, REFUSED = "application.json", "manifest.json", "refused"


def examined(application: Application) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the files of a model that someone brings, once it has shown that it can be served.

    Raises:
        RegistryError: it cannot, with the reason in one line.
    """
    with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        path = Path(folder)
        (path / APPLICATION).write_bytes(msgspec.json.encode(application))
        died = _run(folder)
        if (path / REFUSED).exists():
            raise RegistryError((path / REFUSED).read_text())
        if not (path / MANIFEST).exists():
            raise RegistryError(f"{application.file}: {died}")
        manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
        return manifest, {name: (path / "files" / name).read_bytes() for name in manifest.files}


def _run(folder: str) -> str:
    """Run the child; how it died, if it did."""
    command = [sys.executable, "-m", "models.quarantine", folder, str(MEMORY_BYTES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=WALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no model that can be read: it took longer than {WALL_SECONDS:g} s"
    if done.returncode == -signal.SIGXCPU:
        return f"no model that can be read: it took more than {CPU_SECONDS} s"
    if done.returncode < 0:
        return f"no model that can be read: it crashes its library ({signal.Signals(-done.returncode).name})"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"no model that can be read: {said[-1][:200] if said else f'exit code {done.returncode}'}"


def _limit(memory_bytes: int) -> None:
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, resource.getrlimit(what)[1]))
        except (ValueError, OSError):  # the system has no such limit, or a lower one
            continue


def main(folder: str, memory_bytes: str) -> None:
    """The child: examine the application in `folder`, in so much memory, and leave there what came of it."""
    _limit(int(memory_bytes))
    path = Path(folder)
    application = msgspec.json.decode((path / APPLICATION).read_bytes(), type=Application)
    try:
        manifest, files = admitted(application)
    except (ChorusError, ValueError, OSError) as error:
        (path / REFUSED).write_text(" ".join(str(error).split()))
        return
    except MemoryError:
        (path / REFUSED).write_text(f"{application.file}: it takes more than {int(memory_bytes) >> 30} GiB to read")
        return
    (path / "files").mkdir()
    for name, contents in files.items():
        (path / "files" / name).write_bytes(contents)
    named = msgspec.structs.replace(manifest, files=dict.fromkeys(files, ""))
    (path / MANIFEST).write_bytes(msgspec.json.encode(named))


if __name__ == "__main__":
    main(*sys.argv[1:])
