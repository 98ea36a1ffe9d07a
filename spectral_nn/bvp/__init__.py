"""Boundary value problems: state them as on paper, solve them to spectral accuracy, see the certificate."""

from .branch import Branch, continuation
from .bvp import BVP
from .deflation import deflate
from .result import BVPResult, Status
from .solve import solve_bvp

__all__ = ["BVP", "BVPResult", "Branch", "Status", "continuation", "deflate", "solve_bvp"]
