"""The command line, run as a user runs it, on the digits that come with the package."""

import csv
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Trainer
from PIL import Image

import gan_lightning
from gan_lightning.arguments import arguments_of
from gan_lightning.callbacks import LastCheckpoint, SampleGrid
from gan_lightning.commands.cli import GANCLI
from gan_lightning.commands.main import main
from gan_lightning.engine.checkpoints import read_checkpoint
from gan_lightning.panels import PANELS

CONFIGS = Path(__file__).parents[2] / "configs"
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
MODELS = sorted((CONFIGS / "model").glob("*.yaml"))
OF_LATENTS = [path for path in MODELS if path.stem not in [name.lower() for name in gan_lightning.TRANSLATORS]]
TINY = ["--data.batch_size=16", "--trainer.accelerator=cpu", "--evaluation.num_samples=20", "--samples.num_images=4"]

Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in an empty folder and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def run(*args: str) -> str:
        main([str(arg) for arg in args])
        return capsys.readouterr().out

    return run


@pytest.fixture
def failing(command: Command, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command that must end in one message; returns the message."""

    def run(*args: str) -> str:
        with pytest.raises(SystemExit) as caught:
            command(*args)
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("gan-lightning: error: ")
        assert "Traceback" not in error
        return error

    return run


def fit(model: str = "dcgan", *options: str, steps: int = 3) -> list[str]:
    """The options of a short training."""
    config = CONFIGS / "model" / f"{model}.yaml"
    name = yaml.safe_load(config.read_text())["model"]["class_path"]
    width = ["--model.width=4"] if "width" in arguments_of(getattr(gan_lightning, name)) else []
    data = ["--config", str(CONFIGS / "data" / "mnist_sample.yaml")]
    return ["fit", *data, "--config", str(config), *width, f"--trainer.max_steps={steps}", *TINY, *options]


@pytest.fixture
def trained(command: Command, tmp_path: Path) -> Path:
    """The run directory of a short training of a DCGAN, with two validations."""
    command(*fit("dcgan", "--run_name=a", "--trainer.val_check_interval=2", steps=4))
    return tmp_path / "runs" / "a"


def test_a_run_has_a_directory_of_its_own_and_writes_nowhere_else(trained: Path, tmp_path: Path) -> None:
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    cache = {name for name in written if name.startswith("runs/cache/")}
    files = ["config.yaml", "metrics.csv", "hparams.yaml", "sessions.jsonl", "report.html", "real.png"]
    files += ["checkpoints/best.ckpt", "checkpoints/last.ckpt", "samples/step-0000004.png"]
    assert written - cache == {f"runs/a/{name}" for name in files}
    assert sorted(Path(name).name[:4] for name in cache) == ["val-", "vega"]
    rows = list(csv.DictReader((trained / "metrics.csv").open()))
    assert [row["step"] for row in rows if row["val/fid_mnist"]] == ["2", "4"]
    assert yaml.safe_load((trained / "config.yaml").read_text())["model"]["class_path"] == "gan_lightning.DCGAN"


def test_the_summary_says_where_everything_is(command: Command, tmp_path: Path) -> None:
    printed = command(*fit("gan", "--run_name=b", "--trainer.val_check_interval=3"))
    for name in ["checkpoints/best.ckpt", "checkpoints/last.ckpt", "samples", "metrics.csv", "report.html"]:
        assert f"runs/b/{name}" in printed
        assert (tmp_path / "runs" / "b" / name).exists()
    assert "Trained for 3 updates of G on 48 real images, until --trainer.max_steps 3." in printed
    assert "val/fid_mnist" in printed
    assert "20 fakes (EMA, seed 0) against 1000 val images of mnist_sample-28px" in printed


@pytest.mark.quick("gan", "infogan", "sngan", "progan", "stylegan2")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("config", OF_LATENTS, ids=lambda path: path.stem)
def test_every_model_config_trains_judges_and_generates(config: Path, command: Command, tmp_path: Path) -> None:
    options = fit(config.stem, "--run_name=m", "--trainer.limit_val_batches=1")
    command(*options, "--trainer.val_check_interval=3")
    path = tmp_path / "runs" / "m" / "checkpoints" / "last.ckpt"
    gan = gan_lightning.load(path)
    assert read_checkpoint(path)["global_step"] == 3
    command("generate", "--ckpt_path", str(path), "--num", "3", "--out", "x.npz")
    assert np.load("x.npz")["images"].shape == (3, 28, 28, 1)
    assert len(gan.sample(2)) == 2


@pytest.mark.quick("quickstart", "celeba_sngan", "mnist_conditional_resnet", "mnist_sagan", "mnist_stylegan2")
@pytest.mark.parametrize("name", ["quickstart", *EXPERIMENTS])
def test_recipes_train(name: str, command: Command, tmp_path: Path) -> None:
    recipe = name if name == "quickstart" else f"experiment/{name}"
    files = [f"--config={CONFIGS / config}.yaml" for config in ["data/mnist_sample", recipe, "trainer/cpu"]]
    text = (CONFIGS / f"{recipe}.yaml").read_text()
    width = ["--model.width=4"] if "    width: " in text else []  # not of the networks in it
    size = ["--data.image_size=32"] if "celeba" in name else []
    if name.endswith("resnet") and size:
        size += [f"--model.{player}.image_shape=[1, 32, 32]" for player in ("generator", "discriminator")]
    elif size:
        size += ["--model.max_width=8"]
    command("fit", *files, *TINY, *width, *size, "--trainer.max_steps=2", "--run_name=r")
    assert read_checkpoint(tmp_path / "runs" / "r" / "checkpoints" / "last.ckpt")["global_step"] == 2


@pytest.mark.parametrize("name", ["gaussian", "grid", "ring"])
def test_points_train_without_evaluation(name: str, command: Command, tmp_path: Path) -> None:
    files = [f"--config={CONFIGS / config}.yaml" for config in ("model/gan", f"data/{name}", "trainer/no_evaluation")]
    printed = command(
        "fit", *files, "--trainer.accelerator=cpu", "--trainer.max_steps=3", "--data.num_train=200", "--run_name=r"
    )
    assert "not evaluated: " in printed
    dimensions = 1 if name == "gaussian" else 2
    assert gan_lightning.load(tmp_path / "runs" / "r" / "checkpoints" / "last.ckpt").sample(5).shape == (
        5,
        1,
        1,
        dimensions,
    )


@pytest.mark.parametrize(("name", "folder"), [("celeba", ""), ("folder", "img_align_celeba")])
def test_image_files_are_prepared_and_train(name: str, folder: str, command: Command, tmp_path: Path) -> None:
    faces = runpy.run_path(str(Path(__file__).parents[1] / "datamodules" / "drawn_faces.py"))
    faces["write_celeba"](tmp_path / "data", 40)
    data = [f"--config={CONFIGS}/data/{name}.yaml", f"--data.root={tmp_path / 'data' / folder}", "--data.image_size=16"]
    command("prepare-data", *data)
    (cache,) = (tmp_path / "data" / folder / ".gan_lightning_cache").glob(f"{name}-16px-*")
    configs = [f"--config={CONFIGS / config}.yaml" for config in ("model/dcgan", "trainer/no_evaluation")]
    command(
        "fit",
        *data,
        *configs,
        *TINY,
        "--evaluation.num_samples=0",
        "--model.width=4",
        "--trainer.max_steps=2",
        "--run_name=r",
    )
    assert gan_lightning.load(tmp_path / "runs" / "r" / "checkpoints" / "last.ckpt").sample(2).shape == (2, 3, 16, 16)
    assert [path.name for path in cache.parent.iterdir() if path.is_dir()] == [cache.name]


SLURM = {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}


@pytest.mark.parametrize("name", ["ddp", "gpu", "slurm"])
def test_trainer_configs_run(name: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "slurm":
        for variable, value in {**SLURM, "SLURM_JOB_NAME": "gan", "SLURM_NTASKS_PER_NODE": "1"}.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("SLURM_JOB_NODELIST", "localhost")
    here = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--run_name=r"]
    command(*fit("dcgan", "--config", str(CONFIGS / "trainer" / f"{name}.yaml"), *here))
    checkpoint = read_checkpoint(tmp_path / "runs" / "r" / "checkpoints" / "last.ckpt")
    assert checkpoint["global_step"] == 3
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("devices", "expected"), [("1", "SingleDeviceStrategy"), ("2", "GANDDPStrategy")])
def test_more_than_one_device_means_gan_ddp(
    devices: str, expected: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    monkeypatch.setattr(Trainer, "fit", lambda self, *_, **__: chosen.append(type(self.strategy).__name__))
    monkeypatch.setattr(GANCLI, "after_fit", lambda self: None)
    command(*fit("dcgan", f"--trainer.devices={devices}", "--run_name=r"))
    assert chosen == [expected]


def test_config_files_are_in_step_with_the_catalogue() -> None:
    named = [yaml.safe_load(path.read_text())["model"]["class_path"] for path in MODELS]
    assert sorted(named) == sorted([*gan_lightning.__all__, *gan_lightning.TRANSLATORS])
    for path in MODELS:
        assert len(path.read_text().splitlines()) <= 15


def test_validate_test_and_predict_take_the_gan_from_the_checkpoint(
    trained: Path, command: Command, tmp_path: Path
) -> None:
    common = fit("dcgan")[1:5]  # data and model config: a width of 64, which is not the checkpoint's
    limits = ["--trainer.accelerator=cpu", "--evaluation.num_samples=20", "--evaluation.test_num_samples=30"]
    checkpoint = ["--ckpt_path", str(trained / "checkpoints" / "best.ckpt")]
    assert "20 fakes (EMA, seed 0) against 1000 val images" in command("validate", *common, *limits, *checkpoint)
    assert "30 fakes (EMA, seed 0) against 2500 test images" in command("test", *common, *limits, *checkpoint)
    assert "predictions" in command("predict", *common, "--trainer.accelerator=cpu", *checkpoint)
    runs = {path.name.split("-2")[0]: path for path in (tmp_path / "runs").iterdir()}
    assert runs.keys() == {"a", "cache", "dcgan-validate", "dcgan-test", "dcgan-predict"}
    rows = list(csv.DictReader((runs["dcgan-test"] / "metrics.csv").open()))
    assert float(rows[0]["test/fid_mnist"]) > 0
    assert len(list((runs["dcgan-predict"] / "predictions").glob("*.png"))) == 2500


def test_a_stopped_run_goes_on_to_the_same_end(command: Command, tmp_path: Path) -> None:
    command(*fit("dcgan", "--run_name=whole", "--trainer.log_every_n_steps=1", steps=6))
    command(*fit("dcgan", "--run_name=parts", "--trainer.log_every_n_steps=1", "--last.every_n_steps=2", steps=3))
    command(*fit("dcgan", "--run_name=parts", "--trainer.log_every_n_steps=1", "--ckpt_path=last", steps=6))
    whole, parts = (
        read_checkpoint(tmp_path / "runs" / name / "checkpoints" / "last.ckpt") for name in ("whole", "parts")
    )
    torch.testing.assert_close(parts["state_dict"], whole["state_dict"], rtol=0, atol=0)
    assert repr(parts["optimizer_states"]) == repr(whole["optimizer_states"])
    losses = [
        [
            (row["step"], row["train/d_loss"], row["train/g_loss"])
            for row in csv.DictReader((tmp_path / "runs" / name / "metrics.csv").open())
            if row["train/d_loss"]
        ]
        for name in ("whole", "parts")
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6


@pytest.mark.parametrize("stop", [2, 3])
def test_a_run_killed_between_checkpoints_loses_one_period(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """No handler runs: the periodic checkpoint, of a step within the epoch, is what is left."""
    options = ["--trainer.log_every_n_steps=1", "--last.every_n_steps=2"]
    command(*fit("dcgan", *options, "--run_name=whole", steps=6))

    class Killed(BaseException):
        pass

    def die(self: Any, trainer: Any, *_: Any) -> None:
        if trainer.global_step == stop:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "on_exception", lambda *_: None)
        patch.setattr(SampleGrid, "on_train_batch_start", die)
        with pytest.raises(Killed):
            command(*fit("dcgan", *options, "--run_name=parts", steps=6))
    folder = tmp_path / "runs" / "parts" / "checkpoints"
    assert read_checkpoint(folder / "last.ckpt")["global_step"] == 2
    command(*fit("dcgan", *options, "--run_name=parts", "--ckpt_path=last", steps=6))
    whole = read_checkpoint(tmp_path / "runs" / "whole" / "checkpoints" / "last.ckpt")
    parts = read_checkpoint(folder / "last.ckpt")
    torch.testing.assert_close(parts["state_dict"], whole["state_dict"], rtol=0, atol=0)
    assert repr(parts["optimizer_states"]) == repr(whole["optimizer_states"])


def test_last_means_the_newest_run_of_the_gan_or_a_fresh_start(command: Command, tmp_path: Path) -> None:
    command(*fit("gan", "--ckpt_path=last", steps=2))
    command(*fit("gan", "--ckpt_path=last", steps=3))
    (run,) = (tmp_path / "runs").glob("gan-*")
    assert read_checkpoint(run / "checkpoints" / "last.ckpt")["global_step"] == 3


def test_last_of_a_run_that_saved_nothing_begins_it_again(command: Command, tmp_path: Path) -> None:
    (tmp_path / "runs" / "r").mkdir(parents=True)
    command(*fit("gan", "--run_name=r", "--ckpt_path=last", steps=2))
    assert read_checkpoint(tmp_path / "runs" / "r" / "checkpoints" / "last.ckpt")["global_step"] == 2


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_saves_whole_steps_and_keeps_the_exit_code(number: signal.Signals, tmp_path: Path) -> None:
    options = fit("gan", "--run_name=s", "--trainer.log_every_n_steps=1", steps=100_000)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_lightning", *options],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    metrics = tmp_path / "runs" / "s" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and len(metrics.read_text().splitlines()) > 5):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0].decode()
        time.sleep(0.05)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 128 + number, output
    checkpoint = read_checkpoint(tmp_path / "runs" / "s" / "checkpoints" / "last.ckpt")
    steps = checkpoint["global_step"]
    assert steps > 0
    moments = [state["state"][0]["step"] for state in checkpoint["optimizer_states"]]
    assert moments == [steps, steps]  # neither player is ahead of the other


def test_generate_writes_a_grid_a_folder_or_arrays(trained: Path, command: Command, tmp_path: Path) -> None:
    checkpoint = ["--ckpt_path", str(trained / "checkpoints" / "last.ckpt")]
    assert "Wrote 9 images of DCGAN" in command("generate", *checkpoint, "--num=9", "--out=grid.png")
    assert Image.open("grid.png").size == (3 * 30 - 2, 3 * 30 - 2)
    command("generate", *checkpoint, "--num=3", "--out=images")
    assert sorted(path.name for path in Path("images").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    command("generate", *checkpoint, "--num=3", "--out=arrays", "--format=npz", "--seed=4")
    arrays = np.load("arrays")
    assert arrays["images"].dtype == np.uint8
    assert arrays["labels"].tolist() == [-1, -1, -1]
    expected = gan_lightning.load(checkpoint[1]).sample(3, seed=4)
    assert np.abs(arrays["images"][..., 0] / 127.5 - 1 - expected[:, 0].numpy()).max() < 1 / 127
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_generate_makes_the_classes_that_are_asked_for(command: Command, tmp_path: Path) -> None:
    command(*fit("cgan", "--run_name=c"))
    checkpoint = ["--ckpt_path", str(tmp_path / "runs" / "c" / "checkpoints" / "last.ckpt"), "--out=x.npz"]
    for asked, expected in [("7", [7] * 5), ("0,1,2", [0, 1, 2, 0, 1]), ("", [0, 1, 2, 3, 4])]:
        command("generate", *checkpoint, "--num=5", *([f"--labels={asked}"] if asked else []))
        assert np.load("x.npz")["labels"].tolist() == expected
    (grid,) = (tmp_path / "runs" / "c" / "samples").glob("*.png")
    assert Image.open(grid).size == (10 * 30 - 2, 28)  # a column a class


def test_wandb_offline_gets_metrics_images_and_the_configuration(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = ["--config", str(CONFIGS / "logger" / "wandb.yaml")]
    logged: list[tuple[dict[str, Any], int | None]] = []
    images: list[tuple[str, int | None]] = []
    from lightning.pytorch.loggers import WandbLogger

    original, original_image = WandbLogger.log_metrics, WandbLogger.log_image

    def log_metrics(self: Any, metrics: dict[str, Any], step: int | None = None) -> None:
        logged.append((dict(metrics), step))
        original(self, metrics, step)

    def log_image(self: Any, key: str, pictures: list[Any], step: int | None = None, **options: Any) -> None:
        images.append((key, step))
        original_image(self, key, pictures, step, **options)

    monkeypatch.setattr(WandbLogger, "log_metrics", log_metrics)
    monkeypatch.setattr(WandbLogger, "log_image", log_image)
    options = ["--run_name=w", "--trainer.log_every_n_steps=1", "--trainer.val_check_interval=3"]
    command(*fit("wgan", *logger, *options))
    keys = {key for metrics, _ in logged for key in metrics}
    assert {"train/d_loss", "train/g_loss", "train/d_x", "train/d_gz", "train/d_wasserstein", "val/fid_mnist"} <= keys
    assert [step for metrics, step in logged if "train/g_loss" in metrics] == [1, 2, 3]
    assert images == [("samples", 3)]
    wandb.finish()  # or the next run of this process would be this one
    wandb.teardown()
    (run,) = (tmp_path / "runs" / "w" / "wandb").glob("offline-run-*")
    content = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert b"clip_value" in content
    assert b"eval_batch_size" in content
    assert list(run.rglob("media/images/samples*.png"))


def test_tensorboard_gets_metrics_and_images(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = ["--config", str(CONFIGS / "logger" / "tensorboard.yaml")]
    command(*fit("gan", *logger, "--run_name=t", "--trainer.log_every_n_steps=1", "--trainer.val_check_interval=3"))
    events = EventAccumulator(str(tmp_path / "runs" / "t")).Reload()
    assert [event.step for event in events.Scalars("train/g_loss")] == [1, 2, 3]
    assert [event.step for event in events.Images("samples")] == [3]
    shown = set(events.Tags()["scalars"])
    other_features = {"val/fid", "val/fid_patches"}
    assert {key for panel in PANELS for key in panel.keys} - other_features <= shown
    layout = events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    for panel in PANELS:
        assert panel.title.encode() in layout
        assert all(f"^{key}$".encode() in layout for key in panel.keys)


def test_early_stopping_is_a_config_away(command: Command, tmp_path: Path) -> None:
    stopping = ["--config", str(CONFIGS / "trainer" / "early_stopping.yaml")]
    options = [
        "--trainer.callbacks.patience=1",
        "--trainer.callbacks.min_delta=1e9",
        "--trainer.val_check_interval=1",
        "--run_name=e",
    ]
    command(*fit("gan", *stopping, *options, steps=50))
    assert read_checkpoint(tmp_path / "runs" / "e" / "checkpoints" / "last.ckpt")["global_step"] < 10


def test_print_config_and_help_are_clean(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [
        (["fit", "--help"], ["--model", "--data", "--run_name", "--trainer.max_steps", "--evaluation.num_samples"]),
        (["generate", "--help"], ["--ckpt_path", "--num", "--labels", "--seed", "--format", "--model"]),
        (fit("dcgan", "--print_config"), ["class_path: gan_lightning.DCGAN"]),
    ]
    for arguments, words in expected:
        with pytest.raises(SystemExit) as caught:
            command(*arguments)
        printed = capsys.readouterr()
        assert caught.value.code == 0
        assert printed.err == ""
        assert [word for word in words if word not in printed.out] == []
    config = yaml.safe_load(printed.out)
    assert config["model"]["init_args"]["width"] == 4
    assert "image_shape" not in config["model"]["init_args"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (["--model.widht=3"], "DCGAN has no option 'widht'. Did you mean width? Choose from: accumulate"),
        (["--data.batch_sise=3"], "MNISTSampleDataModule has no option 'batch_sise'. Did you mean batch_size?"),
        (["--model=DCGANN"], "There is no model 'DCGANN'. Did you mean DCGAN? Choose from: ACGAN, BEGAN, CGAN, DCGAN"),
        (["--data=Foo"], "There is no data 'Foo'. Choose from: CIFAR10DataModule, CelebADataModule"),
        (["--model.lr=fast"], "--model.lr must be a number, got fast."),
        (["--trainer.max_steps=few"], "--trainer.max_steps must be an integer, got few."),
        (["--data.image_size=30"], "image_size is 30, but MNIST is made in 28 or 32"),
        (["--model.n_critic=0"], "DCGAN: n_critic must be an integer, at least 1, got 0"),
        (["--model.prior=cauchy"], "cauchy"),
        (["--config=nothing.yaml"], "nothing.yaml'"),
        (["--ckpt_path=nothing.ckpt"], "There is no checkpoint at 'nothing.ckpt'"),
        (["--data.batch_size=9001"], "holds 9000 images, less than one batch of 9001"),
        (["--evaluation.num_samples=1"], "num_samples"),
    ],
)
def test_bad_options_get_one_message(failing: Command, bad: list[str], message: str) -> None:
    assert message in failing(*fit("dcgan", *bad))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trianer:\n  max_steps: 3\n", "There is no option 'trianer.max_steps'"),
        ("trainer:\n  max_stepz: 3\n", "There is no option 'trainer.max_stepz'"),
        (
            "model:\n  class_path: DCGAN\n  init_args:\n    widht: 3\n",
            "DCGAN has no option 'widht'. Did you mean width?",
        ),
        ("model:\n  class_path: DCGANN\n", "There is no model 'DCGANN'. Did you mean DCGAN?"),
        ("model: [\n", "bad.yaml"),
    ],
)
def test_typos_in_yaml_get_one_message(failing: Command, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    assert message in failing(*fit("dcgan", "--config=bad.yaml"))


def test_a_run_directory_that_exists_is_kept(failing: Command, trained: Path) -> None:
    before = (trained / "metrics.csv").read_bytes()
    error = failing(*fit("dcgan", "--run_name=a"))
    assert (
        "The run directory 'runs/a' exists. Choose another --run_name, or resume that run with --ckpt_path last"
        in error
    )
    assert (trained / "metrics.csv").read_bytes() == before


def test_a_checkpoint_of_another_gan_is_refused(failing: Command, trained: Path) -> None:
    error = failing(*fit("gan", "--ckpt_path", str(trained / "checkpoints" / "last.ckpt")))
    assert "is a checkpoint of DCGAN, but the model is GAN" in error


def test_no_checkpoint_to_test_is_one_message(failing: Command) -> None:
    error = failing("test", *fit("gan")[1:5], "--ckpt_path=best")
    assert "There is no 'best' checkpoint of GAN in runs." in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels=3"], "DCGAN is unconditional: it takes no labels"),
        (["--labels=a"], "labels must be integers with commas between, such as 7 or 0,1,2, got 'a'"),
        (["--num=0"], "num must be an integer, at least 1, got 0"),
        (["--out=x.jpg"], "Cannot tell the format from 'x.jpg'"),
    ],
)
def test_generate_refuses_what_makes_no_sense(
    failing: Command, trained: Path, options: list[str], message: str
) -> None:
    assert message in failing("generate", "--ckpt_path", str(trained / "checkpoints" / "last.ckpt"), *options)


def test_generate_names_the_classes_there_are(failing: Command, command: Command, tmp_path: Path) -> None:
    command(*fit("cgan", "--run_name=c"))
    path = str(tmp_path / "runs" / "c" / "checkpoints" / "last.ckpt")
    error = failing("generate", "--ckpt_path", path, "--labels=3,10")
    assert "labels must be classes of CGAN, integers from 0 to 9, got [3, 10]" in error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["prepare-data", "--data=RingDataModule"], "RingDataModule is ready: it needs no files"),
        (["check-data", f"--config={CONFIGS}/data/grid.yaml", "--deep=true"], "grid: ok"),
    ],
)
def test_data_are_prepared_and_checked_with_no_gan(command: Command, options: list[str], said: str) -> None:
    assert said in command(*options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data=CIFAR10DataModule", "--data.root=absent"], "data_batch_1.bin is missing"),
        (["--data=CelebADataModule", "--data.root=absent"], "absent holds no images of CelebA"),
    ],
)
def test_a_check_that_finds_something_has_status_1(
    command: Command, capsys: Any, options: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        command("check-data", *options)
    assert caught.value.code == 1
    assert said in capsys.readouterr().out


def test_a_command_for_data_without_data_says_what_is_missing(failing: Command) -> None:
    assert "Missing: --data. --data is one of CIFAR10DataModule" in failing("check-data")
    assert "Did you mean RingDataModule?" in failing("prepare-data", "--data=RingDatamodule")
