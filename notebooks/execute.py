"""Run the notebooks in this folder and store their outputs: python notebooks/execute.py [notebook ...]."""

import copy
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

FOLDER = Path(__file__).parent


class Session:
    """One kernel that has run one notebook; `executed` is the notebook as it came out."""

    def __init__(self, client: NotebookClient):
        self._client = client
        for index, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, index)
        self.executed = without_traces_of_the_machine(client.nb)

    def again(self, notebook: NotebookNode) -> "Session":
        """Run a copy of another notebook in the same kernel."""
        self._client.nb = copy.deepcopy(notebook)
        return Session(self._client)

    def run(self, source: str) -> NotebookNode:
        """Run one more cell in the kernel and return it; `nbclient.exceptions.CellExecutionError` where it fails."""
        self._client.nb.cells.append(nbformat.v4.new_code_cell(source))
        index = len(self._client.nb.cells) - 1
        return self._client.execute_cell(self._client.nb.cells[index], index)


@contextmanager
def session(notebook: NotebookNode, seconds: int = 600) -> Iterator[Session]:
    """Run a copy of the notebook in a fresh kernel, open for `Session.run`; a cell that takes `seconds` hangs."""
    with tempfile.TemporaryDirectory(prefix="rnncore-") as runtime:
        before = {name: os.environ.get(name) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
        os.environ.update({name: runtime for name in before})  # no profile of the user's, no file left behind
        client = NotebookClient(
            copy.deepcopy(notebook),
            timeout=seconds,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(FOLDER)}},
            config=Config(
                {"KernelManager": {} if os.name == "nt" else {"transport": "ipc", "ip": f"{runtime}/socket"}}
            ),
        )
        try:
            with client.setup_kernel():
                yield Session(client)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def without_traces_of_the_machine(notebook: NotebookNode) -> NotebookNode:
    """Return a copy that says which sources its outputs belong to, and nothing about where they were made."""
    out = copy.deepcopy(notebook)
    out.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "rnncore": {"sources": fingerprint(out)},
        }
    )
    return out


def fingerprint(notebook: NotebookNode) -> str:
    """Return a hash of every cell and of the files that cells share: what the stored pictures depend on."""
    parts = [f"{cell.cell_type}\n{cell.source}" for cell in notebook.cells]
    parts += [(FOLDER / name).read_text(encoding="utf-8") for name in ("rnncore.mplstyle", "classroom.py")]
    return hashlib.sha256("\n\n".join(parts).encode()).hexdigest()[:16]


def main(paths: list[Path]) -> None:
    """Run each notebook and write it back with its outputs."""
    for path in paths:
        with session(nbformat.read(path, as_version=4)) as ran:
            nbformat.write(ran.executed, path)
        print(path.name)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")))
