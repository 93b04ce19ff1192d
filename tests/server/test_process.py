"""One kept process: real ones, that do as they are told."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server import process as kept
from server.heartbeat import LINE, watch
from server.process import ChildError, Process

pytestmark = pytest.mark.processes

READY = "import os, sys; os.write(1, b'{\"ready\": true}\\n'); sys.stdin.read()"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `child` that a process may run."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(kept, "FIRST_WAIT", 0.01)
    return tmp_path / "child.py"


def write(script: Path, code: str) -> None:
    script.write_text(code)


async def came(check: Callable[[], bool]) -> None:
    """Wait until `check` holds."""
    async with asyncio.timeout(60):
        while not check():  # noqa: ASYNC110 - what a real process does has no event
            await asyncio.sleep(0.01)


def make(
    phases: list[str], *, fatal_ends: bool = False, hung: float = 0.0, said: list[dict[str, object]] | None = None
) -> Process:
    return Process(
        "child",
        ("child",),
        on_change=lambda one: phases.append(one.phase),
        on_message=(said if said is not None else []).append,
        fatal_ends=fatal_ends,
        hung=hung,
    )


async def test_it_is_ready_when_it_says_so_and_ends_when_its_lifeline_does(script: Path) -> None:
    write(script, READY)
    phases: list[str] = []
    child = make(phases)
    keeper = asyncio.create_task(child.keep())
    await child.settled.wait()
    assert (child.phase, phases) == ("ready", ["starting", "ready"])
    await child.stop(30)
    await keeper
    assert phases[-1] == "away"


async def test_it_is_started_again_when_it_dies(script: Path) -> None:
    write(script, READY)
    phases: list[str] = []
    child = make(phases)
    keeper = asyncio.create_task(child.keep())
    await child.settled.wait()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await came(lambda: child.phase == "ready" and child.pid != first)
    assert child.restarts == 1
    await child.stop(30)
    await keeper


async def test_what_it_says_it_failed_of_is_known(script: Path) -> None:
    write(script, 'import os, sys; os.write(1, b\'{"fatal": "no model"}\\n\'); sys.exit(3)')
    child = make([], fatal_ends=True)
    with pytest.raises(ChildError, match="no model"):
        await child.keep()


async def test_why_it_ended_is_known_until_it_is_ready_again(script: Path) -> None:
    code = 'import os, sys; os.write(1, b\'{"fatal": "no model"}\\n\'); sys.exit(3)'
    write(script, code)
    troubles: list[tuple[str, str]] = []
    child = Process("child", ("child",), on_change=lambda one: troubles.append((one.phase, one.trouble)))
    keeper = asyncio.create_task(child.keep())
    await came(lambda: troubles.count(("starting", "no model")) > 1)
    write(script, READY)
    await came(lambda: child.phase == "ready")
    assert troubles[:2] == [("starting", ""), ("away", "no model")]
    assert troubles[-1] == ("ready", "")
    await child.stop(30)
    await keeper


async def test_who_keeps_failing_is_tried_again_until_stopped(script: Path) -> None:
    write(script, "raise SystemExit(1)")
    child = make([])
    keeper = asyncio.create_task(child.keep())
    await child.settled.wait()
    await came(lambda: child.restarts >= 2)
    await child.stop(30)
    await keeper


async def test_what_it_prints_besides_is_logged(script: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(script, "print('hello there', flush=True); " + READY)
    caplog.set_level("INFO")
    child = make([])
    keeper = asyncio.create_task(child.keep())
    await child.settled.wait()
    assert "child printed: hello there" in caplog.text
    await child.stop(30)
    await keeper


async def test_who_does_not_listen_is_killed(script: Path) -> None:
    write(script, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "; signal.pause()")
    child = make([])
    keeper = asyncio.create_task(child.keep())
    await child.settled.wait()
    pid = child.pid
    await child.stop(0.1)
    await keeper
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_who_is_told_to_stop_while_it_is_started_ends(script: Path) -> None:
    write(script, READY)
    child = make([])
    keeper = asyncio.create_task(child.keep())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await child.stop(30)
        await keeper
    assert child.phase == "away"


async def test_a_stopped_process_is_woken_to_end(script: Path) -> None:
    write(script, READY)
    child = make([])
    keeper = asyncio.create_task(child.keep())
    await child.settled.wait()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    await child.stop(30)
    await keeper


def beats(then: str) -> str:
    """A child that gives signs of life for half a second, and `then` does something else."""
    return (
        "import os, sys, time\nos.write(1, b'{\"ready\": true}\\n')\n"
        f"for _ in range(5):\n    os.write(1, {LINE!r}); time.sleep(0.1)\n{then}"
    )


@asynccontextmanager
async def watched(child: Process) -> AsyncIterator[None]:
    watching, keeping = asyncio.create_task(watch([child])), asyncio.create_task(child.keep())
    try:
        yield
    finally:
        watching.cancel()
        await child.stop(30)
        await keeping


async def test_who_hangs_is_away_killed_and_started_again(script: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(script, beats("time.sleep(600)"))
    phases: list[str] = []
    child = make(phases, hung=1.0)
    async with watched(child):
        await came(lambda: child.restarts == 1 and child.phase == "ready")
        assert phases[:3] == ["starting", "ready", "away"]
        assert "child ended (hung: no sign of life for 1." in caplog.text
        assert child.trouble == ""


async def test_who_is_stopped_is_replaced_long_before(script: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(script, beats("os.kill(os.getpid(), 19)"))
    child = make([], hung=3600)
    async with watched(child):
        await came(lambda: child.restarts == 1)
        assert "child ended (stopped by a signal)" in caplog.text


async def test_what_a_model_prints_is_no_sign_of_life_and_no_harm(
    script: Path, caplog: pytest.LogCaptureFixture
) -> None:
    printed = "print('half a line', end='', flush=True); print('x' * 10**6); print('{\"switch\": 1}', flush=True)\n"
    write(script, beats(f"{printed}while True: print('busy', flush=True); time.sleep(0.1)"))
    caplog.set_level("INFO")
    said: list[dict[str, object]] = []
    child = make([], hung=1.0, said=said)
    async with watched(child):
        await came(lambda: child.restarts == 1)
        assert "child printed: busy" in caplog.text
        assert said[0] == {"switch": 1}
