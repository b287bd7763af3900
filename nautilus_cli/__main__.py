"""`python -m nautilus_cli` is `nautilus`."""

from nautilus_cli.main import run

run()
