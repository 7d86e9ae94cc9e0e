"""README, CONTRIBUTING and CHANGELOG: what they name exists, and what exists is named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import zlab
from zlab.cli.listing import markdown, options

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
NOTEBOOKS = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb"))

GITHUB = re.compile(r"(?:\w+://)?(?:[^@/]+@)?github\.com[:/](?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?")


def blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [text for of, text in found if of == language]


def test_the_table_of_patterns_is_generated():
    assert markdown() in README, "run zlab list --markdown, and put what it prints in the place of the table"
    assert len(re.findall(r"^\| `\w+` \| [^|]+: ", README, re.MULTILINE)) == len(zlab.patterns.__all__)


@pytest.mark.parametrize("fault", zlab.faults.__all__)
def test_every_fault_is_shown_somewhere(fault):
    assert f"faults.{fault}" in README + NOTEBOOKS


def test_the_two_commands_stand_with_their_twins():
    setup = "python3 -m venv .venv && .venv/bin/pip install -e "
    assert [block.strip() for block in blocks("")] == [
        f"{setup}. && .venv/bin/zlab",
        f'{setup}".[test]" && .venv/bin/pytest -n 2',
    ]
    assert "`uv run zlab`" in README
    assert "`uv run --extra test pytest -n 2`" in README


def test_the_badge_names_the_repository_that_this_is_a_clone_of():
    """OWNER stands for whoever publishes it, as long as nobody has; a fork may name what it is a fork of."""
    asked = ["git", "config", "--get-regexp", r"^remote\..*\.url$"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False).stdout
    remotes = [GITHUB.fullmatch(line.partition(" ")[2]) for line in told.splitlines()]
    published = {remote["repository"] for remote in remotes if remote}
    (named,) = re.findall(r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/HEAD", README)
    assert named in (published or {"OWNER/zlab"}), "see CONTRIBUTING.md, The commands"


@pytest.mark.parametrize("start", ["https://github.com/", "https://me:secret@github.com/", "git@github.com:"])
@pytest.mark.parametrize("end", ["", ".git", "/"])
def test_a_repository_on_github_is_known_by_its_address(start, end):
    assert GITHUB.fullmatch(f"{start}some-one/z.lab{end}")["repository"] == "some-one/z.lab"
    assert not GITHUB.fullmatch(f"{start}some-one/z.lab{end}".replace("github", "example"))


def test_the_first_example_has_six_lines_and_works():
    example = blocks("python")[0]
    assert len([line for line in example.splitlines() if line and not line.startswith("import")]) == 6
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "unaccounted" in done.stdout or "..." in done.stdout  # pandas leaves columns out of a narrow table


def test_the_node_in_the_readme_is_one():
    names = {}
    exec(blocks("python")[1], names)  # noqa: S102 - our own README
    numbers, doubled = zlab.PULL.bind("numbers"), zlab.PUSH.bind("doubled")
    assert zlab.Node("doubler", names["double"], numbers=numbers, doubled=doubled)


@pytest.mark.parametrize("text", [README, CONTRIBUTING, CHANGELOG], ids=["README", "CONTRIBUTING", "CHANGELOG"])
def test_what_they_link_to_exists(text):
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_files_that_the_architecture_walks_through_exist():
    paths = re.findall(r"`((?:zlab|labextension|binder|\.ci)/[\w/.]*)`", CONTRIBUTING)
    assert len(paths) > 15
    for path in paths:
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(\w+\.(?:py|js))`", CONTRIBUTING):
        assert (ROOT / name).exists() or list((ROOT / "zlab").rglob(name)), name


def test_no_part_of_the_house_is_passed_over():
    for path in (ROOT / "zlab").iterdir():
        if not path.name.startswith(("_", ".")) and path.name != "py.typed":
            assert f"`zlab/{path.name}" in CONTRIBUTING, path.name
    for folder in ("runtime", "ledger", "probe", "views", "cli", "bench"):
        for path in (ROOT / "zlab" / folder).glob("[!_]*.py"):
            a_view = path.with_suffix(".js").exists()  # which is walked through as one of them
            assert a_view or f"{path.name}`" in CONTRIBUTING, path
    for path in (ROOT / "zlab" / "views").glob("*.js"):
        assert path.with_suffix(".py").exists() or f"{path.name}`" in CONTRIBUTING, path


def test_the_changelog_has_one_sentence_a_line():
    entries = [line for line in CHANGELOG.splitlines() if line.startswith("- ")]
    assert entries
    for entry in entries:
        assert entry.endswith(".")
        assert not re.search(r"\. [A-Z]", entry), entry


def test_the_table_of_options_is_generated():
    assert options() in README, "run zlab list --options, and put what it prints in the place of the table"
