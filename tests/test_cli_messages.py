"""Messages on the command line: plain lines, in its own words, before anything is written."""

import re

import pytest
from cli_runs import NAMES, purchases, run

from rnncore import __version__, cli
from rnncore.cli_errors import OWN, in_words_of_the_command_line
from rnncore.cli_log import LOG
from rnncore.marketing.tasks import TASKS


@pytest.fixture
def fit(tmp_path):
    """Call fit on a changed log; the last line of stderr."""

    def call(*words, change=lambda frame: frame, names=NAMES, file="log.csv"):
        change(purchases(20)).write_csv(tmp_path / file)
        result = run("fit", "churn", tmp_path / file, *names, "--out", tmp_path / "out", *words)
        assert result.exit_code == 2
        assert [p.name for p in tmp_path.iterdir()] == [file]
        return result

    return call


def last(result):
    return result.stderr.splitlines()[-1]


def with_paid(value):
    return lambda frame: frame.with_columns(
        paid=frame["paid"].scatter(6, value) if value is None else frame["paid"].cast(float).scatter(6, value)
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "--missing drop leaves such rows out, --missing keep keeps them as empty"),
        (
            -3.0,
            "--negative drop leaves such rows out, for instance returns and cancellations; --negative keep keeps them",
        ),
    ],
)
def test_the_way_out_is_an_option(fit, value, words):
    message = last(fit(change=with_paid(value)))
    assert words in message
    assert '="' not in message


def test_a_date_in_another_form_leads_to_time_format(fit):
    message = last(fit(change=lambda f: f.with_columns(when=f["when"].str.replace_all("-", "."))))
    assert message.endswith('; --time-format "%Y.%m.%d" reads them all')


def test_what_is_wrong_with_the_file_is_said_before_what_is_wrong_with_the_folder(tmp_path):
    purchases(5).write_csv(tmp_path / "log.csv")
    full = ["--out", tmp_path]  # a folder that holds something
    gone = run("fit", "churn", tmp_path / "nothere.csv", *NAMES, *full)
    assert gone.exit_code == 2 and last(gone).endswith("nothere.csv: No such file or directory")
    lacking = run("fit", "churn", tmp_path / "log.csv", *NAMES, "--extra", "size", *full)
    assert last(lacking).startswith("rnncore: log.csv has no column 'size'")
    assert "--out: expected" in last(run("fit", "churn", tmp_path / "log.csv", *NAMES, *full))


def test_only_a_forecast_of_one_series_needs_no_customer(fit):
    message = last(fit(names=["--time", "when"]))
    assert message.startswith(
        "rnncore: --customer: expected the column that says who, received none; name it: --customer"
    )


def test_another_separator_leads_to_separator(fit, tmp_path):
    (tmp_path / "log.csv").write_text("who;when;paid\na;2024-01-01;1\n")
    result = run("fit", "churn", tmp_path / "log.csv", *NAMES, "--out", tmp_path / "out")
    assert last(result).endswith('separated by ;, say --separator ";"')


@pytest.mark.parametrize("command", ["fit", "leaks"])
def test_a_file_that_is_not_utf_8_leads_to_encoding(command, tmp_path):
    (tmp_path / "log.csv").write_text("who,when,paid\nRené,2024-01-01,1\n", encoding="latin-1")
    words = ["churn", tmp_path / "log.csv", *NAMES, "--out", tmp_path / "out"]
    result = run(command, *(words if command == "fit" else [tmp_path / "log.csv", "--outcome", "paid"]))
    told = "log.csv: line 2 is not written in UTF-8; with --encoding cp1252 its first odd word reads 'René': if that"
    assert result.exit_code == 2 and last(result).startswith(f"rnncore: {told}")


@pytest.mark.parametrize("command", [["fit", "churn"], ["leaks"]])
def test_an_encoding_that_is_none_is_refused_by_its_option(command, tmp_path):
    (tmp_path / "log.csv").write_text("who,when,paid\n")
    names = NAMES if command[0] == "fit" else ["--outcome", "paid"]
    result = run(*command, tmp_path / "log.csv", *names, "--encoding", "utf-16")
    assert last(result).startswith("rnncore: --encoding: expected an encoding with the line ends, commas and quotes of")


@pytest.mark.parametrize("option", ["horizon", "seed"])
def test_a_number_out_of_range_is_refused_before_the_log_is_read(tmp_path, option):
    result = run("fit", "churn", tmp_path / "gone.csv", *NAMES, f"--{option}", -1, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"rnncore: --{option}: expected a whole number")


def test_a_second_column_is_joined_where_it_can_be_and_never_lost(fit, tmp_path):
    message = last(fit(names=["--customer", "who", "--customer", "paid", "--time", "when", "--horizon", "999"]))
    assert "999" in message
    assert "--value was given twice" in fit(names=[*NAMES, "--value", "who"]).stderr


