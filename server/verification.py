"""A remote model is asked only once its metadata has been read, and fits what the configuration says of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from backends.oip import Remote
from backends.served import State

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0  # seconds between two tries
TRY_SECONDS = 2.0
MAX_METADATA_BYTES = 1 << 20
MAX_SHOWN = 300  # characters of a misfit, whose names are not ours


class WireTensor(msgspec.Struct):
    """What is needed of a tensor; some servers say nothing of its shape."""

    name: str
    datatype: str = ""
    shape: list[int] = []


class WireMetadata(msgspec.Struct):
    """What is needed of the metadata."""

    inputs: list[WireTensor]
    outputs: list[WireTensor]


@asynccontextmanager
async def verifying(session: aiohttp.ClientSession, url: str, remote: Remote, state: State) -> AsyncIterator[None]:
    """Keep asking `url` in the background until it answers; then `state` says whether the model may be asked."""
    task = asyncio.create_task(_verify(session, url, remote, state))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # unlike `await task`, it can tell our own cancellation from the task's
        if not task.cancelled():
            task.result()  # a bug should not go by unnoticed


async def _verify(session: aiohttp.ClientSession, url: str, remote: Remote, state: State) -> None:
    wait = FIRST_WAIT
    while True:
        try:
            metadata = await _read(session, url)
            break
        except (aiohttp.ClientError, OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
            log.info("the metadata of %s cannot be read yet: %s", url, type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
    misfit = misfit_of(metadata, remote)
    if misfit:
        log.error("%s does not fit the configuration: %s; it stays out of the vote", url, misfit[:MAX_SHOWN])
    state.phase = "misfit" if misfit else "ready"


async def _read(session: aiohttp.ClientSession, url: str) -> WireMetadata:
    async with asyncio.timeout(TRY_SECONDS), session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"HTTP status {response.status}")
        return msgspec.json.decode(await _body(response), type=WireMetadata)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_METADATA_BYTES:
            raise ValueError(f"longer than {MAX_METADATA_BYTES} bytes")
    return bytes(body)


def misfit_of(metadata: WireMetadata, remote: Remote) -> str:
    """What does not fit, in a few words; empty if all does."""
    inputs = {tensor.name: tensor for tensor in metadata.inputs}
    outputs = {tensor.name for tensor in metadata.outputs}
    for spec in remote.inputs:
        there = inputs.get(spec.name)
        if there is None:
            return f"it has no input {spec.name!r}, but {sorted(inputs)}"
        if there.datatype != spec.datatype:
            return f"its input {spec.name!r} is {there.datatype!r}, not {spec.datatype}"
        if there.shape and there.shape[-1] not in (-1, spec.shape[-1]):
            return f"its input {spec.name!r} takes {there.shape[-1]} features, not {spec.shape[-1]}"
    if remote.output not in outputs:
        return f"it has no output {remote.output!r}, but {sorted(outputs)}"
    return ""
