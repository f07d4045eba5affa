"""What makes a GAN composes from YAML and the command line: losses, stabilizers, optimizers, networks, a user's own."""

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import gan_lightning
from gan_lightning import losses, stabilizers
from gan_lightning.commands.cli import GANCLI
from gan_lightning.commands.main import main
from gan_lightning.engine.checkpoints import read_checkpoint

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = [
    f"--config={CONFIGS}/data/mnist_sample.yaml",
    "--data.batch_size=16",
    "--trainer.accelerator=cpu",
    "--trainer.log_every_n_steps=1",
    "--evaluation.num_samples=0",
    "--samples.num_images=4",
]
LSGAN = [f"--config={CONFIGS}/model/lsgan.yaml", "--model.width=4", "--model.norm=none"]
SMALL = [f"--config={CONFIGS}/model/dcgan.yaml", "--model.width=4", "--model.norm=none"]
MONITOR = ["--trainer.callbacks+=LearningRateMonitor", "--trainer.callbacks.logging_interval=step"]
COMPOSED = [
    "--model.norm=none",
    "--model.stabilizers+=R1",
    "--model.stabilizers.weight=1.0",
    "--model.stabilizers.every=2",
    "--model.stabilizers+=DiffAugment",
]
IN_YAML = """
model:
  init_args:
    norm: none
    stabilizers:
      - {class_path: R1, init_args: {weight: 1.0, every: 2}}
      - class_path: DiffAugment
"""
OWN = """
from typing import Any

import torch
from torch import Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.game import Move, Stabilizer, Terms
from gan_lightning.losses import AdversarialLoss, HingeLoss
from gan_lightning.networks import MLPGenerator
from gan_lightning.parts import describe


class MyCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(images)


class MyLoss(AdversarialLoss):
    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return torch.relu(self.margin - real_logits).mean() + torch.relu(self.margin + fake_logits).mean()

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        return -fake_logits.mean()


class Small(Stabilizer):
    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = weight

    def discriminator_terms(self, move: Move) -> Terms:
        return {"small": self.weight * move.on_real.logits.square().mean()}


class MyGAN(AdversarialModule):
    def __init__(self, *, width: int = 16, loss: AdversarialLoss = describe(HingeLoss), **kwargs: Any) -> None:
        super().__init__(MLPGenerator((1, 28, 28), 100, (width,)), MyCritic(), loss, **kwargs)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., GANCLI]:
    """Runs ``fit`` in an empty folder, under a name; returns the command line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])

    def fit(name: str, *options: str, steps: int = 4) -> GANCLI:
        return GANCLI(["fit", *TINY, f"--run_name={name}", *options, f"--trainer.max_steps={steps}"])

    return fit


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of the user's in the working directory; it is forgotten afterwards."""
    (tmp_path / "mypkg.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "mypkg"
    sys.modules.pop("mypkg", None)


def state(name: str) -> dict[str, Any]:
    checkpoint = read_checkpoint(Path("runs", name, "checkpoints", "last.ckpt"))
    return {key: checkpoint[key] for key in ("state_dict", "optimizer_states", "hyper_parameters", "global_step")}


def logged(name: str, column: str) -> dict[int, float]:
    rows = csv.DictReader(Path("runs", name, "metrics.csv").read_text().splitlines())
    return {int(row["step"]): float(row[column]) for row in rows if row.get(column)}


@pytest.mark.parametrize("form", ["options", "yaml"])
def test_stabilizers_train_resume_bit_for_bit_and_reload(run: Any, tmp_path: Path, form: str, identical: Any) -> None:
    (tmp_path / "composed.yaml").write_text(IN_YAML)
    options = [*LSGAN, *(COMPOSED if form == "options" else ["--config=composed.yaml"])]
    run("whole", *options, steps=6)
    run("parts", *options, steps=3)
    run("parts", *options, "--ckpt_path=last", steps=6)
    assert identical(state("parts"), state("whole"))
    assert logged("parts", "train/d_loss") == logged("whole", "train/d_loss")
    assert sorted(logged("whole", "train/d_r1")) == [1, 3, 5]  # lazy: logged when due
    checkpoint = torch.load("runs/whole/checkpoints/last.ckpt", weights_only=True)
    r1, augment = checkpoint["hyper_parameters"]["stabilizers"]
    assert r1 == {
        "class_path": "R1",
        "init_args": {"weight": 1.0, "every": 2, "final_weight": None, "anneal_steps": 10_000},
    }
    assert augment["class_path"] == "DiffAugment"
    gan = gan_lightning.load("runs/whole/checkpoints/last.ckpt")
    assert [type(part).__name__ for part in gan.stabilizers] == ["R1", "DiffAugment"]
    assert gan.sample(2, seed=0).shape == (2, 1, 28, 28)


def test_options_and_yaml_say_the_same(run: Any, tmp_path: Path, identical: Any) -> None:
    (tmp_path / "composed.yaml").write_text(IN_YAML)
    run("options", *LSGAN, *COMPOSED, steps=2)
    run("yaml", *LSGAN, "--config=composed.yaml", steps=2)
    assert identical(state("options"), state("yaml"))


def test_printed_config_is_a_fixed_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])

    def printed(*options: str) -> dict[str, Any]:
        with pytest.raises(SystemExit):
            main(["fit", *options, "--print_config"])
        text = capsys.readouterr().out
        (tmp_path / "printed.yaml").write_text(text)
        config: dict[str, Any] = yaml.safe_load(text)
        return config

    optimizers = [
        "--model.generator_optimizer=AdamW",
        "--model.discriminator_optimizer.lr=1e-3",
        "--model.loss=HingeLoss",
    ]
    first = printed(*TINY, *LSGAN, *COMPOSED, *optimizers)
    assert printed("--config=printed.yaml") == first
    assert first["model"]["init_args"]["stabilizers"][0]["init_args"] == {
        "weight": 1.0,
        "every": 2,
        "final_weight": None,
        "anneal_steps": 10_000,
    }


