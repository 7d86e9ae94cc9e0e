"""A table is a DataFrame that prints itself whole: no column of a ledger is left out for want of room."""

from __future__ import annotations

import pandas as pd

_ROWS = 60  # more are cut in the middle, as pandas does


class Table(pd.DataFrame):
    """A ``pandas.DataFrame``; what is made of it is one too."""

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def __repr__(self) -> str:
        """All columns; of many rows, the first and the last."""
        return self.to_string(max_rows=_ROWS)
