"""The command line: `chorus`."""

import sys

import click

from models.errors import ChorusError
from server.commands.backends import backends
from server.commands.bench import bench
from server.commands.check import check
from server.commands.config import config
from server.commands.drill import drill
from server.commands.init import init
from server.commands.models import models
from server.commands.predict import predict
from server.commands.reload import reload
from server.commands.requests import requests
from server.commands.serve import serve
from server.commands.thresholds import thresholds
from server.commands.train import train
from server.config import ConfigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chorus-serve", prog_name="chorus")
def chorus() -> None:
    """Ask many models at once, and give one answer in time.

    \b
    Try it:
      chorus train          fit and register the models of the demonstration
      chorus serve          serve what chorus.toml names
      chorus predict breast-cancer rows.csv
      chorus bench breast-cancer
    A running server:
      chorus backends       what each backend is doing
      chorus requests       what became of the last requests
      chorus drill          play a fault, and see it cope
    Your own models:
      chorus models add     put them into the registry
      chorus init           write a chorus.toml that serves them
      chorus check          find its mistakes
    """


chorus.add_command(backends)
chorus.add_command(bench)
chorus.add_command(check)
chorus.add_command(config)
chorus.add_command(drill)
chorus.add_command(models)
chorus.add_command(init)
chorus.add_command(predict)
chorus.add_command(reload)
chorus.add_command(requests)
chorus.add_command(serve)
chorus.add_command(thresholds)
chorus.add_command(train)


def main() -> None:
    """Run the command line; what an operator can mend is one line, and exit code 1."""
    try:
        chorus(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ChorusError, ConfigError) as error:
        for line in str(error).splitlines():
            click.echo(f"error: {line}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
