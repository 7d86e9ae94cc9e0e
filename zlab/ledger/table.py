"""A table is a DataFrame that prints itself whole: no column of a ledger is left out for want of room."""

from __future__ import annotations

import re

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

    def _repr_html_(self) -> str:
        """In a notebook a link has two lines, so that the reasons, which come last, have room."""
        named = self.index.name is not None
        html: str = pd.DataFrame(self).to_html(max_rows=_ROWS, notebook=True, index_names=False, na_rep="")
        head, _, body = html.partition("<tbody>")
        body = re.sub(r"<th>([^<]+) → ", r"<th>\1 →<br>", body)
        body = body.replace("<th>", '<th style="text-align: left; white-space: nowrap">')
        if named:
            head = head.replace("<th></th>", f'<th style="text-align: left">{self.index.name}</th>', 1)
        return f"{head}<tbody>{body}".replace('class="dataframe"', 'class="dataframe" style="font-size: 11.5px"')
