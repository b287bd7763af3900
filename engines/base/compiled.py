"""Kernels that numba compiles, where it is installed: an option, with numpy as the other way to the same numbers.

numba keys its cache by the processor, and looks for it only in folders that it can write. An image is built on one
machine and runs read-only on others, where that would mean seconds of compilation at each start. So the processor is
a fixed one, x86-64-v3 (AVX2, FMA; Intel since 2013, AMD since 2015), and the cache is the one beside the source,
written when the image is built. A processor below that, or NAUTILUS_NUMBA=off, means numpy.
"""

import importlib.util
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

NEEDED = frozenset({"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"})
X86 = platform.machine() in ("x86_64", "AMD64")


def capable(cpuinfo: str) -> bool:
    """Whether the processor that /proc/cpuinfo describes runs code for x86-64-v3."""
    flags = next((line.split() for line in cpuinfo.splitlines() if line.startswith("flags")), [])
    return NEEDED.issubset(flags)


def _available() -> bool:
    if os.environ.get("NAUTILUS_NUMBA", "on") == "off" or importlib.util.find_spec("numba") is None:
        return False
    description = Path("/proc/cpuinfo")
    return not X86 or (description.exists() and capable(description.read_text()))


AVAILABLE = _available()
PATH = "numba" if AVAILABLE else "numpy"

if AVAILABLE:
    os.environ.setdefault("NUMBA_CPU_NAME", "x86-64-v3" if X86 else "generic")
    os.environ.setdefault("NUMBA_CPU_FEATURES", "")  # those that the name implies, and none of this machine's own
    os.environ.setdefault("NUMBA_CACHE_LOCATOR_CLASSES", f"{__name__}.Beside")

    from numba import njit
    from numba.core.caching import InTreeCacheLocator

    class Beside(InTreeCacheLocator):  # type: ignore[misc]
        """The cache in __pycache__ beside the source, also where it can only be read."""

        def ensure_cache_path(self) -> None:
            folder = Path(self.get_cache_path())
            if os.access(folder, os.W_OK) or not any(folder.glob(f"{Path(self._py_file).stem}.*.nbi")):
                super().ensure_cache_path()

    def compiled(function: Kernel) -> Kernel:
        """Compile at the first call, without the GIL; sums may be reassociated, infinities and NaN are kept."""
        kernel: Kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})(function)
        return kernel
