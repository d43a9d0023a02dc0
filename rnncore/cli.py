"""The command line: rnncore demo | tasks | fit | predict | evaluate | explain | report | leaks | gradcheck | learn
| example | bench.

Exit code 0: done; 1: a gradient check failed, or bench met rivals that compute something else; 2: the input cannot be
used (a message says why, and nothing is written); 130: stopped with Ctrl-C.
"""

from __future__ import annotations

import functools
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import rnncore
from rnncore import gradcheck
from rnncore.contract import CELLS
from rnncore.interop.atomic import require_free

try:
    import typer

    from rnncore import cli_tasks
    from rnncore.cli_errors import reporting
except ImportError:
    sys.exit('rnncore: the command line needs the extra "marketing": pip install "rnncore[marketing]"')

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

command = functools.partial(reporting, app)


def _version(asked: bool) -> None:
    if asked:
        print(f"rnncore {rnncore.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version and leave.")
    ] = False,
) -> None:
    """Recurrent networks, checked."""


cli_tasks.register(app)


@command("gradcheck")
def gradcheck_command(
    cell: Annotated[
        str, typer.Argument(help=f"One of {', '.join(CELLS)}, or stack, bidirectional, recurrent_dropout ...")
    ],
    twin: Annotated[Literal["both", "textbook", "fast"], typer.Option(help="Which of the two.")] = "both",
    method: Annotated[
        list[str] | None,
        typer.Option(help=f"An oracle ({', '.join(gradcheck.GATES)}), or all. More than one may be given."),
    ] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Also plant known errors and show which oracle catches which.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the error by step size and by time step into this file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the picture that is there.")] = False,
    seed: Annotated[int, typer.Option(help="Draws the problems.")] = 0,
) -> None:
    """Check every derivative of a cell, in the textbook and in the fast twin, and print the tables."""
    from rnncore.gradcheck import command as parts

    if plot is not None:
        require_free(plot, force, "--plot")
        print(parts.draw(cell, str(plot), seed), end="\n\n")
    found = []
    for said in parts.everything(cell, twin, method or [], seed, mutants):
        print(said.text, end="\n\n", flush=True)
        found.append(said)
    print(f"{cell}: {parts.total(found)}")
    if parts.together([said.verdict for said in found]) != "pass":
        raise typer.Exit(1)


@command()
def example(
    name: Annotated[Literal["forecast"], typer.Argument(help="Which one: forecast is the only one.")],
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG file.", metavar="FILE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the picture that is there.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.", min=0)] = 0,
) -> None:
    """The classic worked example: 36 months, an LSTM, the month after; and the verdict that a line is enough."""
    from rnncore import example as parts

    if plot is not None:
        require_free(plot, force, "--plot")
    found = parts.forecast(seed)
    print(found)
    if plot is not None:
        parts.plot(found, plot, force)
        print(f"the picture is in {plot}")


@command()
def learn(
    number: Annotated[str | None, typer.Argument(help="Open this notebook in Jupyter.")] = None,
    to: Annotated[Path | None, typer.Option(help="Copy them to this folder.", metavar="FOLDER")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace copies that are there.")] = False,
) -> None:
    """List the notebooks, which teach the mechanics from one step with a pencil on; copy them, or open one."""
    from rnncore import learn as parts

    if to is not None and (force or number is None):
        print(f"{len(parts.copy(to, force))} files are in {to}")
    if number is not None:
        parts.open_lesson(number, to or Path("rnncore-notebooks"))
    elif to is None:
        for lesson in parts.lessons():
            print(f"{lesson.number}  {lesson.question}\n    you need {lesson.need}; {lesson.time}")
        print("\nIn which order, for a student, a researcher, an engineer, an analyst: README.md, beside the copies.")
        print("rnncore learn 01 opens one, rnncore learn --to FOLDER copies them all")


@command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer lines and turns: under two minutes.")] = False,
    threads: Annotated[str, typer.Option(help="Numbers of threads, for all sides, as 1,2.")] = "1",
    only: Annotated[str, typer.Option(help="Lines whose name matches.", metavar="REGEX")] = "",
    json: Annotated[Path | None, typer.Option(help="Write all results there.", metavar="FILE")] = None,
    lines: Annotated[bool, typer.Option("--list", help="Print the names of the lines and stop.")] = False,
) -> None:
    """Time rnncore on this machine, against torch, onnxruntime and Keras where they are installed."""
    package = Path(rnncore.__file__).parent
    inside = (package / "benchmarks").is_dir()  # of an installed package; in a repository they stand beside it
    if not inside:
        sys.path.insert(0, str(package.parent))
    yardstick = import_module("rnncore.benchmarks.__main__" if inside else "benchmarks.__main__")
    words = [word for word, said in (("--quick", quick), ("--list", lines)) if said]
    words += ["--threads", threads, "--only", only, *(["--json", str(json)] if json else [])]
    if yardstick.main(words):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except KeyboardInterrupt:  # outside a command: one more while the first is answered
        print("\nrnncore: stopped", file=sys.stderr)
        sys.exit(130)
