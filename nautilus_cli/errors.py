"""The error tree and the exit codes, which are part of the interface.

    NautilusError
    ├── Unhealthy            1   a declared objective is missed or an engine is not healthy
    ├── ConfigError          2   the file or the arguments are wrong
    ├── RuntimeUnavailable   3   Docker does not answer
    ├── BuildFailed          4   an image could not be built or pulled
    ├── RolloutFailed        5   a change failed, and was rolled back or stopped
    │   └── RolloutStopped   5   a change failed and stands half way, as `update.failure_action` asks
    └── Busy                 6   another change of this fleet is running

Further codes: 0 done or in sync, 10 changes pending (`up --dry-run --exit-code`), 70 a bug, 130 interrupted.
"""

CHANGES_PENDING = 10
BUG = 70
INTERRUPTED = 130


class NautilusError(Exception):
    """An expected failure: the message says what and where, the hint what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unhealthy(NautilusError):
    """An engine is not healthy, or a declared objective is missed."""

    exit_code = 1


class ConfigError(NautilusError):
    """The file or the arguments are wrong; nothing was touched."""

    exit_code = 2


class RuntimeUnavailable(NautilusError):
    """The runtime cannot be reached."""

    exit_code = 3


class BuildFailed(NautilusError):
    """An image could not be built or pulled; the running fleet was left alone."""

    exit_code = 4


class RolloutFailed(NautilusError):
    """A change failed and was taken back; what served before goes on serving."""

    exit_code = 5


class RolloutStopped(RolloutFailed):
    """A change failed in part and was not taken back: `update.failure_action` is pause or continue."""


class Busy(NautilusError):
    """Another change of the same fleet is running."""

    exit_code = 6
