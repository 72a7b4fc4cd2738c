"""How much memory a run takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch


def memory_bytes(device: torch.device) -> int | None:
    """Bytes that this process holds of the device; on a CPU, of the machine's memory; None where nobody
    tells."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError, IndexError):
        pass
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # the highest so far: the next best
    return most if sys.platform == "darwin" else most * 1024
