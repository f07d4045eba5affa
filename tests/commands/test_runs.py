"""Run directories: each run has its own alone, and what goes wrong leaves it as it was."""

import fcntl
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from gan_lightning.callbacks import SampleGrid
from gan_lightning.commands import runs
from gan_lightning.commands.main import main
from gan_lightning.engine.checkpoints import read_checkpoint

CONFIGS = Path(__file__).parents[2] / "configs"
DATA = ["--config", f"{CONFIGS}/data/mnist_sample.yaml", "--data.batch_size=8"]
SMALL = ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--evaluation.num_samples=0"]

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, by default of a small GAN on a few digits, and returns what it printed."""

    def build(*options: str, command: str = "fit", model: str = "gan", steps: int | None = None) -> str:
        limit = [f"--trainer.max_steps={steps}"] if steps else []
        main([command, *DATA, "--config", f"{CONFIGS}/model/{model}.yaml", *SMALL, *limit, *options])
        return capsys.readouterr().out

    return build


@pytest.fixture
def refused(run: Run, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command that ends in one message, and returns it."""

    def build(*options: str, **kwargs: Any) -> str:
        with pytest.raises(SystemExit) as caught:
            run(*options, **kwargs)
        error = capsys.readouterr().err
        assert caught.value.code == 2, error
        assert "Traceback" not in error
        return error

    return build


