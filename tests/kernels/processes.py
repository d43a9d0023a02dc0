"""Scripts that need a process of their own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

HEAD = "from problems import assert_close, assert_same_bits, problem, solve, twins\n"


def run_script(*parts, **environment):
    """Run a script that may use the names of problems.py; fail with its output if it fails or takes two minutes."""
    process = subprocess.run(
        [sys.executable, "-c", HEAD + "\n".join(textwrap.dedent(part) for part in parts)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2])), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stdout + process.stderr
