"""A diagnosis as a table that reads as sentences."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING

from zlab.ledger.table import Table

if TYPE_CHECKING:
    from zlab.ledger.finding import Finding

_WIDTH = 100  # columns of the sentences
_NOTHING = "No mistake is seen."


class Diagnosed(Table):
    """A ``pandas.DataFrame`` with a row per finding, the worst first."""

    @property
    def _constructor(self) -> type[Table]:
        return Table  # what is made of it is a table of any kind

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The rows, as `zlab.ledger.finding.Finding`."""
        return tuple(self.attrs["findings"])

    def __repr__(self) -> str:
        """A paragraph for each."""
        return "\n\n".join(textwrap.fill(str(f), _WIDTH, subsequent_indent="  ") for f in self.findings) or _NOTHING

    def _repr_html_(self) -> str:
        """In a notebook, a list."""
        if not self.findings:
            return f"<p>{_NOTHING}</p>"
        rows = "".join(
            f"<li><b>{escape(f.mistake)}</b>{'' if f.certain else ' (likely)'}<br>{escape(f.words)}.<br>"
            f"{escape(f.remedy)}. <small>ZeroMQ Guide, {escape(f.guide)}.</small></li>"
            for f in self.findings
        )
        return f'<ol style="max-width: 62em">{rows}</ol>'
