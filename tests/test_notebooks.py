"""Every notebook runs, keeps its form, stores what it prints; every check fails on wrong answers and says where.

Outputs are stored, because most readers see a notebook without running it. What it prints must come out the same again;
pictures, whose bytes depend on the drawing library, must belong to the sources they stand under (a hash is kept).
Wrong and right answers stand in tests/answers/ and not in the notebooks, where a reader would see them.
"""

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

import rnncore as rc

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = {path.stem.split("_")[0]: path for path in sorted(FOLDER.glob("*.ipynb"))}
BLOCKS = ["Predict", "Derive", "Run", "Look", "Break it", "What you can now say"]

spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)


def answers(number):
    """The answers to a notebook's exercises: RIGHT has one for each, WRONG a dict of (answer, what the check says)."""
    return importlib.import_module(f"answers.notebook_{number}")


@pytest.fixture(scope="module", params=PATHS)
def notebook(request):
    """The number of a notebook and the notebook as stored."""
    return request.param, nbformat.read(PATHS[request.param], as_version=4)


FORGET = """
%reset -f
import matplotlib, rnncore
matplotlib.rcdefaults()
rnncore.set_num_threads({threads})
del matplotlib, rnncore
"""


@pytest.fixture(scope="session")
def kernel():
    """One for all notebooks of a worker: to start it and to load the modules takes as long as most notebooks."""
    with execute.session(nbformat.v4.new_notebook()) as session:
        yield session


@pytest.fixture(scope="module")
def session(notebook, kernel):
    """A kernel without a name or a setting of others, in which the notebook has run from top to bottom."""
    kernel.run(FORGET.format(threads=rc.get_num_threads()))
    return kernel.again(notebook[1])


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(cell):
    """What a cell printed, and the kinds of what it showed."""
    return [(o.get("text"), sorted(o.get("data", {})), o.get("metadata")) for o in cell.outputs]


def test_a_run_prints_what_is_stored(notebook, session):
    for stored, fresh in zip(code_cells(notebook[1]), code_cells(session.executed), strict=True):
        assert outputs(stored) == outputs(fresh), stored.source


def test_stored_outputs_belong_to_these_sources(notebook):
    _, nb = notebook
    assert nb.metadata.rnncore.sources == execute.fingerprint(nb), "run: python notebooks/execute.py"
    assert [cell.execution_count for cell in code_cells(nb)] == list(range(1, len(code_cells(nb)) + 1))


def test_the_six_blocks_stand_in_order(notebook):
    _, nb = notebook
    headings = [line for line in text(nb).splitlines() if re.match("#+ ", line)]
    assert headings[0].startswith("# ") and headings[0].endswith("?"), "the title is one question"
    assert sum(line.startswith("# ") for line in headings) == 1
    assert [line[3:] for line in headings if line.startswith("## ")] == BLOCKS


def test_sizes_stay_within_bounds(notebook):
    number, nb = notebook
    code = [line for cell in code_cells(nb) for line in cell.source.splitlines() if line.strip()]
    assert 12 <= len(nb.cells) <= 25
    assert len(code) <= 150
    assert 900 <= len(text(nb).split()) <= 1800
    assert PATHS[number].stat().st_size <= 300_000


def test_every_number_in_the_text_stands_in_a_cell(notebook):
    _, nb = notebook
    code = "\n".join(cell.source for cell in code_cells(nb)).replace(" ", "")
    numbers = set(re.findall(r"(?<![\w.])\d+\.\d+|\d+e-\d+|\d+/\d+", text(nb).replace("$", " ")))
    assert numbers, "a text without a number"
    assert not sorted(n for n in numbers if not re.search(rf"(?<![\d.]){re.escape(n)}(?!\d)", code))


def test_no_cell_loops_except_to_draw(notebook):
    for cell in code_cells(notebook[1]):
        loops = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, (ast.For, ast.While))]
        assert not loops or "figure" in cell.metadata.get("tags", []), cell.source


def test_every_picture_has_alt_text_and_a_sentence_with_numbers_below_it(notebook):
    _, nb = notebook
    pictures = 0
    for cell, below in zip(nb.cells, [*nb.cells[1:], None], strict=True):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                pictures += 1
                assert 40 <= len(output.metadata["image/png"]["alt"]) <= 300
                assert below.cell_type == "markdown" and re.search(r"\d", below.source)
    assert 1 <= pictures <= 4


def test_nothing_stored_tells_where_it_was_made(notebook):
    number, nb = notebook
    assert set(nb.metadata) == {"kernelspec", "language_info", "rnncore"}
    assert dict(nb.metadata.language_info) == {"name": "python"}
    stored = re.sub(r'"image/png": "[^"]*"', "", PATHS[number].read_text(encoding="utf-8"))  # base64 is any letters
    assert not re.search(r"/home/|/root/|/tmp/|/Users/|0x[0-9a-f]{6}|site-packages", stored)


def test_the_checks_pass_as_they_stand_and_say_that_the_work_is_to_be_done(notebook):
    _, nb = notebook
    exercises, checks = tagged(nb, "exercise"), tagged(nb, "check")
    assert len(exercises) == len(checks) >= 1
    for cell in checks:
        assert "now write yours" in cell.outputs[0].text


def test_every_exercise_has_answers_here(notebook):
    number, nb = notebook
    assert len(tagged(nb, "exercise")) == len(answers(number).RIGHT) == len(answers(number).WRONG)


def answer(session, exercise, source):
    """Put an answer in the place of the exercise and run the check; return what it prints."""
    session.run(source)
    return session.run(tagged(session.executed, "check")[exercise].source).outputs[0].text


def test_an_answer_worked_out_without_the_library_passes(notebook, session):
    for exercise, source in enumerate(answers(notebook[0]).RIGHT):
        printed = answer(session, exercise, source)
        assert printed.startswith("PASS") and "now write yours" not in printed


def test_wrong_answers_fail_and_the_check_names_the_place(notebook, session):
    for exercise, wrong in enumerate(answers(notebook[0]).WRONG):
        for name, (source, place) in wrong.items():
            with pytest.raises(CellExecutionError) as failure:
                answer(session, exercise, source)
            assert failure.value.ename == "AssertionError", name
            assert re.search(place, failure.value.evalue, re.DOTALL), f"{name}: {failure.value.evalue}"
