"""The notebooks: stored bare, written on the public names alone, and run from top to bottom."""

from __future__ import annotations

import ast
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from labs import execute
from nbstripout import strip_output

import zlab

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
BEGINS = re.compile(r"zlab\.(run|watch)\(")
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code_of(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tree_of(source):
    # A notebook's cell may await at its top level.
    return compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_there_is_one_to_start_with_and_they_are_numbered():
    assert NOTEBOOKS[0].stem == "00_start_here"
    numbers = [re.match(r"\d\d(?=_)", path.stem)[0] for path in NOTEBOOKS]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", NOTEBOOKS[1:6], ids=lambda path: path.stem)
def test_it_runs_the_pattern_that_it_is_named_after(path):
    name = path.stem[3:]
    assert name in zlab.patterns.__all__[:5]
    assert f"zlab.patterns.{name}(" in "\n".join(cell.source for cell in code_of(path))


@every_notebook
def test_it_is_stored_bare(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    for cell in code_of(path):
        assert cell.outputs == []
        assert cell.execution_count is None
    bare = strip_output(read(path), keep_output=False, keep_count=False, keep_id=False)
    assert bare == notebook, "run nbstripout on it"


@every_notebook
def test_only_the_first_runs_by_itself(path):
    """The labextension runs the cells tagged ``autorun``; what would take the picture away is pressed by hand."""
    notebook = read(path)
    first = path.stem.startswith("00")
    assert notebook.metadata.zlab == {"autorun": first}
    tags = [tuple(cell.metadata.get("tags", ())) for cell in code_of(path)]
    if first:
        assert tags == [("autorun",), *[("by-hand",)] * (len(tags) - 1)]
    else:
        assert not any(tags)


@every_notebook
def test_it_uses_public_names_alone(path):
    for cell in code_of(path):
        for node in ast.walk(tree_of(cell.source)):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
                assert module in {"zlab", "zmq", "threading"}, cell.source
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), cell.source
                if isinstance(node.value, ast.Name) and node.value.id == "zlab":
                    assert node.attr in zlab.__all__, cell.source
                if isinstance(node.value, ast.Name) and node.value.id == "lab":
                    assert node.attr in {*dir(zlab.Lab), *dir(zlab.Watched)}, cell.source
                for part in ("patterns", "nodes", "faults", "checks"):
                    if isinstance(node.value, ast.Attribute) and node.value.attr == part:
                        assert hasattr(getattr(zlab, part), node.attr), cell.source
            if isinstance(node, ast.Name):
                assert not node.id.startswith("_"), cell.source


@every_notebook
def test_it_never_sleeps_and_ends_its_lab(path):
    sources = [cell.source for cell in code_of(path)]
    assert not any("sleep" in source for source in sources)
    assert sources[-1] == "lab.stop()"
    runs = [source for source in sources if BEGINS.search(source)]
    assert len(runs) == 1
    assert runs[0].splitlines()[-1] == "lab", "the dashboard is the last word of its cell"


@every_notebook
def test_its_links_lead_somewhere(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (FOLDER / target).exists(), target


@pytest.fixture(scope="module")
def executed(request, tmp_path_factory):
    """Runs what is tested from top to bottom, two at a time: much of it waits for time to pass, or for a kernel."""
    tests = [item for item in request.session.items if item.function is test_it_runs_from_top_to_bottom]

    paths = [test.callspec.params["path"] for test in tests]
    folders = {path: tmp_path_factory.mktemp(path.stem) for path in paths}  # pytest makes them for one thread only

    def run(path):
        notebook, folder = read(path), folders[path]
        check = nbformat.v4.new_code_cell("zlab.checks.accounted(lab)")
        notebook.cells.insert(-1, check)  # before the lab is stopped
        execute(notebook, folder)
        return notebook, folder

    with ThreadPoolExecutor(2) as runs:
        yield {path: runs.submit(run, path) for path in paths}
        runs.shutdown(cancel_futures=True)


@every_notebook
@pytest.mark.slow
@pytest.mark.timeout(150)
def test_it_runs_from_top_to_bottom(path, executed):
    notebook, folder = executed[path].result()
    dashboard = next(cell for cell in notebook.cells if cell.cell_type == "code" and BEGINS.search(cell.source))
    (shown,) = [output for output in dashboard.outputs if output.output_type == "execute_result"]
    assert "image/svg+xml" in shown.data
    assert "application/vnd.jupyter.widget-view+json" in shown.data
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "stream", json.dumps(output)
            if "ledger" in cell.source and output.output_type == "execute_result":
                assert "unaccounted" in output.data["text/plain"]
    assert "none unaccounted for" in notebook.cells[-2].outputs[0].data["text/plain"]
    assert list(folder.iterdir()) == []
