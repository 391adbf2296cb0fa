"""Who speaks from a terminal."""

import os
from typing import Annotated

import typer

As = Annotated[str, typer.Option("--as", envvar="SLUICE_AS", help="Who speaks.")]
ME = os.environ.get("USER") or "me"
