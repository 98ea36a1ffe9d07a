"""Affine functions of the variables, r = sum_v s_v M_v vec(v) + c, with vec column-major as in CVXPY.

A block keeps its scalar factor apart from its matrix, and selections of entries stay index arrays, so that
``A @ x - b``, ``b - A @ x`` and ``2 * (A @ x)`` all carry the user's A itself: no copy of the data is made
while reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

# Below this many entries a sparse matrix costs more in bookkeeping than its zeros do.
_DENSE_ENTRIES = 4096
# Above this share of nonzeros dense BLAS beats sparse storage.
_DENSE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Selection:
    """The 0/1 matrix whose row i picks entry ``columns[i]`` of a vector of length `width`."""

    columns: np.ndarray
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self.columns), self.width)

    @property
    def is_identity(self) -> bool:
        size = len(self.columns)
        return size == self.width and bool(np.array_equal(self.columns, np.arange(size)))

    def matrix(self) -> sp.csr_array:
        rows = len(self.columns)
        return sp.csr_array((np.ones(rows), self.columns, np.arange(rows + 1)), shape=self.shape)


Matrix: TypeAlias = np.ndarray | sp.csr_array | Selection


@dataclass(frozen=True, slots=True)
class Block:
    """``scale * matrix``."""

    matrix: Matrix
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Affine:
    """An affine expression of `size` entries: `blocks` by variable id, and the constant part `offset`
    (size,)."""

    blocks: dict[int, Block]
    offset: np.ndarray

    @property
    def size(self) -> int:
        return len(self.offset)


def of_constant(value: np.ndarray) -> Affine:
    """A constant, flattened column-major."""
    return Affine({}, flatten(value))


def flatten(value: object) -> np.ndarray:
    """Any numeric value CVXPY hands out (scalar, array, sparse) as a column-major float vector."""
    if sp.issparse(value):
        value = value.toarray()  # type: ignore[attr-defined]
    array = np.asarray(value)
    if array.dtype != np.float64:
        array = array.astype(np.float64)
    return array.reshape(-1, order="F")


def scaled(affine: Affine, factor: float) -> Affine:
    """``factor * affine``; the matrices are shared."""
    factor = float(factor)
    blocks = {key: Block(block.matrix, factor * block.scale) for key, block in affine.blocks.items()}
    return Affine(blocks, factor * affine.offset)


def scaled_rows(affine: Affine, factors: np.ndarray) -> Affine:
    """``diag(factors) @ affine``."""
    if len(factors) and np.all(factors == factors[0]):
        return scaled(affine, factors[0])
    blocks = {
        key: Block(_scale_rows(block.matrix, factors), block.scale) for key, block in affine.blocks.items()
    }
    return Affine(blocks, factors * affine.offset)


def added(*terms: Affine) -> Affine:
    """The sum; where a variable occurs once its matrix is shared."""
    blocks: dict[int, Block] = {}
    offset = terms[0].offset
    for term in terms[1:]:
        offset = offset + term.offset
    for term in terms:
        for key, block in term.blocks.items():
            blocks[key] = _add(blocks[key], block) if key in blocks else block
    return Affine(blocks, offset)


def gathered(affine: Affine, rows: np.ndarray) -> Affine:
    """The entries `rows` of `affine`, in that order, repetition allowed."""
    if len(rows) == affine.size and np.array_equal(rows, np.arange(affine.size)):
        return affine
    blocks = {key: Block(_gather(block.matrix, rows), block.scale) for key, block in affine.blocks.items()}
    return Affine(blocks, affine.offset[rows])


def stacked(parts: list[Affine]) -> Affine:
    """The parts one below the other."""
    if len(parts) == 1:
        return parts[0]
    sizes = [part.size for part in parts]
    blocks: dict[int, Block] = {}
    for key in dict.fromkeys(key for part in parts for key in part.blocks):
        blocks[key] = Block(_stack([part.blocks.get(key) for part in parts], sizes))
    return Affine(blocks, np.concatenate([part.offset for part in parts]))


def multiplied(matrix: np.ndarray | sp.csr_array, affine: Affine) -> Affine:
    """``matrix @ affine``."""
    blocks = {}
    for key, block in affine.blocks.items():
        blocks[key] = Block(_multiply(matrix, block.matrix), block.scale)
    if not np.any(affine.offset):  # as of every plain variable; also keeps inf * 0 out
        return Affine(blocks, np.zeros(matrix.shape[0]))
    return Affine(blocks, np.asarray(matrix @ affine.offset).reshape(-1))


def as_matrix(value: object) -> np.ndarray | sp.csr_array:
    """A constant of CVXPY as a float matrix: sparse stays sparse unless it is small or nearly full."""
    if sp.issparse(value):
        return settled(sp.csr_array(value))
    array = np.asarray(value)
    return array if array.dtype == np.float64 else array.astype(np.float64)


def settled(matrix: sp.csr_array) -> np.ndarray | sp.csr_array:
    """Dense where dense is faster."""
    entries = matrix.shape[0] * matrix.shape[1]
    if entries <= _DENSE_ENTRIES or matrix.nnz > _DENSE_SHARE * entries:
        return matrix.toarray()
    return matrix


def common_scale(affine: Affine) -> float:
    """The factor shared by all blocks, or 1 where they differ."""
    scales = {block.scale for block in affine.blocks.values()}
    return scales.pop() if len(scales) == 1 else 1.0


def columns(affine: Affine, places: dict[int, slice], width: int) -> np.ndarray | sp.csr_array:
    """The one matrix (size, width) of `affine`, each variable's block at its place; shared when it fills all
    of it."""
    items = [(places[key], block) for key, block in affine.blocks.items()]
    if len(items) == 1 and items[0][0] == slice(0, width):
        block = items[0][1]
        matrix = settled(block.matrix.matrix()) if isinstance(block.matrix, Selection) else block.matrix
        return matrix if block.scale == 1.0 else block.scale * matrix
    entries = affine.size * width
    filled = sum(_stored(block.matrix) for _, block in items)
    if entries <= _DENSE_ENTRIES or filled > _DENSE_SHARE * entries:
        out = np.zeros((affine.size, width))
        for place, block in items:
            out[:, place] = block.scale * dense(block.matrix)
        return out
    parts = []
    for place, block in items:
        coo = sp.coo_array(_sparse(block.matrix))
        parts.append((block.scale * coo.data, coo.coords[0], coo.coords[1] + place.start))
    if not parts:
        return sp.csr_array((affine.size, width))
    data, rows, cols = (np.concatenate(part) for part in zip(*parts, strict=True))
    return sp.csr_array((data, (rows, cols)), shape=(affine.size, width))


def dense(matrix: Matrix) -> np.ndarray:
    """Any block matrix as an array."""
    return matrix if isinstance(matrix, np.ndarray) else _sparse(matrix).toarray()


def _sparse(matrix: Matrix) -> sp.csr_array:
    return matrix.matrix() if isinstance(matrix, Selection) else sp.csr_array(matrix)


def _stored(matrix: Matrix) -> int:
    if isinstance(matrix, Selection):
        return len(matrix.columns)
    return matrix.size if isinstance(matrix, np.ndarray) else matrix.nnz


def _plain(block: Block) -> np.ndarray | sp.csr_array:
    matrix = block.matrix.matrix() if isinstance(block.matrix, Selection) else block.matrix
    return matrix if block.scale == 1.0 else block.scale * matrix


def _add(one: Block, two: Block) -> Block:
    if one.matrix is two.matrix:
        return Block(one.matrix, one.scale + two.scale)
    left, right = _plain(one), _plain(two)
    if isinstance(left, np.ndarray) != isinstance(right, np.ndarray):
        left, right = dense(left), dense(right)
    return Block(left + right)


def _scale_rows(matrix: Matrix, factors: np.ndarray) -> Matrix:
    if isinstance(matrix, np.ndarray):
        return factors[:, None] * matrix
    return sp.csr_array(sp.diags_array(factors) @ _sparse(matrix))


def _gather(matrix: Matrix, rows: np.ndarray) -> Matrix:
    if isinstance(matrix, Selection):
        return Selection(matrix.columns[rows], matrix.width)
    return matrix[rows]


def _stack(blocks: list[Block | None], sizes: list[int]) -> Matrix:
    present = [block for block in blocks if block is not None]
    if len(present) == len(blocks) and all(
        isinstance(block.matrix, Selection) and block.scale == 1.0 for block in present
    ):
        picks = [block.matrix for block in present if isinstance(block.matrix, Selection)]
        return Selection(np.concatenate([pick.columns for pick in picks]), picks[0].width)
    width = present[0].matrix.shape[1]
    filled = sum(_stored(block.matrix) for block in present)
    entries = sum(sizes) * width
    if all(isinstance(block.matrix, np.ndarray) for block in present) and filled > _DENSE_SHARE * entries:
        empty = (np.zeros((size, width)) for size in sizes)
        return np.vstack([zero if b is None else _plain(b) for b, zero in zip(blocks, empty, strict=True)])
    parts = [
        sp.csr_array((size, width)) if block is None else block.scale * _sparse(block.matrix)
        for block, size in zip(blocks, sizes, strict=True)
    ]
    return sp.csr_array(sp.vstack(parts, format="csr"))


def _multiply(left: np.ndarray | sp.csr_array, right: Matrix) -> Matrix:
    if isinstance(right, Selection):
        if right.is_identity:
            return left
        if isinstance(left, np.ndarray):
            if len(np.unique(right.columns)) == len(right.columns):
                out = np.zeros((left.shape[0], right.width))
                out[:, right.columns] = left
                return out
            return np.asarray(left @ right.matrix())
        return sp.csr_array(left @ right.matrix())
    product = left @ right
    return product if isinstance(product, np.ndarray) else sp.csr_array(product)
