"""Columns: a table kept as one array for each of its columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Heads = NDArray[np.void]
Things = NDArray[np.object_]


_KINDS: dict[str, np.dtype[Any]] = {
    "Ints": np.dtype(np.int64),
    "Flags": np.dtype(np.bool_),
    "Heads": np.dtype("V64"),
    "Things": np.dtype(np.object_),
}
"""What each of these names stands for, as it is written beside a column: numpy's own spelling of it changes."""
_known: dict[type[Any], dict[str, np.dtype[Any]]] = {}
_getters: dict[type[Any], Callable[[Any], tuple[NDArray[Any], ...]]] = {}


def _kinds(table: type[Any]) -> dict[str, np.dtype[Any]]:
    """The names of the columns, and the type of each."""
    if table not in _known:
        _known[table] = {f.name: _KINDS[str(f.type)] for f in fields(table)}
    return _known[table]


def _columns(table: Columns) -> tuple[NDArray[Any], ...]:
    """The columns themselves; they are asked for so often that it is done in one step."""
    kind = type(table)
    if kind not in _getters:
        _getters[kind] = attrgetter(*_kinds(kind))
    return _getters[kind](table)


@dataclass(slots=True)
class Columns:
    """A table; each field of a subclass is one column."""

    @classmethod
    def empty(cls, count: int = 0) -> Self:
        """So many rows, all zeros."""
        return cls(*(np.zeros(count, kind) for kind in _kinds(cls).values()))

    @classmethod
    def joined(cls, tables: Sequence[Self]) -> Self:
        """One below the other."""
        if len(tables) == 1:
            return tables[0]
        if not tables:
            return cls.empty()
        return cls(*map(np.concatenate, zip(*map(_columns, tables), strict=True)))

    def tolists(self) -> list[list[Any]]:
        """Each column as a list."""
        return [column.tolist() for column in _columns(self)]

    def __len__(self) -> int:
        """How many rows there are."""
        first: Ints = getattr(self, next(iter(_kinds(type(self)))))
        return first.size

    def __getitem__(self, which: slice | Ints | Flags) -> Self:
        """Some of the rows; a slice of them is a view."""
        return type(self)(*[column[which] for column in _columns(self)])
