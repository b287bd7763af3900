"""What can be broken on purpose."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What `nautilus drill` breaks on purpose."""

    KILL = "kill"  # SIGKILL of one replica
    PAUSE = "pause"  # one replica is frozen for some seconds, and goes on
    HANG = "hang"  # the processes of one replica are stopped: it runs, and answers nothing until they are continued
    OOM = "oom"  # the kernel kills one replica, since it ran out of its memory
    BUS_DOWN = "bus-down"  # the redis service is stopped for some seconds
    GATEWAY_DOWN = "gateway-down"  # SIGKILL of the gateway
