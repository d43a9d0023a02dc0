"""The page rnncore/gradcheck/README.md: its Python blocks run, and what it says comes out of them."""

import contextlib
import io
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from rnncore.gradcheck import mutants

PAGE = Path(__file__).parents[1] / "rnncore" / "gradcheck" / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def printed():
    """Run the Python blocks one after another; return what each printed, None where torch is missing."""
    names, said = {"__name__": "page"}, []
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        out = io.StringIO()
        if "import torch" in block and not find_spec("torch"):
            said.append(None)
            continue
        with contextlib.redirect_stdout(out):
            exec(compile(block, str(PAGE), "exec"), names)
        said.append(out.getvalue())
    return said


def test_the_first_check_passes(printed):
    assert ": pass (complex-step to 1e-12, forward-mode to 1e-12, central to 1e-08)" in printed[0]


def test_the_failure_is_located_and_named_as_printed(printed):
    shown = TEXT[TEXT.index("Recurrent(cell='rnncore.lstm', D=3") :]
    for line in shown[: shown.index("```")].splitlines():
        if not line.startswith("FAIL") and line != "...":
            assert line in printed[1]
    assert re.search(r"FAIL +Wx +\(3,20\) +60 +\(1,7\) +5 +f ", printed[1])


def test_the_score_is_as_printed(printed):
    assert printed[2].strip() in TEXT
    assert printed[2].startswith("21 of 26")


@pytest.mark.parametrize(("block", "verdict"), [(3, "pass"), (4, "fail")])
def test_other_peoples_code_gets_the_verdict_that_the_comment_says(printed, block, verdict):
    if printed[block] is None:
        pytest.skip("torch is not installed")
    assert printed[block].strip() == verdict


def test_the_table_of_planted_errors_counts_what_there_is():
    counts = " | ".join(
        f"{len(mutants(c))} of {len(mutants(c))}"
        for c in ("lstm", "gru", "rnn", "bidirectional", "stack", "recurrent_dropout")
    )
    assert TEXT.count(counts) == 3


def test_links_and_pictures_are_there():
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (PAGE.parent / link).exists(), link
