"""Where fit writes: names of all kinds, an interrupted run beside it, and what belongs to the user."""

import polars as pl
import pytest
from cli_runs import NAMES, purchases, run, unchecked

from rnncore.marketing import EventLog, task_parts
from rnncore.marketing.commands import unfinished

SMALL = ["--set", "units=4", "--set", "epochs=2", "--set", "seeds=1"]


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Call fit on a small log, with further words, for a small network; it writes to tmp_path/out unless told.

    Without gradient check and picture: see tests/test_cli.py.
    """
    unchecked(monkeypatch)
    purchases(60).write_csv(tmp_path / "log.csv")

    def call(*words, horizon=60):
        out = [] if "--out" in words else ["--out", tmp_path / "out"]
        return run("fit", "churn", tmp_path / "log.csv", *NAMES, "--horizon", horizon, *SMALL, *out, *words)

    return call


@pytest.fixture
def stopped(fit, monkeypatch, tmp_path):
    """Call fit with further words, and stop it between its first network and the next."""

    def call(*words):
        once = iter([task_parts.learn])

        def learn(*arguments, **named):
            for real in once:
                return real(*arguments, **named)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(task_parts, "learn", learn)
            result = fit(*words)
        assert result.exit_code == 130
        assert result.stderr.endswith("rnncore: stopped; the same command goes on from there\n")
        return tmp_path / "out.unfinished"

    return call


@pytest.fixture
def interrupted(stopped):
    """The folder of a run that was stopped between its two networks."""
    return stopped()


def trained(result):
    """How many networks began at their first epoch."""
    assert result.exit_code == 0, result.output
    return result.stderr.count("epoch 1/2")


def test_a_run_leaves_no_folder_of_checkpoints(fit, tmp_path):
    assert trained(fit()) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "out"]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_the_same_command_goes_on_with_and_without_force(fit, interrupted, force):
    assert trained(fit(*force)) == 1
    assert not interrupted.exists()


def test_judged_at_earlier_days_too_it_goes_on_and_prints_them(fit, stopped):
    folder = stopped("--origins", 2)
    assert sorted(file.name for file in folder.iterdir()) == ["call.json", "training-2024-10-04-judged"]
    result = fit("--origins", 2)
    assert trained(result) == 2
    assert "origin 1 of 2: 2024-10-04\n" in result.stderr and not folder.exists()
    verdict, earlier = result.stdout.index("Verdict:"), result.stdout.index("Judged at earlier days too")
    assert earlier < verdict and "of 1 earlier window gave the same verdict" in " ".join(
        result.stdout[verdict:].split()
    )


def test_with_another_number_of_origins_it_goes_on_too_and_leaves_nothing_behind(fit, stopped):
    folder = stopped("--origins", 2)
    assert trained(fit()) == 2
    assert not folder.exists()


@pytest.mark.parametrize("words", [[], ["--force"]])
def test_a_folder_of_the_users_is_refused_before_a_row_is_read_and_kept(fit, tmp_path, words):
    mine = tmp_path / "out.unfinished" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    (tmp_path / "log.csv").write_text("who,when,paid\nc1,never,1\n")
    result = fit(*words)
    assert result.exit_code == 2
    assert "'thesis.txt' in it" in result.stderr
    assert mine.read_text() == "mine"


def test_a_file_of_the_users_in_the_way_is_refused_and_kept(fit, tmp_path):
    (tmp_path / "out.unfinished").write_text("mine")
    assert fit("--force").exit_code == 2
    assert (tmp_path / "out.unfinished").read_text() == "mine"


def test_what_a_kill_left_in_the_folder_is_no_obstacle(fit, interrupted):
    (interrupted / ".rnncore-0123456789abcdef.tmp").write_bytes(b"half")
    assert trained(fit()) == 1
    assert not interrupted.exists()


@pytest.mark.parametrize(
    ("words", "horizon", "said"),
    [
        ([], 61, "it had --horizon 60, this one has --horizon 61"),
        (["--seed", 1], 60, "it had --seed 0, this one has --seed 1"),
    ],
)
def test_another_option_is_named_and_the_checkpoints_stay(fit, interrupted, words, horizon, said):
    result = fit(*words, horizon=horizon)
    assert result.exit_code == 2
    assert said in result.stderr
    assert f"delete the folder {interrupted}" in result.stderr
    assert trained(fit()) == 1


def test_another_log_is_named(fit, interrupted, tmp_path):
    purchases(60, seed=1).write_csv(tmp_path / "log.csv")
    assert "it had another log" in fit().stderr


def test_a_calendar_of_another_customer_is_another_log():
    ids = [f"c{k:04}" for k in range(1500)]
    rows = pl.DataFrame({"who": ids, "when": "2024-01-01"})
    calendars = (rows.with_columns(pl.col("who").replace({"c0700": name}), sale=1) for name in ("c0700", "c0700b"))
    logs = [EventLog(rows, customer="who", time="when", calendar=calendar) for calendar in calendars]
    assert len({unfinished._fingerprint(log) for log in logs}) == 2


def test_force_discards_the_checkpoints_of_another_run(fit, interrupted):
    assert trained(fit("--force", "--seed", 1)) == 2
    assert not interrupted.exists()


def test_a_damaged_checkpoint_is_refused_in_words_and_discarded_by_force(fit, interrupted):
    (interrupted / "training-judged").write_bytes(b"broken")
    result = fit()
    assert result.exit_code == 2
    assert "damaged" in result.stderr
    assert trained(fit("--force")) == 2


def test_the_folder_one_is_in_will_do_when_it_is_empty(fit, monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert trained(fit("--out", ".")) == 2
    assert (tmp_path / "here" / "predictions.csv").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here", "log.csv"]


@pytest.mark.parametrize("name", ["", "/"])
def test_a_name_that_is_no_folder_for_results_is_refused(fit, name):
    result = fit("--out", name, "--force")
    assert result.exit_code == 2
    assert "--out" in result.stderr
