"""A tape of numeric operations: read the expression tree once, replay it when parameter values change.

Reading a tree evaluates as it goes. What depends on a CVXPY Parameter is written down, in the order of
evaluation, so a solve with new parameter values replays those operations alone and never looks at the tree
again. Unlike CVXPY's own parametrized compilation this does not ask the problem to be DPP: products of
parameters replay just as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Node:
    """A value on the tape; `constant` says that no parameter can change it."""

    __slots__ = ("constant", "function", "inputs", "value")

    def __init__(
        self, value: Any, constant: bool, function: Callable[..., Any] | None, inputs: tuple[Node, ...]
    ):
        self.value = value
        self.constant = constant
        self.function = function
        self.inputs = inputs


class Tape:
    """The recorded operations of one problem."""

    def __init__(self) -> None:
        self._recorded: list[Node] = []

    def constant(self, value: Any) -> Node:
        """A value that never changes."""
        return Node(value, True, None, ())

    def reader(self, read: Callable[[], Any]) -> Node:
        """A value to be read anew at every replay, such as that of a Parameter."""
        node = Node(read(), False, read, ())
        self._recorded.append(node)
        return node

    def apply(self, function: Callable[..., Any], *inputs: Node) -> Node:
        """``function`` of the values of `inputs`; recorded unless all of them are constant."""
        value = function(*[node.value for node in inputs])
        if all(node.constant for node in inputs):
            return Node(value, True, None, ())
        node = Node(value, False, function, inputs)
        self._recorded.append(node)
        return node

    def replay(self) -> None:
        """Evaluate everything recorded again, in order, from the present parameter values."""
        for node in self._recorded:
            assert node.function is not None
            node.value = node.function(*[source.value for source in node.inputs])

    def __len__(self) -> int:
        return len(self._recorded)
