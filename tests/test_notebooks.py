"""Every notebook runs, keeps its form, stores what it prints; every check fails on wrong answers and says where.

Outputs are stored, because most readers see a notebook without running it. What it prints must come out the same again;
pictures, whose bytes depend on the drawing library, must belong to the sources they stand under (a hash is kept).
Wrong and right answers stand here and not in the notebooks, where a reader would see them.
"""

import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parents[1] / "notebooks"
PATHS = {path.stem.split("_")[0]: path for path in sorted(FOLDER.glob("*.ipynb"))}
BLOCKS = ["Predict", "Derive", "Run", "Look", "Break it", "What you can now say"]

spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)


# Per notebook and exercise: an answer worked out without the library, then wrong ones and what the check must say.
RNN = {
    **{"dy_3": 0.5, "dh_3": 0.5, "da_3": 0.375, "dy_2": -0.2, "dh_2": -0.0125, "da_2": -0.0045},
    **{"dy_1": 0.6, "dh_1": 0.59775, "da_1": 0.38256, "dh_0": 0.19128, "dwh": 0.10602, "db": 0.75306},
}
LSTM = {"dc": 0.32, "da_o": 0.15, "da_i": 0.03072, "da_f": 0.00682, "da_g": 0.16384, "dc_prev": 0.288}
HUNT = {"A": 4, "B": 0, "C": 2, "D": 1, "E": 5, "F": 3}
CHECKER = """
def my_check(layer):
    p, rng = random_problem(layer, seed=5), np.random.default_rng(6)
    start = [*p.params.values(), p.x, *p.state_0]
    towards = [rng.normal(size=a.shape) for a in start]
    *params, x = [a + 1e-20j * v for a, v in zip(start, towards)][: len(p.params) + 1]
    states = tuple(a + 1e-20j * v for a, v in zip(p.state_0, towards[len(p.params) + 1 :]))
    y, state_T, _ = layer.forward(dict(zip(p.params, params)), x, states, p.lengths)
    slope = sum((u * out.imag).sum() for u, out in zip((p.dy, *p.dstate_T), (y, *state_T))) / 1e-20
    cache = layer.forward(p.params, p.x, p.state_0, p.lengths)[2]
    dparams, dx, dstate_0 = layer.backward(p.params, cache, p.dy, p.dstate_T)
    grads = [*(dparams[name] for name in p.params), dx, *dstate_0]
    return abs(sum((g * v).sum() for g, v in zip(grads, towards)) - slope) < 1e-11
"""
RIGHT = {
    ("01", 0): f"mine = {RNN}",
    ("01", 1): f"mine_lstm = {LSTM}",
    ("03", 0): f"mine = {HUNT}",
    ("03", 1): CHECKER,
}


def rnn(**slips):
    return f"mine = {RNN | slips}"


def lstm(**slips):
    return f"mine_lstm = {LSTM | slips}"


