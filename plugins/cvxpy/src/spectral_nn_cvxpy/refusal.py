"""What the method does not take, said in one sentence that names the sub-expression and the reason."""

from __future__ import annotations

from typing import Any

from cvxpy.error import SolverError

# Long expressions are cut here: the sentence must stay readable in a terminal.
_LONGEST_NAME = 90


class Refused(SolverError):
    """The problem is valid CVXPY, but not of the kind the Newton l_p minimizer takes.

    The message names the sub-expression and says why. ``problem.solve(method="newton_lp", fallback=True)``
    hands such problems to CVXPY's own solvers.

    Attributes
    ----------
    expression : cvxpy Expression, Constraint or None
        The part that was not recognised.
    reason : str
    """

    def __init__(self, expression: Any, reason: str) -> None:
        self.expression = expression
        self.reason = reason
        where = "" if expression is None else f" {shown(expression)}:"
        super().__init__(
            f"newton_lp does not take{where or ' this problem:'} {reason}. "
            "Solve it without method=, or pass fallback=True to let CVXPY's own solvers have it."
        )


def shown(expression: Any) -> str:
    """The expression as CVXPY prints it, on one line and of bounded length."""
    text = " ".join(str(expression).split())
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 4] + " ..."
