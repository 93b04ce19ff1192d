"""Programs that tests run in environments of their own, `.venv-NAME` beside `.venv`: MLServer and Locust.

`make test` sets them up before the tests, and whoever runs pytest alone gets each with the first test that needs it.
"""

import fcntl
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
REQUIREMENTS = {"mlserver": HERE / "mlserver" / "requirements.txt", "locust": HERE / "loadtest" / "requirements.txt"}


def ensure(name: str) -> Path:
    """The environment's Python, installed if that has not been done. One process at a time does it, once.

    Raises:
        RuntimeError: it cannot be installed; tests need it, so that is a failure.
    """
    place, wanted = ROOT / f".venv-{name}", REQUIREMENTS[name].read_text()
    done = place / "installed.txt"
    with (ROOT / f".venv-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done.exists() and done.read_text() == wanted):
            _install(name, place)
            done.write_text(wanted)
    return place / "bin" / "python"


def _install(name: str, place: Path) -> None:
    print(f"setting up {place.name}, with which the tests run a real {name} (once, a minute) ...", flush=True)
    if name == "mlserver" and not (3, 9) <= sys.version_info < (3, 13):
        raise RuntimeError("MLServer runs on Python 3.9 to 3.12; set up with one: make test PYTHON=python3.12")
    _run(name, sys.executable, "-m", "venv", "--clear", str(place))
    pip = (str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(name, *pip, "--requirement", str(REQUIREMENTS[name]))


def _run(name: str, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stderr.splitlines()[-5:])
        raise RuntimeError(f"{name}, which the tests need, cannot be installed (is the package index there?):\n{said}")


if __name__ == "__main__":
    try:
        for each in REQUIREMENTS:
            ensure(each)
    except RuntimeError as error:
        sys.exit(str(error))
