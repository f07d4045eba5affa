"""Pix2Pix and CycleGAN: their losses by hand, exact resumption, one process as two, checkpoints, samples, grids."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import gan_lightning
from datamodules.base import Split
from datamodules.pairs import PairDataset, TranslationDataModule
from datamodules.pixels import PixelDataset
from gan_lightning import CycleGAN, Pix2Pix
from gan_lightning.engine.strategies import GANDDPStrategy
from gan_lightning.images import to_float, to_uint8
from gan_lightning.stabilizers import R1
from gan_lightning.translation import TranslationModule

BuildTrainer = Callable[..., Trainer]
SHAPE = (3, 24, 24)


class Squares(TranslationDataModule):
    """Squares of colours, to be translated to their negatives."""

    name = "squares"
    version = "1"
    is_aligned = True

    def __init__(self, batch_size: int = 4, num_workers: int = 0) -> None:
        super(TranslationDataModule, self).__init__(SHAPE, 0, batch_size, eval_batch_size=4, num_workers=num_workers)

    def prepare_data(self) -> None:
        pass

    def read(self, split: Split) -> tuple[Tensor, Tensor]:
        dataset = self.make_dataset(split)
        return dataset.pixels, dataset.labels

    def make_dataset(self, split: Split) -> PairDataset:
        count = {"train": 16, "val": 6, "test": 5}[split]
        colours = torch.randint(0, 256, (count, 3, 4, 4), generator=torch.Generator().manual_seed(count)).byte()
        sources = colours.repeat_interleave(6, 2).repeat_interleave(6, 3)
        zeros = torch.zeros(count, dtype=torch.int64)
        return PairDataset(PixelDataset(255 - sources, zeros), PixelDataset(sources, zeros))

    def may_be_empty(self, split: Split) -> bool:
        return False


def build(name: str, **options: Any) -> TranslationModule:
    torch.manual_seed(3)
    own: dict[str, Any] = {"width": 2, "image_shape": SHAPE}
    own |= {"blocks": 1, "pool_size": 6} if name == "CycleGAN" else {"dropout_prob": 0.0}
    gan: TranslationModule = getattr(gan_lightning, name)(**own, **options)
    return gan


def batch_of(count: int = 4) -> tuple[Tensor, Tensor]:
    targets, sources = torch.rand(2, count, *SHAPE) * 2 - 1
    return targets, sources


class SaveAtEnd(Callback):
    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_end(self, trainer: Trainer, *_: Any) -> None:
        trainer.save_checkpoint(self.path)


every_translator = pytest.mark.parametrize("name", gan_lightning.TRANSLATORS)


def terms_of(gan: TranslationModule, player: Any, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    gan._has_looked = True
    own, added, _ = gan.terms(gan.move(player, *gan.read(batch), 0, 0, through_generator=player == "g"))
    return {**own, **added}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that no trainer drives."""
    for name, value in {"global_step": 0, "global_rank": 0}.items():
        monkeypatch.setattr(TranslationModule, name, value, raising=False)
    monkeypatch.setattr(TranslationModule, "trainer", type("T", (), {"world_size": 1})(), raising=False)


@pytest.mark.usefixtures("alone")
def test_pix2pixs_losses() -> None:
    gan = build("Pix2Pix", pixel_weight=7.0)
    targets, sources = batch_of()
    fakes = gan.generator(None, sources)
    real, fake = (gan.discriminator(images, sources).logits for images in (targets, fakes))
    softplus = torch.nn.functional.softplus
    found = terms_of(gan, "d", (targets, sources))
    torch.testing.assert_close(found["adversarial"], softplus(-real).mean() + softplus(fake).mean())
    found = terms_of(gan, "g", (targets, sources))
    torch.testing.assert_close(found["adversarial"], softplus(-fake).mean())
    torch.testing.assert_close(found["pixels"], 7 * (fakes - targets).abs().mean())