LEAVES_A_WEIGHT_MOVED = """
def my_check(layer):
    p = random_problem(layer, ragged=False)
    loss = lambda: sum((u * o).sum() for u, o in zip((p.dy,), layer.forward(p.params, p.x, p.state_0)[:1]))
    cache = layer.forward(p.params, p.x, p.state_0)[2]
    right = layer.backward(p.params, cache, p.dy)[0]["Wh"][0, 0]
    p.params["Wh"][0, 0] += 1e-6
    up = loss()
    p.params["Wh"][0, 0] -= 1e-6
    return abs((up - loss()) / 2e-6 - right) < 1e-6
"""
no_carry = rnn(dh_2=-0.2, da_2=-0.072, dh_1=0.6, da_1=0.384, dh_0=0.192, dwh=0.0648, db=0.687)
WRONG = {
    ("01", 0): {
        "no carry": (no_carry, "dh_2.*that is dy_2 alone"),
        "a carry without w_h": (rnn(dh_2=-0.2 + 0.375), "dh_2: expected -0.01250"),
        "h_t for h_{t-1}": (rnn(dwh=0.38256 * 0.6 - 0.0045 * 0.8 + 0.375 * 0.5), "dwh.*h_t instead of h_{t-1}"),
        "no 1 - h^2": (rnn(da_3=0.5, dh_2=0.05), "da_3.*1 - h\\^2 is missing"),
        "1 - h": (rnn(da_3=0.25), "da_3.*1 - h instead"),
        "h_0 taken as 0": (rnn(dwh=0.2973), "dwh.*h_0 is not 0"),
        "target minus output": (rnn(dy_3=-0.5, dh_3=-0.5), "dy_3.*turned round"),
        "dh_0 without w_h": (rnn(dh_0=0.38256), "dh_0.*times w_h"),
        "db sums dh": (rnn(db=0.5 - 0.0125 + 0.59775), "db.*sum of dh"),
        "rounded too soon": (rnn(da_1=0.383), "da_1: expected 0.38256"),
        "not a number": ("mine = by_library | {'da_2': float('nan')}", "da_2"),
        "half done": ("mine = {'dy_3': 0.5, 'dh_3': 0.5}", "da_3 is empty; the 2 numbers before it are right"),
    },
    ("01", 1): {
        "c for tanh(c)": (lstm(da_o=0.17329), "da_o.*c instead of tanh"),
        "no slope of tanh(c)": (lstm(dc=0.5), "dc.*1 - tanh"),
        "no slope of the sigmoid": (lstm(da_i=0.192), "da_i.*slope"),
        "i and f swapped": (lstm(da_i=0.00682, da_f=0.03072), "da_i.*swapped"),
        "c_t for c_{t-1}": (lstm(da_f=0.01996), "da_f.*c_t, not c_"),
        "g as a sigmoid": (lstm(da_g=0.06144), "da_g.*tanh"),
        "carry through i": (lstm(dc_prev=0.256), "dc_prev.*multiplied by f"),
    },
    ("03", 0): {
        "two mixed up": (f"mine = {HUNT | {'A': 1, 'D': 4}}", "A: error 1 would not show.*Wh step 0"),
        "another gate": (f"mine = {HUNT | {'C': 3, 'F': 2}}", "C: error 3 would not show.*Wx step 5 g"),
        "half done": ("mine = {'A': 4, 'B': 0}", "C: error None"),
    },
    ("03", 1): {
        "zero initial state": ("my_check = lambda layer: feed(layer, zero=True).ok", "h_0 missing in dWh"),
        "nothing from the final state": (
            "my_check = lambda layer: feed(layer, final=False).ok",
            "gradient dh_T ignored",
        ),
        "weights only": ("my_check = lambda layer: feed(layer, only=weights).ok", "dc_0 misses f"),
        "two digits": ("my_check = lambda layer: feed(layer).worst.error < 1e-2", "23 of 26.*scale error 5e-4"),
        "never fails": ("my_check = lambda layer: True", "0 of 26 caught; not this one: final-state gradient"),
        "never passes": ("my_check = lambda layer: False", "false alarm: LSTM"),
        "leaves a weight moved": (LEAVES_A_WEIGHT_MOVED, "false alarm: LSTM"),
    },
}


@pytest.fixture(scope="module", params=[pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in PATHS])
def notebook(request):
    """The number of a notebook and the notebook as stored."""
    return request.param, nbformat.read(PATHS[request.param], as_version=4)


@pytest.fixture(scope="module")
def session(notebook):
    """A kernel in which the notebook has run from top to bottom."""
    with execute.session(notebook[1]) as session:
        yield session


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
    stored = PATHS[number].read_text(encoding="utf-8")
    assert not re.search(r"/home/|/root/|/tmp/|/Users/|0x[0-9a-f]{6}|site-packages", stored)


def test_the_checks_pass_as_they_stand_and_say_that_the_work_is_to_be_done(notebook):
    _, nb = notebook
    exercises, checks = tagged(nb, "exercise"), tagged(nb, "check")
    assert len(exercises) == len(checks) >= 1
    for cell in checks:
        assert "now write yours" in cell.outputs[0].text


def test_every_exercise_has_answers_here(notebook):
    number, nb = notebook
    keys = {(number, k) for k in range(len(tagged(nb, "exercise")))}
    assert keys == {key for key in RIGHT if key[0] == number} == {key for key in WRONG if key[0] == number}


def answer(session, exercise, source):
    """Put an answer in the place of the exercise and run the check; return what it prints."""
    session.run(source)
    return session.run(tagged(session.executed, "check")[exercise].source).outputs[0].text


def test_an_answer_worked_out_without_the_library_passes(notebook, session):
    for (number, exercise), source in RIGHT.items():
        if number == notebook[0]:
            printed = answer(session, exercise, source)
            assert printed.startswith("PASS") and "now write yours" not in printed


def test_wrong_answers_fail_and_the_check_names_the_place(notebook, session):
    for (number, exercise), answers in WRONG.items():
        for name, (source, place) in answers.items():
            if number == notebook[0]:
                with pytest.raises(CellExecutionError) as failure:
                    answer(session, exercise, source)
                assert failure.value.ename == "AssertionError", name
                assert re.search(place, failure.value.evalue), f"{name}: {failure.value.evalue}"
