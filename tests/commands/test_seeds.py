"""``--seeds``: what each run is told, what is read of it, and how the command goes on."""

import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gan_lightning.commands import dispatch, seeds
from gan_lightning.commands.main import main
from gan_lightning.commands.seeds import run_seeds, summary, without


class Runs:
    """Stands in for the processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[list[str]] = []
        self.status = 0
        self.measures = True
        self.config_name: str | None = None

    def place(self, options: list[str]) -> tuple[Path, str | None]:
        return self.root, without("--run_name", options)[0] or self.config_name

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
        (folder / "metrics.csv").write_text(rows if self.measures else "step,train/g_loss\n1,0.5\n")
        return self.status


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    fake = Runs(tmp_path)
    monkeypatch.setattr(seeds, "_call", fake)
    monkeypatch.setattr(seeds, "_place", fake.place)
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
    runs.calls.clear()
    run_seeds("test", "1,2", ["--run_name=mine"])
    assert "| test/fid | 21 | 22 | 21.5 ± 0.707 |" in capsys.readouterr().out
    assert runs.calls[-1][-1] == "--ckpt_path=last"


def test_a_run_that_goes_on_starts_from_no_other_weights(runs: Runs) -> None:
    for _ in range(2):
        run_seeds("fit", "1", ["--run_name=mine", "--init_from=best.ckpt"])
    assert runs.calls[0] == ["fit", "--init_from=best.ckpt", "--seed_everything=1", "--run_name=mine-seed1"]
    assert runs.calls[1][-2:] == ["--init_from=null", "--ckpt_path=last"]


def test_a_name_may_hold_what_shells_and_patterns_read(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("fit", "test"):
        run_seeds(command, "1", ["--run_name=my run [x]"])
    said = capsys.readouterr().out
    assert "| test/fid | 21 | 21 |" in said
    words = shlex.split(said.splitlines()[-1])
    assert words[-3:] == [f"{runs.root}/my run [x]-seed1", "--out", f"{runs.root}/my run [x].html"]


def test_the_name_of_a_configuration_is_that_of_the_runs(runs: Runs) -> None:
    runs.config_name = "ours"
    run_seeds("fit", "1", [])
    assert runs.calls[0][-1] == "--run_name=ours-seed1"


def test_runs_that_have_measured_nothing_say_so(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs.measures = False
    run_seeds("fit", "1", ["--run_name=mine"])
    said = capsys.readouterr().out
    assert "The runs have logged nothing that begins with val/." in said
    assert "| metric |" not in said


def test_a_test_names_the_runs_that_are_missing(runs: Runs) -> None:
    run_seeds("fit", "1", ["--run_name=mine"])
    runs.calls.clear()
    with pytest.raises(FileNotFoundError, match=r"mine-seed0/checkpoints/last\.ckpt.* fit --seeds 0,2, or"):
        run_seeds("test", "1,0,2", ["--run_name=mine"])
    with pytest.raises(ValueError, match="test --seeds needs --run_name"):
        run_seeds("test", "0,1", [])
    assert not runs.calls


def test_runs_are_given_configurations_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("config: quickstart\nrun_name: ours\n")
    calls: list[Any] = []
    monkeypatch.setattr(dispatch, "run_seeds", lambda *given: calls.append(given))
    dispatch.run("fit", ["--config", "mine.yaml", "--seeds", "0,1", "--trainer.max_steps=3"])
    assert calls == [("fit", "0,1", ["--config", "mine.yaml", "--trainer.max_steps=3"])]


@pytest.mark.parametrize(("sent", "told"), [("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP"), ("SIGINT", "SIGTERM")])
def test_a_signal_is_handed_on_and_the_run_awaited(
    sent: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!/bin/sh\ntrap 'sleep 0.3; echo told > {tmp_path}/told; exit 3' {told[3:]}\ntouch {tmp_path}/begun\n"
        "for k in $(seq 300); do sleep 0.1; done\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    before = signal.getsignal(getattr(signal, sent))

    def send() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), getattr(signal, sent))

    threading.Thread(target=send, daemon=True).start()
    with pytest.raises(SystemExit) as caught:
        seeds._call(["fit"])
    assert caught.value.code == 128 + getattr(signal, sent)
    assert (tmp_path / "told").exists()
    assert signal.getsignal(getattr(signal, sent)) is before


def test_a_run_that_a_signal_ends_has_the_status_of_shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\nkill -KILL $$\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    assert seeds._call(["fit"]) == 137


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
        ("0,4294967296", [], "or above 4294967295"),
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


@pytest.mark.slow
def test_a_configuration_that_names_others_says_where_runs_are(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("config: quickstart\nrun_name: ours\ntrainer: {default_root_dir: there}\n")
    assert seeds._place(["--config", "mine.yaml"]) == (Path("there"), "ours")