@pytest.mark.usefixtures("alone")
def test_cyclegans_losses_are_the_papers_up_to_a_factor() -> None:
    gan = build("CycleGAN")
    y, x = batch_of()
    g, f = (lambda images, net=net: net(None, images) for net in (gan.generator.to_target, gan.generator.to_source))
    judges = gan.discriminator.of_sources, gan.discriminator.of_targets
    d_x, d_y = (lambda images, judge=judge: judge(images).logits for judge in judges)
    paper_d = sum(
        (judge(real) - 1).square().mean() + judge(fake).square().mean()
        for judge, real, fake in ((d_x, x, f(y)), (d_y, y, g(x)))
    )
    torch.testing.assert_close(4 * terms_of(gan, "d", (y, x))["adversarial"], paper_d)
    cycle = (f(g(x)) - x).abs().mean() + (g(f(y)) - y).abs().mean()
    identity = (g(y) - y).abs().mean() + (f(x) - x).abs().mean()
    paper_g = (d_y(g(x)) - 1).square().mean() + (d_x(f(y)) - 1).square().mean() + 10 * cycle + 0.5 * 10 * identity
    torch.testing.assert_close(4 * sum(terms_of(gan, "g", (y, x)).values()), paper_g)


@every_translator
def test_a_step_changes_both_players_and_every_weight(name: str, trainer: BuildTrainer) -> None:
    gan = build(name)
    before = {key: value.clone() for key, value in gan.named_parameters()}
    trainer(max_steps=2).fit(gan, Squares())
    still = [key for key, value in gan.named_parameters() if torch.equal(before[key], value)]
    assert still == []
    assert int(gan.images_seen) == 8


@every_translator
@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_is_one_that_was_never_stopped(
    name: str, workers: int, trainer: BuildTrainer, tmp_path: Path, identical: Callable[[Any, Any], bool]
) -> None:
    def run(steps: int, ckpt_path: Path | None = None) -> Trainer:
        seed_everything(5, verbose=False)
        fit = trainer(max_steps=steps)
        fit.fit(build(name, stabilizers=[R1(0.1)]), Squares(num_workers=workers), ckpt_path=ckpt_path)
        return fit

    run(3).save_checkpoint(tmp_path / "3.ckpt")
    whole, resumed = (fit.lightning_module.state_dict() for fit in (run(7), run(7, tmp_path / "3.ckpt")))
    assert identical(whole, resumed)


@every_translator
def test_two_processes_equal_one(name: str, trainer: BuildTrainer, tmp_path: Path) -> None:
    states = []
    for processes in (1, 2):
        seed_everything(5, verbose=False)
        strategy = GANDDPStrategy(start_method="fork") if processes > 1 else "auto"
        options = {"devices": processes, "strategy": strategy, "use_distributed_sampler": False}
        path = tmp_path / f"{processes}.ckpt"
        fit = trainer(max_steps=5, precision="64-true", callbacks=[SaveAtEnd(path)], **options)
        fit.fit(build(name), Squares(4 // processes))
        states.append(torch.load(path)["state_dict"])
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-6, atol=1e-9)


@every_translator
def test_load_finds_the_class_and_translates_the_same(name: str, trainer: BuildTrainer, tmp_path: Path) -> None:
    gan, fit = build(name), trainer(max_steps=2)
    fit.fit(gan, Squares())
    fit.save_checkpoint(tmp_path / "g.ckpt")
    loaded: Any = gan_lightning.load(tmp_path / "g.ckpt")
    _, sources = batch_of()
    assert type(loaded) is type(gan)
    assert torch.equal(loaded.translate(sources), gan.translate(sources))
    assert torch.equal(loaded.sample(4, labels=sources), gan.translate(sources))
    with pytest.raises(ValueError, match="translates images, and has none"):
        loaded.sample(2)


@every_translator
def test_samples_and_grids_are_of_held_out_images(name: str, trainer: BuildTrainer, tmp_path: Path) -> None:
    gan, data = build(name), Squares()
    fit = trainer(max_steps=1, default_root_dir=tmp_path)
    fit.fit(gan, data)
    samples = gan.sample(5, seed=1)
    held_out = gan.translate(data.dataset("val").sources.pixels)
    assert all(((held_out - sample).abs().amax((1, 2, 3)) < 1e-5).any() for sample in samples)
    images, columns = gan.grid(20, seed=0)
    assert (len(images), columns) == (12, 12)
    torch.testing.assert_close(images[1::3], gan.translate(images[::3]))
    if name == "Pix2Pix":
        torch.testing.assert_close(images[2::3], -images[::3], atol=1e-6, rtol=0)
    else:
        torch.testing.assert_close(images[2::3], gan.generator.to_source(None, images[1::3]))


@pytest.mark.parametrize("n", [1, 4, 6, 15])
def test_samples_are_of_each_held_out_source_as_often_as_of_any_other(trainer: BuildTrainer, n: int) -> None:
    gan, data = build("Pix2Pix"), Squares()
    trainer(max_steps=1).fit(gan, data)
    held_out = data.dataset("val").sources.pixels
    drawn = to_uint8(gan.sample_labels(n, None, torch.Generator().manual_seed(0)))
    counts = [int((drawn == source).flatten(1).all(1).sum()) for source in held_out]
    assert sum(counts) == n
    assert max(counts) - min(counts) <= 1


def test_predictions_are_translations(trainer: BuildTrainer) -> None:
    gan, data = build("Pix2Pix"), Squares()
    (predicted, rest) = trainer().predict(gan, data)
    torch.testing.assert_close(torch.cat([predicted, rest]), gan.translate(data.dataset("test").sources.pixels))


def test_pix2pix_logs_its_distance_to_held_out_targets(trainer: BuildTrainer) -> None:
    gan, data = build("Pix2Pix"), Squares()
    fit = trainer(limit_val_batches=1.0)
    fit.validate(gan, data, verbose=False)
    targets, sources = data.dataset("val")[list(range(6))]
    expected = (gan.translate(sources) - (targets.float() / 127.5 - 1)).abs().mean()
    torch.testing.assert_close(fit.callback_metrics["val/l1"], expected)


def test_pairs_are_learnt(trainer: BuildTrainer) -> None:
    gan, data = Pix2Pix(image_shape=SHAPE, width=8, dropout_prob=0.0, norm="none", lr=2e-3), Squares()
    trainer(max_steps=150).fit(gan, data)
    sources = data.dataset("val").sources.pixels.float() / 127.5 - 1
    assert (gan.translate(sources) + sources).abs().mean() < 0.3 * sources.abs().mean()


def test_a_batch_without_sources_is_explained(trainer: BuildTrainer, tiny_data: Any) -> None:
    with pytest.raises(TypeError, match=r"batches \(targets, sources\)"):
        trainer(max_steps=1).fit(Pix2Pix(image_shape=(1, 24, 24), width=2), tiny_data)


def loader(targets: Tensor, sources: Tensor) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(targets, sources), batch_size=4)


