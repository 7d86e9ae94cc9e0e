"""The views: everything that draws a lab, from its snapshots alone.

Nothing is imported here: `dashboard` needs ipywidgets, `charts` plotly, `terminal` rich, and none of them comes
with ``import zlab``.
"""
