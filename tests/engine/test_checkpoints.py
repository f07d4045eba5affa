"""Checkpoint files: what is in them, who may load them, and what is refused."""

import errno
import os
import pickle
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import LastCheckpoint
from gan_lightning.engine.checkpoints import AtomicCheckpointIO, CheckpointError, read_checkpoint
from gan_lightning.losses import AdversarialLoss, HingeLoss
from gan_lightning.modules import DCGAN, GAN
from gan_lightning.networks import DCGANDiscriminator, DCGANGenerator, MLPDiscriminator, PacGAN
from gan_lightning.stabilizers import R1


@pytest.fixture
def save(
    tiny_gan: Callable[..., AdversarialModule], trainer: Callable[..., Trainer], tiny_data: Any, tmp_path: Path
) -> Any:
    """Trains a GAN for a step and saves it."""

    def build(name: str, **overrides: Any) -> tuple[AdversarialModule, Path]:
        gan = tiny_gan(name, **overrides)
        fit = trainer(max_steps=1)
        fit.fit(gan, tiny_data)
        fit.save_checkpoint(tmp_path / "gan.ckpt")
        return gan.eval(), tmp_path / "gan.ckpt"

    return build


def test_load_finds_the_class_and_gives_the_same_samples(save: Any, gan_name: str) -> None:
    gan, path = save(gan_name)
    loaded = gan_lightning.load(path)
    assert type(loaded) is type(gan)
    assert not loaded.training
    assert torch.equal(loaded.sample(4, seed=0), gan.sample(4, seed=0))
    assert loaded.hparams == gan.hparams


def test_hyperparameters_are_plain_values_of_the_outermost_constructor(save: Any) -> None:
    parts = [R1(weight=1.0, every=16), {"class_path": "Drift"}]
    _, path = save("WGANGP", lr=np.float64(3e-4), loss=HingeLoss(), stabilizers=parts)
    assert read_checkpoint(path)["hyper_parameters"] == {
        "image_shape": (1, 8, 8),
        "latent_dim": 12,
        "width": 4,
        "max_width": 8,
        "n_critic": 2,
        "lr": 3e-4,
        "loss": {"class_path": "HingeLoss", "init_args": {}},
        "stabilizers": [
            {
                "class_path": "R1",
                "init_args": {"weight": 1.0, "every": 16, "final_weight": None, "anneal_steps": 10_000},
            },
            {"class_path": "Drift"},
        ],
    }
    gan = gan_lightning.load(path)
    assert isinstance(gan.loss, HingeLoss)
    assert [type(part).__name__ for part in gan.stabilizers] == ["GradientPenalty", "R1", "Drift"]


