"""Load an engine once and leave: `python -m engines.base.warm`, with the environment of `python -m engines.base`.

An image build does it, so that an engine that cannot load fails there, and so that the image holds the compiled
kernels. Exit codes: 0 loaded, 2 the settings are wrong; an engine that cannot load ends with its traceback.
"""

from engines.base import compiled
from engines.base.run import configured


def main() -> None:
    """Load the engine of the environment."""
    settings, service = configured()
    service.create(settings).load()
    print(f"{settings.engine} loads, and computes with {compiled.PATH}")


if __name__ == "__main__":
    main()
