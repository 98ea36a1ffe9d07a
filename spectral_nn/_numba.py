"""Numba, with a word to the user when kernels are compiled: the one place where this package imports it.

Kernels are cached on disk, so compiling happens once per machine and installation; but then it takes seconds,
in the middle of a call that is known to take milliseconds. Numba announces every real compilation (not a load
from the cache) as an event. The first one of ours in a process writes a line to standard error, unless the
environment variable SPECTRAL_NN_QUIET is set.

Parallel kernels have serial twins for forked processes (multiprocessing's default on Linux before Python
3.14).
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from numba import njit, prange
from numba.core import event

__all__ = ["may_run_parallel", "njit", "prange"]

QUIET_VARIABLE = "SPECTRAL_NN_QUIET"
NOTICE = (
    "spectral_nn: compiling numerical kernels for this machine; this happens once and takes some seconds ..."
)


_forked = False


def may_run_parallel() -> bool:
    """Whether a parallel kernel is safe here: not in a forked child, where GNU OpenMP would end the
    process."""
    return not _forked


class _Notice(event.Listener):
    """Says `NOTICE` at the first compilation of a kernel of this package."""

    def on_start(self, happening: Any) -> None:
        kernel = getattr(happening.data.get("dispatcher"), "py_func", None)
        if not (kernel and kernel.__module__.startswith("spectral_nn")):
            return
        event.unregister("numba:compile", self)
        logging.getLogger("spectral_nn").info(NOTICE)
        if not os.environ.get(QUIET_VARIABLE):
            print(NOTICE, file=sys.stderr, flush=True)

    def on_end(self, happening: Any) -> None:
        """Nothing to say."""


def _note_fork() -> None:
    global _forked
    _forked = True


event.register("numba:compile", _Notice())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
