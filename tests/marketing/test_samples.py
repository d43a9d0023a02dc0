"""The rows that `rnncore tasks TASK` shows are rows that the task's own example can read."""

import shlex

import pytest

from rnncore.cli_log import LOG
from rnncore.marketing import EventLog
from rnncore.marketing.commands.asking import asked_for, settings
from rnncore.marketing.commands.samples import SAMPLES
from rnncore.marketing.tasks import TASKS


def test_every_task_has_a_sample():
    assert set(SAMPLES) == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_the_example_reads_it(name, tmp_path):
    for file, rows in SAMPLES[name].items():
        (tmp_path / file).write_text(rows)
    words = shlex.split(TASKS[name].example)
    assert words[:3] == ["rnncore", "fit", name] and words[3] in SAMPLES[name]
    options = [(option.removeprefix("--"), value) for option, value in zip(words[4::2], words[5::2], strict=True)]
    said = {word: tmp_path / value if word == "calendar" else value for word, value in options if word in LOG}
    log = EventLog(tmp_path / words[3], **said)
    task = asked_for(name, settings([value for word, value in options if word == "set"]))
    assert len(log) == 3 and len(task._prepared(log))
    assert set(SAMPLES[name][words[3]].splitlines()[0].split(",")) <= set(said.values())