def contents(folder: Path | str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def listed(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def last(name: str) -> dict[str, Any]:
    return read_checkpoint(Path("runs", name, "checkpoints", "last.ckpt"))


def test_default_names_that_collide_are_numbered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.time, "strftime", lambda *_: "20260101-000000")
    for _ in range(3):
        run(steps=1)
    names = listed("runs")
    assert names == [f"gan-20260101-000000{number}" for number in ("", "-2", "-3")]
    for name in names:
        assert last(name)["global_step"] == 1


def test_a_chosen_name_that_is_taken_is_refused(run: Run, refused: Run) -> None:
    run("--run_name=a", steps=1)
    before = contents("runs/a")
    assert "The run directory 'runs/a' exists." in refused("--run_name=a", steps=2)
    assert contents("runs/a") == before


@pytest.fixture
def elsewhere_held(run: Run) -> Iterator[None]:
    """A run "a" in which another process trains."""
    run("--run_name=a", steps=2)
    descriptor = os.open("runs/a", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


@pytest.mark.usefixtures("elsewhere_held")
def test_a_run_that_trains_is_not_resumed_by_another_process(refused: Run) -> None:
    before = contents("runs/a")
    assert "Another process is training in 'runs/a'" in refused("--run_name=a", "--ckpt_path=last", steps=3)
    assert contents("runs/a") == before


def test_a_lock_ends_with_the_run_and_is_not_inherited(run: Run) -> None:
    run("--run_name=a", steps=1)
    run("--run_name=a", "--ckpt_path=last", steps=2)
    with runs.held(Path("runs/a")):
        child = os.fork()
        if child == 0:  # whether the lock's descriptor is closed here
            os._exit(len(runs._locks))
        assert os.waitpid(child, 0)[1] == 0
        assert len(runs._locks) == 1
    assert runs._locks == []


@pytest.mark.parametrize("name", ["lr[1e-3]{a,b}*c?", "-x", "x.y"])
def test_any_name_of_a_folder_is_a_name(run: Run, name: str) -> None:
    run(f"--run_name={name}", steps=3)
    printed = run(f"--run_name={name}", "--ckpt_path=last", steps=4)
    assert f"From runs/{name}/checkpoints/last.ckpt, after 3 updates of G." in printed
    assert last(name)["global_step"] == 4
    assert listed("runs") == [name]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp/x", "../x", "a ", "x" * 201])
def test_other_names_are_refused(refused: Run, name: str) -> None:
    assert "--run_name must be the name of a folder" in refused(f"--run_name={name}", steps=1)
    assert not Path("runs").exists()


@pytest.mark.parametrize("root", ["s3://bucket/x", "gs://b", "http://host/x"])
def test_runs_are_kept_on_a_file_system(refused: Run, root: str) -> None:
    assert f"--trainer.default_root_dir is '{root}'" in refused(f"--trainer.default_root_dir={root}", steps=1)
    assert listed() == []


@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_weights_that_nobody_trained_are_not_judged(refused: Run, command: str) -> None:
    assert f"{command} needs --ckpt_path: last, best, or the path" in refused(command=command)
    assert listed() == []


def test_best_must_exist(refused: Run, run: Run) -> None:
    assert "There is no 'best' checkpoint of GAN in runs." in refused("--ckpt_path=best", steps=1)
    run("--run_name=a", steps=1)
    error = refused("--run_name=a", "--ckpt_path=best", steps=2)
    assert "There is no 'best' checkpoint of GAN in runs/a, only last.ckpt." in error


def test_a_run_with_other_checkpoints_never_starts_afresh(refused: Run, run: Run) -> None:
    run("--run_name=a", steps=1)
    Path("runs/a/checkpoints/last.ckpt").rename("runs/a/checkpoints/best.ckpt")
    before = contents("runs/a")
    error = refused("--run_name=a", "--ckpt_path=last", steps=2)
    assert "There is no 'last' checkpoint of GAN in runs/a, only best.ckpt." in error
    assert contents("runs/a") == before


def test_last_looks_into_checkpoints_for_the_gan(run: Run) -> None:
    run("--run_name=one", steps=1)
    run("--run_name=other", model="cgan", steps=2)  # newer
    assert "From runs/one/checkpoints/last.ckpt, after 1 updates of G." in run("--ckpt_path=last", steps=3)
    assert last("one")["global_step"] == 3
    assert "There is no run of LSGAN in runs yet: a new one begins." in run("--ckpt_path=last", model="lsgan", steps=1)


def test_nothing_is_written_before_the_first_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def look(self: Any, *_: Any) -> None:
        seen.append([*contents("runs/a")])

    monkeypatch.setattr(SampleGrid, "on_train_batch_start", look)
    run("--run_name=a", "--trainer.log_every_n_steps=1", steps=2)
    assert seen[0] == []
    assert "runs/a/config.yaml" in seen[1]


def test_a_resume_that_is_refused_changes_nothing(run: Run, refused: Run) -> None:
    run("--run_name=a", steps=2)
    before = contents("runs/a")
    for option, message in {
        "--model.width=3": "has no option 'width'",
        "--model.latent_dim=7": "latent_dim 100 -> 7",
        "--model.ema_decay=0": "ema_decay",
        "--seed_everything=3": "The run has seed 0, but seed_everything is 3",
        "--data.batch_size=9": "batch_size of all devices 8 -> 9",
        "--data.flip=true": "flip False -> True",
        "--data.val_size=900": "data mnist_sample-28px-",
        "--model.n_critic=2": "n_critic 1 -> 2",
    }.items():
        assert message in refused("--run_name=a", "--ckpt_path=last", option, steps=4)
        assert contents("runs/a") == before, option


def test_a_resume_whose_optimizers_fail_to_load_changes_nothing(run: Run, refused: Run) -> None:
    run("--run_name=a", steps=2)
    path = Path("runs/a/checkpoints/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["optimizer_states"][1]["param_groups"][0]["params"].pop()
    torch.save(checkpoint, path)
    before = contents("runs/a")
    assert "parameter group" in refused("--run_name=a", "--ckpt_path=last", steps=4)
    assert contents("runs/a") == before


def test_changed_options_apply_and_stand_in_the_configuration(run: Run) -> None:
    run("--run_name=a", steps=2)
    with pytest.warns(UserWarning, match=r"Resumed with changed options: lr 0.0002 -> 0.001\."):
        run("--run_name=a", "--ckpt_path=last", "--model.lr=1e-3", steps=3)
    assert yaml.safe_load(Path("runs/a/config.yaml").read_text())["model"]["init_args"]["lr"] == 1e-3
    assert {state["param_groups"][0]["lr"] for state in last("a")["optimizer_states"]} == {1e-3}


def test_fast_dev_run_writes_nothing(run: Run) -> None:
    run("--run_name=a", "--trainer.fast_dev_run=2", "--evaluation.num_samples=20")
    assert contents(".") == {}


def test_a_run_that_cannot_begin_leaves_its_name_free(run: Run, refused: Run) -> None:
    assert "n_critic" in refused("--run_name=a", "--model.n_critic=0", steps=1)
    assert not Path("runs/a").exists()
    run("--run_name=a", steps=1)


def test_the_shape_of_the_images_stands_in_the_configuration(run: Run, identical: Any) -> None:
    run("--run_name=a", "--data.image_size=32", steps=1)
    config = Path("runs/a/config.yaml")
    assert yaml.safe_load(config.read_text())["model"]["init_args"]["image_shape"] == [1, 32, 32]
    run(f"--config={config}", "--run_name=b", "--ckpt_path=null", steps=1)
    assert torch.equal(
        last("a")["state_dict"]["generator.layers.0.weight"], last("b")["state_dict"]["generator.layers.0.weight"]
    )


def test_a_shape_that_is_not_the_datas_is_refused(refused: Run) -> None:
    error = refused("--model.image_shape=[1,64,64]", steps=1)
    assert "--model.image_shape is (1, 64, 64), but the data say (1, 28, 28)" in error


OWN = """
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

IMAGES, LABELS = torch.rand(16, 1, 20, 24) * 2 - 1, torch.arange(16) % 3

class Silent(LightningDataModule):
    def train_dataloader(self):
        return DataLoader(TensorDataset(IMAGES, LABELS), 8)

class Late(Silent):
    def setup(self, stage):
        self.image_shape, self.num_classes = [1, 20, 24], 3
"""


@pytest.fixture
def own() -> Iterator[None]:
    """A package "owndata" of the user's in the working directory."""
    Path("owndata.py").write_text(OWN)
    yield
    sys.modules.pop("owndata", None)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(("data", "model"), [("Silent", "gan"), ("Late", "gan"), ("Late", "cgan")])
def test_data_that_tell_late_or_nothing_are_asked(data: str, model: str) -> None:
    options = [f"--data=owndata.{data}", f"--config={CONFIGS}/model/{model}.yaml", *SMALL]
    main(["fit", *options, "--trainer.max_steps=1", "--run_name=a"])
    assert last("a")["hyper_parameters"]["image_shape"] == (1, 20, 24)
    assert last("a")["hyper_parameters"].get("num_classes") == (3 if model == "cgan" else None)


@pytest.mark.usefixtures("own")
def test_data_that_do_not_tell_their_classes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--data=owndata.Silent", f"--config={CONFIGS}/model/cgan.yaml", *SMALL, "--trainer.max_steps=1"])
    assert "error: Silent does not say how many classes its labels have" in capsys.readouterr().err


def test_a_new_run_starts_from_the_weights_of_another(run: Run, refused: Run) -> None:
    run("--run_name=a", steps=2)
    path = "runs/a/checkpoints/last.ckpt"
    printed = run("--run_name=b", f"--init_from={path}", "--model.lr=1e-9", "--model.ema_decay=0.9", steps=1)
    assert f"Started from {path}: " in printed
    assert last("b")["global_step"] == 1
    weight = "generator.layers.0.weight"
    torch.testing.assert_close(last("b")["state_dict"][weight], last("a")["state_dict"][weight], rtol=0, atol=1e-8)
    assert "leave out --ckpt_path" in refused("--run_name=c", f"--init_from={path}", "--ckpt_path=last", steps=1)
    assert "--init_from starts a new run of fit" in refused(
        f"--init_from={path}", f"--ckpt_path={path}", command="test"
    )


def test_an_interrupted_run_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def interrupt(self: Any, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 2:
            raise SystemExit(143)

    with monkeypatch.context() as patch:
        patch.setattr(SampleGrid, "on_train_batch_end", interrupt)
        with pytest.raises(SystemExit) as caught:
            run("--run_name=a b", steps=4)
    assert caught.value.code == 143
    said = capsys.readouterr().out
    told = said[said.index("gan-lightning fit") :].strip()
    assert told == (
        "gan-lightning fit --config 'runs/a b/config.yaml' --trainer.default_root_dir runs --run_name 'a b' "
        "--ckpt_path last"
    )
    main(shlex.split(told)[1:])
    assert last("a b")["global_step"] == 4


def test_the_summary_names_only_files_that_exist(run: Run) -> None:
    printed = run("--run_name=a", "--trainer.logger=false", steps=1)
    assert "metrics.csv" not in printed
    named = [line.split()[-1] for line in printed.splitlines() if line.startswith("  ") and "runs/a" in line]
    assert len(named) == 4
    assert all(Path(path).exists() for path in named)
