"""What a run says of seeds that fail: each with a command that repeats it, and no number in it that was not tried."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import subprocess

import pytest
from simulation import __main__ as runner
from simulation import batch, seed
from simulation.__main__ import made_on
from simulation.batch import Result
from simulation.record import START

COMMAND = "PYTHONPATH=tests .venv/bin/python -m simulation --seed"
#: More than are told in full; the last ones never came to rest.
FAILING = range(1, 15)


@pytest.fixture
def tried(monkeypatch):
    """The prefixes that are tried; each seed fails with as many steps as its number, but the third with none."""
    tried = []

    def fails(number, until):
        tried.append((number, until))
        return number != 3 and until >= number

    monkeypatch.setattr(runner, "_fails", fails)
    return tried


@pytest.fixture(autouse=True)
def _unprepared(monkeypatch):
    """It would plant a defect for as long as this process runs, and let it collect nothing."""
    monkeypatch.setattr(runner, "prepare", lambda _defect: None)


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch):
    """Not in a clone, but where a test says otherwise."""
    monkeypatch.setattr(runner, "made_on", lambda: None)


def failed(seeds=FAILING):
    violations = {number: [f"S1: of {number}"] for number in seeds if number < 13}
    unsettled = [number for number in seeds if number >= 12]
    return Result(seeds=20, violations=violations, unsettled=unsettled, convergence_s=[1.0])


def told(text):
    """The commands among the lines, whole."""
    return [line.partition("replay: ")[2] for line in text.splitlines() if "replay: " in line]


def test_every_failing_seed_has_its_command_and_the_first_ones_their_shortest_prefix(tried):
    replays = runner.replays(failed(), defect=None)

    assert list(replays) == list(FAILING)
    for number in (1, 2, *range(4, 11)):
        assert replays[number] == f"{COMMAND} {number} --until {number} --verbose"
        assert (number, number) in tried
    for number in (11, 12, 13, 14):
        assert replays[number] == f"{COMMAND} {number} --verbose"
    assert {number for number, _ in tried} == set(range(1, 11))


def test_a_seed_that_no_prefix_fails_is_repeated_as_a_whole(tried):
    assert runner.shortest(3) is None
    assert runner.replays(failed([3]), defect=None) == {3: f"{COMMAND} 3 --verbose"}


def test_a_planted_defect_is_part_of_the_command(tried):
    replays = runner.replays(failed([2, 3]), defect="no-key")

    assert replays[2] == f"{COMMAND} 2 --until 2 --defect no-key --verbose"
    assert replays[3] == f"{COMMAND} 3 --defect no-key --verbose"


def test_the_commit_stands_beside_the_command_and_the_shell_does_not_mind(tried, monkeypatch):
    monkeypatch.setattr(runner, "made_on", lambda: "abc1234")

    told = runner.replays(failed([2, 3]), defect=None)

    assert told[2] == f"{COMMAND} 2 --until 2 --verbose  # on commit abc1234"
    assert shlex.split(told[3], comments=True)[-2:] == ["3", "--verbose"]


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_the_commit_is_told_where_there_is_one(monkeypatch, tmp_path):
    git = functools.partial(subprocess.run, cwd=tmp_path, check=True, capture_output=True, text=True)
    monkeypatch.setattr(runner, "__file__", str(tmp_path / "__main__.py"))
    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert made_on() is None
    git(["git", "init"])
    (tmp_path / "a").write_text("a")
    git(["git", "add", "a"])
    git(["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-m", "A"])

    made = made_on()

    assert git(["git", "rev-parse", "HEAD"]).stdout.startswith(made)
    (tmp_path / "a").write_text("b")
    assert made_on() == f"{made}-dirty"


def test_where_there_is_no_git_no_commit_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert made_on() is None


def test_people_and_machines_are_told_the_same_commands(tried, capsys, monkeypatch):
    monkeypatch.setattr(runner, "made_on", lambda: "abc1234")
    total = failed()

    assert runner.report(total, elapsed_s=1.0, first=1, defect=None) == 1

    said = capsys.readouterr().out
    commands = json.loads(runner.as_json(total))["replay"]
    assert told(said) == list(commands.values())
    assert all(command.endswith("  # on commit abc1234") for command in commands.values())
    assert [int(number) for number in commands] == list(FAILING)
    # One of them is of both kinds, and one seed.
    assert said.splitlines()[-1].endswith("15 violations in 14 seeds")


def test_where_nothing_fails_there_is_nothing_to_repeat(tried, capsys):
    total = Result(seeds=20, convergence_s=[1.0])

    assert json.loads(runner.as_json(total))["replay"] == {}
    runner.report(total, elapsed_s=1.0, first=1, defect=None)
    assert (told(capsys.readouterr().out), tried) == ([], [])


@pytest.fixture
def breaks(monkeypatch):
    """Seed 2 breaks as soon as it goes three steps far; the others are well."""

    class Calm:
        settled, faults, calls, payments, bus, exchanges, crashes, effects = True, (), (), (), (), (), (), ()
        converged_at = faults_end = START

    def run(number, *, until=None):
        if number == 2 and (until is None or until >= 3):
            json.loads("<html>")
        return Calm()

    monkeypatch.setattr(seed, "run", run)
    monkeypatch.setattr(seed, "run_recorded", run)
    monkeypatch.setattr(batch, "check", lambda _history: ())


def test_a_seed_that_breaks_is_named_with_its_shortest_prefix_and_the_last_line_is_there(breaks, capsys):
    total = batch.batch(range(1, 4))

    assert runner.report(total, elapsed_s=1.0, first=1, defect=None) == 1

    said = capsys.readouterr().out
    assert "seed 2: broke: JSONDecodeError: Expecting value" in said
    assert told(said) == [f"{COMMAND} 2 --until 3 --verbose"]
    assert said.splitlines()[-1] == "3 seeds (1 to 3), 0 faults of 0 kinds, 1 violations in 1 seeds"


def test_a_replay_of_a_seed_that_breaks_says_by_what_and_where(breaks, capsys):
    assert runner.main(["--seed", "2", "--verbose"]) == 1

    said = capsys.readouterr().out
    assert "Traceback (most recent call last):" in said
    assert said.splitlines()[-1].startswith("VIOLATION broke: JSONDecodeError: Expecting value")