def test_a_runs_own_config_reproduces_it_bit_for_bit(run: Any, monkeypatch: pytest.MonkeyPatch, identical: Any) -> None:
    run("first", *LSGAN, *COMPOSED, "--model.generator_optimizer=RMSprop", "--seed_everything=5")
    GANCLI(["fit", "--config=runs/first/config.yaml", "--run_name=second"])
    assert identical(state("second"), state("first"))


@pytest.mark.quick("BoundaryEquilibriumLoss", "HingeLoss", "LeastSquaresLoss", "RelativisticLoss", "WassersteinLoss")
@pytest.mark.parametrize("loss", [name for name in losses.__all__ if name != "AdversarialLoss"])
@pytest.mark.parametrize("model", ["dcgan", pytest.param("wgan", marks=pytest.mark.slow)])
def test_any_loss_joins_any_gan_by_name(run: Any, loss: str, model: str) -> None:
    cli = run("a", f"--config={CONFIGS}/model/{model}.yaml", "--model.width=4", f"--model.loss={loss}", steps=1)
    assert type(cli.model.loss).__name__ == loss
    assert type(gan_lightning.load("runs/a/checkpoints/last.ckpt").loss).__name__ == loss


def test_arguments_of_a_gans_own_loss_need_no_name(run: Any) -> None:
    cli = run("a", *SMALL, "--model.loss.real_target=0.9", steps=1)
    assert (type(cli.model.loss).__name__, cli.model.loss.real_target) == ("NonSaturatingLoss", 0.9)
    assert state("a")["hyper_parameters"]["loss"]["init_args"] == {"real_target": 0.9, "fake_target": 0.0}


@pytest.mark.quick("ADA", "R1", "AuxiliaryClassifier", "MinibatchStdDev", "Unrolled")
@pytest.mark.parametrize("name", stabilizers.__all__)
def test_any_stabilizer_joins_by_name(run: Any, name: str) -> None:
    cli = run("a", *SMALL, f"--model.stabilizers+={name}", steps=1)
    assert [type(part).__name__ for part in cli.model.stabilizers] == [name]
    loaded = gan_lightning.load("runs/a/checkpoints/last.ckpt")
    assert loaded.stabilizers[0].describe() == cli.model.stabilizers[0].describe()


@pytest.mark.quick("ASGD", "Adafactor", "AdamW")
@pytest.mark.parametrize("name", ["ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax"])
def test_any_optimizer_joins_by_name(run: Any, name: str) -> None:
    cli = run("a", *SMALL, f"--model.discriminator_optimizer={name}", "--model.lr=0.01")
    kinds = [type(optimizer).__name__ for optimizer in cli.trainer.optimizers]
    assert kinds == ["Adam", name]
    assert [optimizer.param_groups[0]["lr"] for optimizer in cli.trainer.optimizers] == [0.01, 0.01]


@pytest.mark.quick("RMSprop", "SGD")
@pytest.mark.parametrize("name", ["NAdam", "RAdam", "Rprop", "RMSprop", "SGD"])
def test_each_player_may_have_an_optimizer_with_schedule_and_clipping(run: Any, name: str, identical: Any) -> None:
    chosen = f"--model.generator_optimizer={name}"
    numbers = ["lr=0.5", "lr_schedule=linear", "warmup_steps=2", "clip_norm=0.1"]
    options = [f"--model.generator_optimizer.{number}" for number in numbers]
    run("whole", *SMALL, chosen, *options)
    cli = run("whole2", *SMALL, chosen, *options, *MONITOR)
    assert type(cli.trainer.optimizers[0]).__name__ == name
    assert identical(state("whole"), state("whole2"))
    assert list(logged("whole2", f"lr-{name}/G").values()) == pytest.approx([0.25, 0.375, 0.25, 0.125])
    assert list(logged("whole2", "lr-Adam/D").values()) == pytest.approx([2e-4] * 4)


