"""MLServer in an environment of its own: `.venv-mlserver`, beside `.venv`.

`make test` sets it up before the tests, and whoever runs pytest alone gets it with the first test that needs it.
"""

import fcntl
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
PLACE = ROOT / ".venv-mlserver"
REQUIREMENTS = FOLDER / "requirements.txt"


def ensure() -> Path:
    """The environment's Python, installed if that has not been done. One process at a time does it, once.

    Raises:
        RuntimeError: it cannot be installed; tests need it, so that is a failure.
    """
    wanted = REQUIREMENTS.read_text()
    done = PLACE / "installed.txt"
    with (ROOT / ".venv-mlserver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done.exists() and done.read_text() == wanted):
            _install()
            done.write_text(wanted)
    return PLACE / "bin" / "python"


def _install() -> None:
    print("setting up .venv-mlserver, with which the tests run a real MLServer (once, a minute) ...", flush=True)
    if not (3, 9) <= sys.version_info < (3, 13):
        raise RuntimeError("MLServer runs on Python 3.9 to 3.12; set up with one: make test PYTHON=python3.12")
    _run(sys.executable, "-m", "venv", "--clear", str(PLACE))
    pip = (str(PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--requirement", str(REQUIREMENTS))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-5:])
        raise RuntimeError(
            f"MLServer, which the tests need, cannot be installed (is the package index there?):\n{said}"
        )


if __name__ == "__main__":
    try:
        ensure()
    except RuntimeError as error:
        sys.exit(str(error))
