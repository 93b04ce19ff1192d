"""Where large bodies are read and written."""

from aiohttp import web

from backends.aside import Aside

ASIDE: web.AppKey[Aside] = web.AppKey("aside", Aside)