@every_translator
@pytest.mark.parametrize("wrong", [255.0, float("nan")])
def test_sources_out_of_range_are_refused(name: str, wrong: float, trainer: BuildTrainer) -> None:
    targets, sources = batch_of()
    with pytest.raises(ValueError, match=r"The sources must be in \[-1, 1\]"):
        trainer(max_steps=1).fit(build(name), loader(targets, (sources + 1) / 2 * wrong))
    with pytest.raises(ValueError, match=r"The sources must be in \[-1, 1\]"):
        build(name).translate((sources + 1) / 2 * wrong)


@every_translator
def test_sources_above_zero_are_doubted(name: str, trainer: BuildTrainer) -> None:
    targets, sources = batch_of()
    with pytest.warns(UserWarning, match="The sources of the first batch hold nothing below 0"):
        trainer(max_steps=1).fit(build(name), loader(targets, (sources + 1) / 2))


def test_targets_to_be_translated_back_are_checked() -> None:
    targets, _ = batch_of()
    gan: Any = build("CycleGAN")
    with pytest.raises(ValueError, match="The targets must be in"):
        gan.translate_back(targets * 100)
    assert torch.equal(gan.translate_back(to_uint8(targets)), gan.translate_back(to_float(to_uint8(targets))))


def test_pix2pix_refuses_data_without_pairs(trainer: BuildTrainer) -> None:
    data = Squares()
    data.is_aligned = False
    with pytest.raises(
        ValueError, match=r"Pix2Pix learns from pairs, but Squares .* PairedImageDataModule .* CycleGAN"
    ):
        trainer(max_steps=1).fit(build("Pix2Pix"), data)
    assert trainer().predict(build("Pix2Pix"), data)
    trainer(max_steps=1).fit(build("CycleGAN"), data)


def test_labels_that_are_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="labels must be"):
        build("CycleGAN").sample(2, labels=3)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Pix2Pix", {"pixel_weight": -1.0}, "pixel_weight"),
        ("CycleGAN", {"cycle_weight": -1.0}, "cycle_weight"),
        ("CycleGAN", {"identity_weight": float("nan")}, "identity_weight"),
    ],
)
def test_weights_must_make_sense(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, **options)


def test_the_papers_values() -> None:
    gan = CycleGAN()
    assert (gan.players.lr, gan.players.betas, len(gan.pool.images), gan.ema) == (2e-4, (0.5, 0.999), 50, None)
    assert Pix2Pix().pixel_weight == 100
