"""``--seeds``: what each run is told, what is read of it, and how the command goes on."""

import sys
from pathlib import Path
from typing import Any

import pytest

from gan_lightning.commands import seeds
from gan_lightning.commands.main import main
from gan_lightning.commands.seeds import run_seeds, summary


class Runs:
    """Stands in for the processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[list[str]] = []
        self.status = 0

    def __call__(self, words: list[str]) -> int:
        self.calls.append(list(words))
        name = next(word for word in words if word.startswith("--run_name=")).partition("=")[2]
        seed = int(name.rpartition("seed")[2])
        folder = self.root / (name if words[0] == "fit" else f"{name}-test-1")
        (self.root / name / "checkpoints").mkdir(parents=True, exist_ok=True)
        (self.root / name / "checkpoints" / "last.ckpt").touch()
        folder.mkdir(exist_ok=True)
        kind = "val" if words[0] == "fit" else "test"
        rows = f"step,train/g_loss,{kind}/fid\n1,0.5,\n2,,{40 + seed}.0\n3,0.1,{20 + seed}.0\n"
        (folder / "metrics.csv").write_text(rows)
        return self.status


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    fake = Runs(tmp_path)
    monkeypatch.setattr(seeds, "_call", fake)
    monkeypatch.setattr(seeds, "_root", lambda options: tmp_path)
    return fake


def test_each_seed_is_a_run_of_its_own(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    run_seeds("fit", "3,5", ["--config", "quickstart", "--run_name", "mine"])
    assert runs.calls == [
        ["fit", "--config", "quickstart", f"--seed_everything={seed}", f"--run_name=mine-seed{seed}"] for seed in (3, 5)
    ]
    said = capsys.readouterr().out
    assert "| val/fid | 23 | 25 | 24 ± 1.41 |" in said
    assert f"gan-lightning report {runs.root}/mine-seed3 {runs.root}/mine-seed5 --out {runs.root}/mine.html" in said


def test_a_run_with_a_checkpoint_goes_on_and_tests_take_the_last(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    run_seeds("fit", "1", ["--run_name=mine"])
    run_seeds("fit", "1,2", ["--run_name=mine"])
    assert [call[-1] for call in runs.calls] == ["--run_name=mine-seed1", "--ckpt_path=last", "--run_name=mine-seed2"]
    run_seeds("test", "1,2", ["--run_name=mine"])
    assert "| test/fid | 21 | 22 | 21.5 ± 0.707 |" in capsys.readouterr().out
    assert runs.calls[-1][-1] == "--ckpt_path=last"


def test_a_run_that_fails_ends_it(runs: Runs) -> None:
    runs.status = 2
    with pytest.raises(SystemExit) as caught:
        run_seeds("fit", "1,2", [])
    assert caught.value.code == 2
    assert len(runs.calls) == 1


def test_one_seed_has_no_deviation() -> None:
    assert summary({0: {"val/fid": 1.5}}).endswith("| val/fid | 1.5 | 1.5 |")


def test_what_only_some_runs_measured_is_said() -> None:
    assert "| a | 1 | - | 1 |" in summary({0: {"a": 1.0}, 1: {}})


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a", [], "seeds must be integers"),
        ("", [], "seeds must be integers"),
        ("1,1", [], "must be different"),
        ("-1,1", [], "none below 0"),
        ("1", ["--seed_everything=3"], "--seed_everything"),
        ("1", ["--ckpt_path", "last"], "--ckpt_path"),
    ],
)
def test_what_is_wrong_is_named(text: str, options: list[str], message: str, runs: Runs) -> None:
    with pytest.raises(ValueError, match=message):
        run_seeds("fit", text, options)
    assert not runs.calls


@pytest.mark.slow
def test_a_wrong_option_is_named_before_any_run(capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--seeds", "0,1", "--config", "quickstart", "--trainer.max_stepz", "3"])
    assert caught.value.code == 2
    assert "max_stepz" in capfd.readouterr().err
