"""What is wrong with remote models, by asking their servers: all at once, for metadata only."""

import asyncio
from collections.abc import Mapping

import aiohttp
import msgspec

from models.names import no_such
from server.listening import reason_of
from server.metadata import MAX_METADATA_BYTES, MAX_SHOWN, misfit_of, read_metadata
from server.settings import RemoteSettings
from server.signatures import declared
from server.tables import Mistake, shown_key
from server.targets import target

ASK_SECONDS = 2.0


class Named(msgspec.Struct):
    """One entry of a list of models."""

    name: str


class Listed(msgspec.Struct):
    """Our own list of models."""

    models: list[Named]


async def mistakes_of(remotes: Mapping[str, RemoteSettings]) -> list[Mistake]:
    """One for each address that does not answer, or not as the configuration says, in the order of the file."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
        asked = [
            _checked(session, f"backends.{shown_key(name)}", settings, url)
            for name, settings in remotes.items()
            for url in settings.urls
        ]
        return [mistake for mistake in await asyncio.gather(*asked) if mistake is not None]


async def _checked(session: aiohttp.ClientSession, table: str, settings: RemoteSettings, url: str) -> Mistake | None:
    try:
        status, body = await _get(session, f"{url}/v2/models/{settings.model}")
        if status != 200:
            return await _of_server(session, table, settings, url, status)
        wrong = _misfit(body, settings, url)
    except TimeoutError:
        return Mistake(table, "url", f"no answer from {url} within {ASK_SECONDS:g} s; is the server up?")
    except (aiohttp.ClientError, OSError) as error:
        return Mistake(table, "url", f"cannot reach {url}: {reason_of(error)}; is the server up?")
    except ValueError as error:  # too long, or an address that is a mistake of its own
        return Mistake(table, "url", f"{url}: {error}")
    return Mistake(table, "model", f"{settings.model!r} at {url}: {wrong[:MAX_SHOWN]}") if wrong else None


def _misfit(body: bytes, settings: RemoteSettings, url: str) -> str:
    """What does not fit in a model's metadata; empty if all does."""
    if (signature := declared(settings)) is None:
        return ""  # it says too little, which is a mistake of its own
    return misfit_of(read_metadata(body), target(settings, signature, url))


async def _of_server(
    session: aiohttp.ClientSession, table: str, settings: RemoteSettings, url: str, status: int
) -> Mistake:
    """Why a server has no metadata for the model."""
    there, about = await _get(session, f"{url}/v2")
    if there != 200 or b'"name"' not in about:
        text = f"{url} is no server of the Open Inference Protocol v2: GET /v2 gives HTTP status {there}"
        return Mistake(table, "url", text)
    if names := await _names(session, url):
        return Mistake(table, "model", f"{url}: {no_such('model', settings.model, names)}")
    return Mistake(table, "model", f"{url}: no model {settings.model!r} (HTTP status {status})")


async def _names(session: aiohttp.ClientSession, url: str) -> list[str]:
    """What a server has, where it says so: the protocol has no word for it, but servers do."""
    for method, path in (("GET", "/v2/models"), ("POST", "/v2/repository/index")):
        try:
            status, body = await _get(session, url + path, method)
            if status == 200:
                said = msgspec.json.decode(body, type=Listed | list[Named])
                return [model.name for model in (said.models if isinstance(said, Listed) else said)]
        except (aiohttp.ClientError, OSError, ValueError):  # of which those of msgspec are
            continue
    return []


async def _get(session: aiohttp.ClientSession, url: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body; a redirect is not followed, as later it is not."""
    body = b"{}" if method == "POST" else None
    async with session.request(method, url, data=body, allow_redirects=False) as response:
        whole = bytearray()
        async for part in response.content.iter_any():
            whole += part
            if len(whole) > MAX_METADATA_BYTES:
                raise ValueError(f"its metadata is longer than {MAX_METADATA_BYTES} bytes")
        return response.status, bytes(whole)
