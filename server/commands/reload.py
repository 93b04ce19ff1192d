"""`chorus reload`."""

from pathlib import Path

import click

from models.errors import ChorusError
from server.servers import Found, NotDone, servers

HERE = Path("chorus.toml")


@click.command()
@click.option("-c", "--config", type=click.Path(path_type=Path), help="The configuration that it was started with.")
@click.option("-p", "--port", type=int, help="The port that it listens on, where several run.")
@click.option("--restart", is_flag=True, help="Replace all of its processes by fresh ones, one after the other.")
def reload(config: Path | None, port: int | None, restart: bool) -> None:
    """Have the running server take up what has changed in its configuration and in the registry.

    Processes are started only for what has changed; when they are ready, all requests that come are answered by the new
    set of versions, and those under way by the old. No request fails. If anything is wrong, nothing changes: one line
    says why, and the exit code is 1.

    With --restart everything is replaced by fresh processes, as after an upgrade of Python packages or for settings of
    [server]. What the supervisor itself holds, as the port, takes `chorus serve --replace` or a new start.

    \b
    Examples:
      chorus reload
      chorus reload --config fraud.toml
      chorus reload --port 8080 --restart
    """
    told = told_by(the_server(config, port), restart=restart)
    click.echo(f"reloaded: {told}" if told != UNCHANGED else told)


UNCHANGED = "nothing has changed"


def the_server(config: Path | None, port: int | None) -> Found:
    """The one that is meant.

    Raises:
        ChorusError: there is none, or there are several.
    """
    running = servers()
    if port is not None:
        meant = [one for one in running if one.about.port == port]
        where = f"on port {port}"
    else:
        path = (config or HERE).resolve()
        meant = [one for one in running if one.about.config == str(path)]
        where = f"with {path}"
    if not meant:
        others = ", ".join(f"{one.about.config} on port {one.about.port}" for one in running)
        hint = f"of yours there run {others}" if others else "to start one: chorus serve"
        raise ChorusError(f"no server runs {where}; {hint}")
    if len(meant) > 1:
        ports = ", ".join(str(one.about.port) for one in meant)
        raise ChorusError(f"several servers run {where}, on the ports {ports}; say which with --port")
    return meant[0]


def told_by(found: Found, *, restart: bool = False) -> str:
    """Have `found` reload, with a line for each step; what has changed.

    Raises:
        NotDone: it has not, and why.
    """
    for said in found.ask(do="reload", restart=restart):
        if "done" in said:
            return str(said["done"])
        click.echo(f"  {said['progress']}")
    raise NotDone("the server ended meanwhile")