@pytest.mark.parametrize("value", [torch.tensor(1e-3), len, {1, 2}, Path("x")], ids=str)
def test_an_argument_that_a_checkpoint_could_not_hold_is_refused_by_name(value: Any) -> None:
    class Noted(GAN):
        def __init__(self, *, note: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    with pytest.raises(TypeError, match=r"Noted: note must be a plain value .* or a part of the game"):
        Noted(note=[value])


class Wide(DCGAN):
    """A user's own variant."""

    def __init__(self, *, factor: int = 2, width: int = 4, **kwargs: Any) -> None:
        super().__init__(width=factor * width, **kwargs)


class Cubic(AdversarialLoss):
    """A user's own loss."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def discriminator(self, real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
        return self.scale * ((real_logits - 1).pow(4).mean() + fake_logits.pow(4).mean())

    def generator(self, fake_logits: torch.Tensor, real_logits: torch.Tensor | None = None) -> torch.Tensor:
        return self.scale * (fake_logits - 1).pow(4).mean()


def test_a_users_own_gan_and_loss_are_found_once_they_are_imported(save: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan_lightning, "Wide", Wide, raising=False)
    gan, path = save("Wide", factor=3, loss=Cubic(0.5))
    assert read_checkpoint(path)["gan"] == f"{__name__}.Wide"
    loaded = gan_lightning.load(path)
    assert type(loaded) is Wide
    assert loaded.loss.scale == 0.5
    assert torch.equal(loaded.sample(2, seed=0), gan.sample(2, seed=0))


@pytest.mark.parametrize("part", ["gan", "loss"])
def test_a_class_that_is_not_imported_is_named_and_nothing_is_imported(save: Any, tmp_path: Path, part: str) -> None:
    _, path = save("GAN", loss=Cubic())
    checkpoint = torch.load(path, weights_only=True)
    if part == "gan":
        checkpoint["gan"] = "antigravity.FlyingGAN"
    else:
        checkpoint["hyper_parameters"]["loss"]["class_path"] = "antigravity.FlyingLoss"
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r"no \w+ 'antigravity.Flying\w+' among the classes that are imported"):
        gan_lightning.load(path)
    assert "antigravity" not in sys.modules


def test_networks_that_are_no_parts_are_passed_again(trainer: Any, tiny_data: Any, tmp_path: Path) -> None:
    def networks() -> dict[str, nn.Module]:
        generator = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
        generator.forward = lambda z, labels=None: nn.Sequential.forward(generator, z)  # type: ignore[method-assign]
        return {"generator": generator, "discriminator": MLPDiscriminator(64, (8,))}

    gan = AdversarialModule(**networks(), loss=HingeLoss(), latent_dim=6, ema_decay=0.0)
    fit = trainer(max_steps=1)
    fit.fit(gan, tiny_data)
    fit.save_checkpoint(tmp_path / "own.ckpt")
    with pytest.raises(TypeError, match=r"does not hold generator of AdversarialModule.*\(path, generator=\.\.\.\)"):
        gan_lightning.load(tmp_path / "own.ckpt")
    loaded = AdversarialModule.load_from_checkpoint(tmp_path / "own.ckpt", generator=networks()["generator"])
    assert torch.equal(loaded.sample(2, seed=0), gan.eval().sample(2, seed=0))


def test_networks_that_are_parts_come_back(trainer: Any, tiny_data: Any, tmp_path: Path) -> None:
    discriminator = PacGAN(DCGANDiscriminator((2, 8, 8), 4, "none"), pack=2)
    gan = AdversarialModule(DCGANGenerator((1, 8, 8), 6, 4), discriminator, HingeLoss(), latent_dim=6)
    fit = trainer(max_steps=1)
    fit.fit(gan, tiny_data)
    fit.save_checkpoint(tmp_path / "own.ckpt")
    loaded = gan_lightning.load(tmp_path / "own.ckpt")
    assert torch.equal(loaded.sample(2, seed=0), gan.eval().sample(2, seed=0))
    assert loaded.discriminator.describe() == discriminator.describe()


def test_a_checkpoint_of_another_class_is_refused(save: Any) -> None:
    _, path = save("GAN")
    with pytest.raises(ValueError, match="checkpoint of GAN, not of DCGAN"):
        DCGAN.load_from_checkpoint(path)


def test_a_trainer_refuses_a_checkpoint_of_another_class(
    save: Any, tiny_gan: Callable[..., AdversarialModule], trainer: Callable[..., Trainer], tiny_data: Any
) -> None:
    _, path = save("GAN")
    with pytest.raises(ValueError, match="checkpoint of GAN, not of DCGAN"):
        trainer(max_steps=2).fit(tiny_gan("DCGAN"), tiny_data, ckpt_path=path)


class Fixed(GAN):
    """A GAN that takes no arguments, of which Lightning keeps no hyperparameters."""

    def __init__(self) -> None:
        super().__init__(image_shape=(1, 8, 8), latent_dim=6)


def test_a_gan_without_arguments_loads_and_resumes(
    trainer: Any, tiny_data: Any, tmp_path: Path, identical: Any
) -> None:
    whole, first, second = (trainer(max_steps=steps) for steps in (4, 2, 4))
    states = []
    for fit, options in ((whole, {}), (first, {}), (second, {"ckpt_path": tmp_path / "fixed.ckpt"})):
        torch.manual_seed(0)
        fit.fit(Fixed(), tiny_data, **options)
        fit.save_checkpoint(tmp_path / "fixed.ckpt")
        states.append(torch.load(tmp_path / "fixed.ckpt")["state_dict"])
    assert identical(states[2], states[0])
    change(tmp_path / "fixed.ckpt", lambda checkpoint: checkpoint.pop("hyper_parameters"))  # as 0.1.0 saved it
    assert identical(gan_lightning.load(tmp_path / "fixed.ckpt").state_dict(), states[0])


def test_arguments_can_be_overridden_on_loading(save: Any) -> None:
    _, path = save("GAN")
    assert GAN.load_from_checkpoint(path, lr=0.5).players.lr == 0.5


def test_an_argument_of_another_version_is_told_of(save: Any) -> None:
    _, path = save("DCGAN")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["nonsense"] = 1
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=r"was saved by another version .* argument 'nonsense'"):
        gan_lightning.load(path)
    with pytest.raises(TypeError, match="argument 'nonsens'"):
        DCGAN.load_from_checkpoint(save("DCGAN")[1], nonsens=1)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at '.*nothing\.ckpt'"):
        gan_lightning.load(tmp_path / "nothing.ckpt")


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_checkpoint_is_called_damaged(save: Any, keep: float) -> None:
    _, path = save("GAN")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=r"gan\.ckpt.*(damaged|not a checkpoint)"):
        gan_lightning.load(path)


@pytest.mark.parametrize("offset", [0, 7, 30])
def test_one_flipped_byte_in_the_weights_is_noticed(save: Any, offset: int) -> None:
    gan, path = save("DCGAN")
    content = bytearray(path.read_bytes())
    weights = bytes(next(gan.generator.parameters()).detach().untyped_storage())  # as they lie in the file
    content[content.index(weights) + offset] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"gan\.ckpt.*(damaged|not a checkpoint)"):
        gan_lightning.load(path)


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Edit a checkpoint in its file."""
    checkpoint = torch.load(path, weights_only=True)
    edit(checkpoint)
    torch.save(checkpoint, path)


WEIGHT = "generator.layers.0.weight"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    save: Any, tiny_gan: Any, trainer: Any, tiny_data: Any, number: float
) -> None:
    _, path = save("GAN")
    change(path, lambda checkpoint: checkpoint["state_dict"][WEIGHT][0].fill_(number))
    with pytest.raises(ValueError, match=rf"NaN or infinite: {WEIGHT}\. .*use an earlier checkpoint"):
        gan_lightning.load(path)
    with pytest.raises(ValueError, match="NaN or infinite"):
        trainer(max_steps=2).fit(tiny_gan("GAN"), tiny_data, ckpt_path=path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.pop("state_dict"), "incomplete. Missing or of the wrong type: state_dict"),
        (lambda c: c.pop("hyper_parameters"), "does not fit the GAN|cannot change its networks"),
        (lambda c: c.update(hyper_parameters=[]), "wrong type: hyper_parameters"),
        (lambda c: c.pop("pytorch-lightning_version"), "wrong type: pytorch-lightning_version"),
        (lambda c: c.update(global_step="3"), "wrong type: global_step"),
        (lambda c: c.update(state_dict=[]), "wrong type: state_dict"),
        (lambda c: c["state_dict"].update({WEIGHT: "words"}), f"wrong type: state_dict.{WEIGHT}"),
        (lambda c: c["state_dict"].pop(WEIGHT), f"does not fit the GAN: '{WEIGHT}' is missing"),
        (lambda c: c["state_dict"].update(more=torch.zeros(1)), "does not fit the GAN: 'more' is unknown"),
        (lambda c: c["state_dict"].update({WEIGHT: torch.zeros(3, 2)}), rf"'{WEIGHT}' is \(3, 2\), not \("),
        (lambda c: c.update(optimizer_states=[]), "holds no optimizers"),
        (lambda c: c.pop("lr_schedulers"), "holds no optimizers"),
        (lambda c: c.pop("loops"), "holds no optimizers"),
    ],
)
def test_a_checkpoint_that_lacks_something_is_one_message(
    save: Any, tiny_gan: Any, trainer: Any, tiny_data: Any, edit: Any, message: str
) -> None:
    _, path = save("GAN")
    change(path, edit)
    with pytest.raises(ValueError, match=message):
        trainer(max_steps=2).fit(tiny_gan("GAN"), tiny_data, ckpt_path=path)
    if "optimizers" not in message:
        with pytest.raises(ValueError, match=message):
            gan_lightning.load(path)