def test_a_gan_of_ones_own_trains_resumes_loads_and_generates(run: Any, own: str, capsys: Any, identical: Any) -> None:
    parts = [
        "--model.loss=mypkg.MyLoss",
        "--model.loss.margin=2",
        "--model.stabilizers+=mypkg.Small",
        "--model.width=8",
    ]

    def fit(name: str, *options: str) -> None:
        main(["fit", *TINY, f"--run_name={name}", f"--model={own}.MyGAN", *parts, *options])

    fit("whole", "--trainer.max_steps=4")
    fit("parts", "--trainer.max_steps=2")
    fit("parts", "--trainer.max_steps=4", "--ckpt_path=last")
    assert identical(state("parts"), state("whole"))
    path = "runs/whole/checkpoints/last.ckpt"
    gan = gan_lightning.load(path)
    assert (type(gan).__name__, type(gan.loss).__name__, gan.loss.margin) == ("MyGAN", "MyLoss", 2.0)
    del sys.modules[own]
    for options in ([], ["--model=mypkg.MyGAN"]):
        main(["generate", f"--ckpt_path={path}", "--num=4", "--out=own.png", *options])
        assert "Wrote 4 images of MyGAN" in capsys.readouterr().out


@pytest.mark.parametrize("model", ["nopkg.X", "mypkg.Nope", "mypkg.MyLoss"])
def test_a_class_that_cannot_be_generated_from_is_one_message(own: str, model: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["generate", "--ckpt_path=x.ckpt", f"--model={model}"])
    assert caught.value.code == 2
    assert f"'{model}' " in capsys.readouterr().err


def test_networks_compose_from_yaml_too(run: Any, tmp_path: Path, identical: Any) -> None:
    (tmp_path / "own.yaml").write_text("""
model:
  class_path: AdversarialModule
  init_args:
    generator: {class_path: DCGANGenerator, init_args: {image_shape: [1, 28, 28], latent_dim: 100, width: 4}}
    discriminator:
      class_path: PacGAN
      init_args:
        pack: 2
        network: {class_path: DCGANDiscriminator, init_args: {image_shape: [2, 28, 28], width: 4}}
    loss: HingeLoss
""")
    run("whole", "--config=own.yaml")
    run("parts", "--config=own.yaml", steps=2)
    run("parts", "--config=own.yaml", "--ckpt_path=last")
    assert identical(state("parts"), state("whole"))
    assert type(gan_lightning.load("runs/whole/checkpoints/last.ckpt").discriminator).__name__ == "PacGAN"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.loss=Blub"], "There is no loss 'Blub'. Choose from: "),
        (["--model.loss.real=3"], "NonSaturatingLoss has no option 'real'. Choose from: fake_target, real_target."),
        (["--model.loss.real_target=3"], "real_target must be in [0, 1], got 3.0"),
        (["--model.stabilizers+=R3"], "There is no stabilizer 'R3'. Choose from: ADA, "),
        (
            ["--model.stabilizers+=R1", "--model.stabilizers.weigth=1"],
            "R1 has no option 'weigth'. Did you mean weight?",
        ),
        (["--model.stabilizers+=R1", "--model.stabilizers.every=0"], "every must be an integer, at least 1, got 0"),
        (["--model.generator_optimizer=Adaam"], "There is no optimizer 'Adaam'. Did you mean Adam? Choose from: "),
        (["--model.generator_optimizer=SGD", "--model.generator_optimizer.beta=3"], "SGD has no option 'beta'"),
        (["--model.r1_weight=3"], "DCGAN has no option 'r1_weight'. Since version 0.2 it is --model.stabilizers+=R1"),
        (["--model.discriminator_lr=3"], "Since version 0.2 it is --model.discriminator_optimizer.lr"),
        (["--model.lr_schedule=linear"], "Since version 0.2 it is --model.generator_optimizer.lr_schedule"),
        (["--model.loss=os.system"], "--model.loss: os.system is no AdversarialLoss. Choose from: "),
        (["--model.generator_optimizer.lr=x"], "--model.generator_optimizer.lr must be a number, got x."),
        (["--model=nopkg.X"], "--model: No module named 'nopkg'"),
    ],
)
def test_bad_parts_get_one_message(tmp_path: Path, capsys: Any, options: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["fit", *TINY, *SMALL, f"--trainer.default_root_dir={tmp_path}", *options])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) <= 3