def test_one_column_for_two_roles_is_refused(fit):
    message = last(fit(names=["--customer", "when", "--time", "when"]))
    assert message.startswith("rnncore: --customer: expected a column of its own, received 'when', also named for time")


def test_text_called_parquet_is_refused(fit):
    assert "is no Parquet file, though it is called one" in last(fit(file="log.parquet"))


def test_a_huge_amount_is_refused_with_column_and_row(fit):
    message = last(fit(change=with_paid(1e308)))
    assert "in row 7 of 'paid' is beyond 1e+12" in message


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_warning_is_one_plain_line(fit):
    result = fit(change=lambda f: f.with_columns(when=f["when"].scatter(0, "2999-01-01")))
    assert result.stderr.splitlines()[0] == (
        "rnncore: warning: log.csv has 1 date before 1971 or in the future, kept: 'unlikely dates' in its report"
    )


def test_a_backslash_and_a_t_are_a_tab(tmp_path):
    purchases(20).write_csv(tmp_path / "log.tsv", separator="\t")
    words = ["--separator", r"\t", "--horizon", 9999, "--out", tmp_path / "out"]
    result = run("fit", "churn", tmp_path / "log.tsv", *NAMES, *words)
    assert "rows read" in result.stdout


def test_the_version_is_said():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"rnncore {__version__}\n")


@pytest.mark.parametrize("name", ["fit", "predict", "demo", "gradcheck"])
def test_every_option_is_described(name):
    for command in cli.app.registered_commands:
        if command.callback.__name__.startswith(name):
            break
    metadata = command.callback.__wrapped__.__annotations__
    hints = __import__("typing").get_type_hints(command.callback, include_extras=True)
    assert set(metadata) - {"return"} == set(hints) - {"return"}
    for word, hint in hints.items():
        assert word == "return" or hint.__metadata__[0].help, word


def test_ctrl_c_outside_a_command_is_130_without_a_traceback(monkeypatch, capsys):
    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", stop)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 130
    assert capsys.readouterr().err == "\nrnncore: stopped\n"


@pytest.mark.parametrize("name", ["fit", "predict"])
def test_the_help_says_how_rows_are_counted(name):
    assert "count the rows of a file from 1, without the header" in " ".join(run(name, "--help").stdout.split())


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("units: expected a whole number of at least 1, received 0; give a Python int", "--set units: expected"),
        ("one_in: expected a number in [10, inf), received 1", "--one-in: expected"),
        ("customer: expected one of the log's customers, received 'x'", "--of: expected"),
        ("NextPurchase needs a column item; name it when the log is made: item=...", "name it: --item COLUMN"),
        ("name the table when the log is made: calendar=...", "name the table with --calendar FILE"),
        (
            'say with cancel= how it is called, or scale="log"',
            "with --set cancel=VALUE how it is called, or --set scale=log",
        ),
        ("seeds: expected a whole number of at least 1, received 0", "--seeds: expected"),
        ("fit the model on log.until(day), or say a smaller `every`", "--until DAY, or say a smaller --every"),
        ("strategy: expected 'a' or 'b', received 'c'; say strategy='a', for instance", "say --set strategy=a, for"),
        ("task: expected 'churn', received 'c'; say task='churn', for instance", "say 'churn', for instance"),
    ],
)
def test_an_argument_is_called_as_its_option(message, said):
    assert said in in_words_of_the_command_line(message)


def test_what_stands_in_the_data_stays_as_it_is():
    message = "log.csv: 'items=3' in row 7 of 'price=2' is not a finite number"
    assert in_words_of_the_command_line(message) == message


def test_every_argument_of_every_task_has_an_option():
    arguments = {name for task in TASKS.values() for name in task.arguments()}
    assert arguments == {*OWN.split("|"), "horizon", "seed", "seeds"}
    assert not arguments & set(LOG)


@pytest.mark.parametrize("name", TASKS)
def test_every_argument_of_a_task_is_explained_in_words_of_the_command_line(name):
    said = run("tasks", name).stdout
    for argument in TASKS[name].arguments():
        assert re.search(rf"(?<!\w){argument}: |`{argument}` epochs", said), argument
    assert "None" not in said
    assert "--set NAME=VALUE" in said


def test_a_column_that_is_nearly_there_is_suggested(fit):
    assert last(fit(names=["--customer", "who", "--time", "wen"])).endswith("did you mean 'when'?")


def test_a_log_without_its_times_is_told_how_to_name_them(fit):
    assert last(fit(names=["--customer", "who"])).endswith("name it: --time COLUMN")
