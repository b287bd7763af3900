"""Load an engine once and leave: `python -m engines.base.warm`, with the environment of `python -m engines.base`.

An image build does it, so that an engine that cannot load fails there, and so that the image holds the compiled
kernels. Exit codes: 0 loaded, 2 the settings are wrong; an engine that cannot load ends with its traceback.
"""

import os
import sys

from engines.base import compiled
from engines.base.run import service_of
from engines.base.settings import Settings, SettingsError


def main() -> int:
    """The exit code."""
    try:
        settings = Settings.from_environment(os.environ)
        service = service_of(settings.engine)
    except SettingsError as error:
        print(f"engines.base.warm: {error}", file=sys.stderr)
        return 2
    service.create(settings).load()
    print(f"{settings.engine} loads, and computes with {compiled.PATH}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
