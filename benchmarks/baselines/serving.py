"""How each of these programs serves: aiohttp on uvloop, a free port, no access log."""

import asyncio
import signal

import uvloop
from aiohttp import web


def serve(app: web.Application) -> None:
    """Serve `app` until SIGTERM, and print where."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app))


async def _serve(app: web.Application) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(f"ready at http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await stopping.wait()
    finally:
        await runner.cleanup()
