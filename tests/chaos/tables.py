"""Tables of a configuration for what the scenarios ask; those of the five members are `benchmarks.chorus`."""

from benchmarks.chorus import MEMBERS, ensemble, local

DEADLINE_MS = 200  # the D of the goals


def five(*, inline: bool = False, name: str = "all", rule: str = "log_pool", **settings: object) -> str:
    """The five members of breast-cancer and one ensemble of them, whose quorum is 3."""
    backends = "".join(local(member, inline=inline) for member in MEMBERS)
    settings = {"rule": f'"{rule}"', "timeout_ms": DEADLINE_MS, "quorum": 3, **settings}
    return backends + ensemble(MEMBERS, name, **settings)


def far(name: str, *urls: str, **settings: object) -> str:
    """A backend behind addresses at which there is a `tests.there.There`; `settings` as TOML writes them."""
    lines = {"url": list(urls), "model": '"m"', "features": ["a", "b"], "labels": ["no", "yes"], **settings}
    return "\n".join([f"[backends.{name}]", *(f"{key} = {value}" for key, value in lines.items()), ""])
