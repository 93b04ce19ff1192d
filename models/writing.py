"""Files that appear whole or not at all, even if the machine stops in between."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from models.manifest import MANIFEST, Manifest, encode_manifest

READ_ONLY = 0o444
REMOVED = ".removed-"


def write_version(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """Write `files` and the manifest, completed by time and hashes, to `folder`, which must not exist.

    A crash leaves at most a hidden folder beside it, which nobody reads.
    """
    hashes = {name: hashlib.sha256(contents).hexdigest() for name, contents in files.items()}
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = msgspec.structs.replace(manifest, created=created, files=hashes)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, contents in (*files.items(), (MANIFEST, encode_manifest(manifest))):
            _write(scratch / name, contents)
        scratch.chmod(0o755)  # mkdtemp lets nobody else in
        _flush(scratch)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    _flush(folder.parent)
    return manifest


def remove_version(folder: Path) -> None:
    """Take the version in `folder` away, at once for all who look; leave a mark that its number was used."""
    (folder.parent / f"{REMOVED}{folder.name}").touch()
    _flush(folder.parent)
    doomed = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    folder.rename(doomed / folder.name)
    shutil.rmtree(doomed, ignore_errors=True)
    _flush(folder.parent)


def removed_versions(folder: Path) -> list[str]:
    """The numbers of the versions in `folder` that were there once."""
    return [path.name.removeprefix(REMOVED) for path in folder.glob(f"{REMOVED}*")]


def write_atomically(path: Path, contents: bytes) -> None:
    """Replace `path` by `contents`; a reader sees the old or the new."""
    scratch = Path(tempfile.mkdtemp(prefix=".", dir=path.parent))
    try:
        _write(scratch / path.name, contents)
        (scratch / path.name).replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _flush(path.parent)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among all processes that write in `folder`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which lets the lock go


def _write(path: Path, contents: bytes) -> None:
    with path.open("xb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(READ_ONLY)


def _flush(folder: Path) -> None:
    """Make what was renamed into `folder` last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
