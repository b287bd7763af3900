"""Run one engine: `NAUTILUS_ENGINE=risk PORT=8200 NAUTILUS_PRICES=prices.npz python -m engines.base`.

Exit codes: 0 stopped on request, 1 the engine could not load its data, 2 the settings are wrong, 3 the port is taken.
"""

import gc
import signal
import sys

if __name__ == "__main__":
    # Process 1 of a container ignores SIGTERM until there is a handler, and what is imported next takes a while.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    gc.disable()  # until the engine has loaded: what is imported stays, and collections would walk it again and again
    from engines.base.run import run

    sys.exit(run())
