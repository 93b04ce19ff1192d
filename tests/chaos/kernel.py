"""Faults that only the kernel can make, and only for who is root: lost packets, no memory, names that nobody reads.

What a machine lacks for one of them is said in a line, empty if it lacks nothing; a scenario is not tried then.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GROUPS = ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max"))
"""Where a process gets a bound on its memory: version 1 of control groups, and version 2."""

SILENT = "127.0.0.153"  # of this machine, and nobody answers there
NAMES = "/etc/resolv.conf"
MIB = 1 << 20
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where nft is, and not everybody looks


def lacks_nft() -> str:
    """Why no packets can be dropped."""
    if lacking := _lacks_root():
        return lacking
    if not shutil.which("nft", path=_PATH):
        return "there is no nft; tests/packages installs it"
    listed = subprocess.run(
        ["nft", "list", "tables"], capture_output=True, check=False, env=os.environ | {"PATH": _PATH}
    )
    return "nft may change nothing here" if listed.returncode else ""


def lacks_namespaces() -> str:
    """Why nobody can be given names of its own."""
    return _lacks_root() or ("" if shutil.which("unshare") else "there is no unshare")


def lacks_groups() -> str:
    """Why no process can be bounded in its memory."""
    return _lacks_root() or ("" if _groups() else "no control group for memory can be made")


def _lacks_root() -> str:
    return "" if os.geteuid() == 0 else "it takes root"


@contextmanager
def dropping(port: int) -> Iterator[None]:
    """What is sent to this port of this machine is lost, as at a firewall: connections are not even refused."""
    table = f"ip chorus_chaos_{port}"
    rule = f"type filter hook input priority 0; tcp dport {port} drop;"
    _nft(f"table {table} {{ chain input {{ {rule} }}\n}}")
    try:
        yield
    finally:
        _nft(f"delete table {table}")


def _nft(commands: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=commands, text=True, check=True, env=os.environ | {"PATH": _PATH})


@contextmanager
def nameless(folder: Path) -> Iterator[tuple[tuple[str, ...], Callable[[], int]]]:
    """A command within which names are asked of a server that never answers; and what says how often it was asked."""
    settings = folder / "resolv.conf"
    settings.write_text(f"nameserver {SILENT}\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((SILENT, 53))
        silent.setblocking(False)
        bind = f'mount --bind "$0" {NAMES} && exec "$@"'
        yield ("unshare", "--mount", "sh", "-c", bind, str(settings)), lambda: _waiting(silent)


def _waiting(silent: socket.socket) -> int:
    count = 0
    with suppress(BlockingIOError):
        while silent.recv(512):
            count += 1
    return count


@contextmanager
def bounded(pid: int, more: int) -> Iterator[Callable[[], int]]:
    """The kernel kills the process `pid` if it takes `more` bytes than it has; gives what says how often it did."""
    parent, bound = _groups()[0]
    group = parent / f"chorus-chaos-{pid}"
    group.mkdir()
    try:
        (group / bound).write_text(str(more))  # what it has already stays in the account of its old group
        (group / "cgroup.procs").write_text(str(pid))
        yield lambda: _kills(group)
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            (parent / "cgroup.procs").write_text(left)
        group.rmdir()


def _kills(group: Path) -> int:
    said = next(path for name in ("memory.oom_control", "memory.events") if (path := group / name).exists())
    return sum(int(line.split()[1]) for line in said.read_text().splitlines() if line.startswith("oom_kill "))


def _groups() -> list[tuple[Path, str]]:
    """Those in which a group with a bound can be made."""
    return [(parent, bound) for parent, bound in GROUPS if _makes(parent, bound)]


def _makes(parent: Path, bound: str) -> bool:
    group = parent / f"chorus-chaos-try-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return False
    try:
        return (group / bound).exists()
    finally:
        group.rmdir()