def test_lightnings_arguments_of_loading(save: Any, tmp_path: Path) -> None:
    gan, path = save("GAN")
    assert torch.equal(GAN.load_from_checkpoint(path, map_location="cpu").sample(2, seed=0), gan.sample(2, seed=0))
    assert GAN.load_from_checkpoint(path, "meta").device == torch.device("meta")
    change(path, lambda checkpoint: checkpoint["state_dict"].pop(WEIGHT))
    lenient = GAN.load_from_checkpoint(path, strict=False)
    assert torch.equal(lenient.generator.layers[0].bias, gan.generator.layers[0].bias)
    for refused in ({"hparams_file": "hparams.yaml"}, {"weights_only": False}):
        with pytest.raises(ValueError, match="leave out hparams_file and weights_only"):
            GAN.load_from_checkpoint(path, **refused)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.ckpt"
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(ValueError, match="not a checkpoint"):
        gan_lightning.load(path)
    torch.save({"weights": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="names no class"):
        gan_lightning.load(path)


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_malicious_pickle_is_refused_and_not_run(save: Any, tmp_path: Path, form: str) -> None:
    _, path = save("GAN")
    content = {**torch.load(path, weights_only=True), "callbacks": _Malicious(tmp_path / "owned")}
    if form == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    for load in (gan_lightning.load, GAN.load_from_checkpoint):
        with pytest.raises(ValueError, match="Refused to load"):
            load(path)
    assert not (tmp_path / "owned").exists()


class FullDisk(AtomicCheckpointIO):
    """Lets no file grow beyond a page while a checkpoint of step 4 is written, and none of pytest's before or after."""

    def save_checkpoint(self, checkpoint: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096 if checkpoint["global_step"] == 4 else soft, hard))
        try:
            super().save_checkpoint(checkpoint, *args, **kwargs)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_previous_checkpoint_and_says_so(
    tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path
) -> None:
    fit = trainer(
        max_steps=6, callbacks=[LastCheckpoint(every_n_steps=2)], plugins=[FullDisk()], enable_checkpointing=True
    )
    with pytest.raises(CheckpointError, match=r"last.ckpt' could not be written: .* The previous one is unharmed"):
        fit.fit(tiny_gan("DCGAN"), tiny_data)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    assert read_checkpoint(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 2


def test_what_a_killed_run_left_half_written_is_removed(
    tiny_gan: Any, trainer: Any, tiny_data: Any, tmp_path: Path
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".last.ckpt.77").write_bytes(b"half")
    trainer(max_steps=1, callbacks=[LastCheckpoint()], enable_checkpointing=True).fit(tiny_gan("DCGAN"), tiny_data)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


def test_a_checkpoint_is_never_moved_from_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    monkeypatch.setattr(tempfile, "mkstemp", fail)
    AtomicCheckpointIO().save_checkpoint({"a": 1}, tmp_path / "new" / "x.ckpt")
    assert torch.load(tmp_path / "new" / "x.ckpt") == {"a": 1}
