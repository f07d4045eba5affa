"""What the doctor finds in games made sick on purpose; of healthy ones it says nothing, and it changes none."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.callbacks import Doctor, LastCheckpoint, doctor
from gan_lightning.callbacks.doctor import DivergedError
from gan_lightning.callbacks.samples_check import SamplesCheck, of_classes, of_diversity, of_memory
from gan_lightning.losses import NonSaturatingLoss
from gan_lightning.networks import MLPDiscriminator, MLPGenerator

SHAPE = (1, 8, 8)
ZEROS = torch.zeros(100, dtype=torch.int64)


class CutOff(MLPGenerator):
    """Its first layers get no gradient."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = super().forward(self.first(latents).detach(), labels)
        return images

    def __init__(self) -> None:
        super().__init__(SHAPE, 4, (8,))
        self.first = nn.Linear(4, 4)


class Growing(MLPGenerator):
    """Has a layer whose turn has not come."""

    def __init__(self) -> None:
        super().__init__(SHAPE, 4, (8,))
        self.later = nn.Linear(4, 4)


class Late(MLPGenerator):
    """A layer acts through a weight that begins at 0."""

    def __init__(self) -> None:
        super().__init__(SHAPE, 4, (8,))
        self.branch = nn.Linear(4, 4)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = super().forward(latents + self.gain * self.branch(latents), labels)
        return images


class Deaf(MLPGenerator):
    """Ignores its latents, but for a trace."""

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images: Tensor = super().forward(1e-3 * latents, labels)
        return images


def build(generator: nn.Module | None = None, **options: Any) -> AdversarialModule:
    torch.manual_seed(0)
    network = generator or MLPGenerator(SHAPE, 4, (8,))
    return AdversarialModule(network, MLPDiscriminator(64, (8,)), NonSaturatingLoss(), latent_dim=4, **options)


@pytest.fixture
def examined(trainer: Any, tiny_data: Any) -> Callable[..., tuple[list[str], list[dict[str, Any]]]]:
    """Trains for some updates with a doctor, and returns its findings at the end and the lines of its file."""

    def examine(gan: AdversarialModule, steps: int = 4, **options: Any) -> tuple[list[str], list[dict[str, Any]]]:
        own = Doctor(**{"num_samples": 0, **options})
        fit = trainer(
            max_steps=steps, log_every_n_steps=1, callbacks=[own], limit_val_batches=1.0, val_check_interval=2
        )
        fit.fit(gan, tiny_data)
        file = Path(fit.default_root_dir) / "findings.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return list(own.findings), lines

    return examine


def test_of_each_gan_of_the_catalogue_no_layer_is_cut_off(gan_name: str, tiny_gan: Any, examined: Any) -> None:
    found, _ = examined(tiny_gan(gan_name), window=100)
    assert not [name for name in found if "cut off" in name]


@pytest.mark.filterwarnings("ignore:Doctor, step")
def test_a_layer_that_runs_without_gradient_is_named(examined: Any) -> None:
    found, lines = examined(build(CutOff()), window=100)
    assert "generator is cut off" in found
    (line,) = [line for line in lines if line["name"] == "generator is cut off"]
    assert line["step"] == 3
    assert "1 of the layers of the generator, though they run: first." in line["diagnosis"]


@pytest.mark.parametrize("generator", [Growing, Late])
@pytest.mark.filterwarnings("ignore:Doctor, step")
def test_a_layer_whose_turn_comes_later_is_not(generator: type[nn.Module], examined: Any) -> None:
    found, _ = examined(build(generator()), window=100)
    assert "generator is cut off" not in found


class Breaks(Callback):
    """Makes a weight not a number after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            with torch.no_grad():
                next(iter(pl_module.generator.parameters())).fill_(math.nan)


def test_a_run_whose_weights_are_not_finite_ends_and_its_last_checkpoint_can_be_used(
    trainer: Any, tiny_data: Any, tmp_path: Path
) -> None:
    callbacks = [Breaks(step=3), Doctor(num_samples=0), LastCheckpoint(every_n_steps=1)]
    fit = trainer(max_steps=9, log_every_n_steps=1, callbacks=callbacks, enable_checkpointing=True)
    message = r"diverged at step 4: .*train/d_loss is nan.*weights are not finite, first generator\..* go back to one"
    with pytest.raises(DivergedError, match=message):
        fit.fit(build(), tiny_data)
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert all(tensor.isfinite().all() for tensor in checkpoint["state_dict"].values())


def test_weights_that_are_not_finite_are_never_saved_with_one_warning(
    trainer: Any, tiny_data: Any, tmp_path: Path
) -> None:
    callbacks = [Breaks(step=3), LastCheckpoint(every_n_steps=1)]
    fit = trainer(max_steps=6, callbacks=callbacks, enable_checkpointing=True)
    with pytest.warns(UserWarning, match="Nothing is saved at step 4: weights are not finite") as caught:
        fit.fit(build(), tiny_data)
    assert sum("Nothing is saved" in str(warning.message) for warning in caught) == 1
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 3


def test_training_is_the_same_with_the_doctor_and_without(
    exact_gan: Any, trainer: Any, tiny_data: Any, identical: Any
) -> None:
    states = []
    for callbacks in ([], [Doctor(num_samples=8)]):
        gan = exact_gan("DCGAN")
        settings = {"limit_val_batches": 1.0, "val_check_interval": 1, "log_every_n_steps": 1}
        trainer(max_steps=3, callbacks=callbacks, **settings).fit(gan, tiny_data)
        states.append(gan.state_dict())
    assert identical(*states)


@pytest.mark.filterwarnings("ignore:Doctor, step")
def test_samples_that_are_alike_are_found_the_second_time(
    trainer: Any, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "EARLY", 0)
    seen = []

    class Watch(Callback):
        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            seen.append("collapse" in own.findings)

    free = MLPGenerator(SHAPE, 4, (64,))
    for weight in free.parameters():
        nn.init.normal_(weight, std=3)
    for generator in (Deaf(SHAPE, 4, (8,)), free):
        own = Doctor(num_samples=200)
        settings = {"limit_val_batches": 1.0, "val_check_interval": 1, "callbacks": [own, Watch()]}
        tiny_data.read = lambda split: (torch.randint(0, 256, (64, *SHAPE), dtype=torch.uint8), ZEROS[:64])
        trainer(max_steps=3, **settings).fit(build(generator, ema_decay=0.0), tiny_data)
    assert seen == [False, True, True, False, False, False]


def test_a_finding_is_written_once_and_when_it_is_gone(trainer: Any, tmp_path: Path) -> None:
    alerts: list[dict[str, str]] = []

    class Alerts(WandbLogger):
        def __init__(self) -> None: ...

        @property
        def experiment(self) -> Any:
            return self

        def alert(self, title: str, text: str) -> None:
            alerts.append({"title": title, "text": text})

    fit = trainer(max_steps=1)
    fit.loggers = [Alerts()]
    own = Doctor()
    finding = doctor.Finding("a name", "It is so.", "Do this.")
    with pytest.warns(UserWarning, match=r"Doctor, step 0: It is so\. Do this\.") as caught:
        for found in ([finding], [finding], [], [finding]):
            own._take(fit, "some", found)
    assert len(caught) == len(alerts) == 2
    assert alerts[0] == {"title": "a name", "text": "It is so. Do this."}
    lines = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    told = {"step": 0, "name": "a name", "diagnosis": "It is so.", "advice": "Do this."}
    assert lines == [told, {"name": "a name", "cleared_at": 0}, told]
    assert own.findings == {"a name": finding}


def test_tensorboard_gets_findings_as_texts(trainer: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit = trainer(max_steps=1)
    fit.loggers = [TensorBoardLogger(str(tmp_path), name="", version="")]
    with pytest.warns(UserWarning, match="Doctor, step 0"):
        Doctor()._take(fit, "some", [doctor.Finding("D wins", "It is so.", "Do this.")])
    fit.loggers[0].finalize("success")
    events = EventAccumulator(str(tmp_path)).Reload()
    (event,) = events.Tensors("doctor/D wins/text_summary")
    assert (event.step, event.tensor_proto.string_val[0]) == (0, b"It is so. Do this.")


def test_a_folder_that_cannot_be_written_to_costs_a_warning(trainer: Any, tmp_path: Path) -> None:
    (tmp_path / "findings.jsonl").mkdir()
    with pytest.warns(UserWarning, match="Findings are not kept"):
        Doctor()._take(trainer(max_steps=1), "some", [doctor.Finding("a", "b", "c")])


@pytest.mark.filterwarnings("ignore:Doctor, step")
def test_batch_norm_of_few_images_is_told(tiny_gan: Any, examined: Any) -> None:
    assert examined(tiny_gan("DCGAN"))[1][0]["name"] == "small batches"  # batches of 8
    assert "small batches" not in examined(tiny_gan("DCGAN", norm="none"))[0]


def test_samples_of_the_data_are_neither_alike_nor_copies_and_have_all_classes() -> None:
    real, fake, training = torch.randn(400, 16), torch.randn(100, 16), torch.randn(400, 16)
    labels = torch.arange(400) % 4
    assert [*of_diversity(real, fake, labels, labels[:100])] == []
    assert [*of_memory(training, real, fake)] == []
    assert [*of_classes(labels, labels[:100])] == []


def test_classes_whose_samples_are_alike_are_named() -> None:
    real, labels = torch.randn(400, 8), torch.arange(400) % 4
    fake = torch.where(labels[:200, None] == 2, 0.01, 1.0) * torch.randn(200, 8)
    (finding,) = of_diversity(real, fake, labels, labels[:200])
    assert finding.name == "collapse"
    assert "Samples of class 2 are alike: their distances from each other are 1% of those" in finding.diagnosis


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_copies_are_found_among_fresh_samples(share: float) -> None:
    training, unseen, fake = torch.randn(500, 16), torch.randn(500, 16), torch.randn(200, 16)
    fake[: int(200 * share)] = training[: int(200 * share)] + 1e-3
    (finding,) = of_memory(training, unseen, fake)
    assert finding.name == "memorisation"
    assert float(finding.diagnosis.partition("%")[0]) >= 100 * share - 1


def test_real_images_are_taken_once_and_of_a_sorted_split_at_random() -> None:
    samples = SamplesCheck(most=200)
    for _ in range(50):
        samples.see_training(torch.randn(50, 1, 8, 8))
    for level in torch.linspace(-1, 1, 1000).split(50):
        samples.see_validation(level.view(-1, 1, 1, 1) * torch.ones(1, 1, 8, 8), torch.zeros(50, dtype=torch.int64))
    assert sum(map(len, samples._training)) == 200
    levels = samples._drawn()[1][:, 0]
    assert len(levels) == len(levels.unique()) == 200
    assert levels.mean().item() == pytest.approx(0, abs=0.15) and levels.std().item() == pytest.approx(0.58, abs=0.1)


def test_points_have_no_copies() -> None:
    points = torch.randn(500, 2)
    assert [*of_memory(points, torch.randn(500, 2), points)] == []


def test_a_small_data_set_is_taken_for_one_pass(trainer: Any, tiny_data: Any) -> None:
    own = Doctor(num_samples=8)
    trainer(max_epochs=3, limit_val_batches=1.0, callbacks=[own]).fit(build(), tiny_data)
    assert sum(map(len, own._samples._training)) == 64
    assert len(own._samples._drawn()[0]) == 16


def test_findings_that_a_killed_run_left_open_are_closed(trainer: Any, tiny_data: Any, tmp_path: Path) -> None:
    lines = [{"name": "a", "step": 1}, {"name": "b", "step": 1}, {"name": "a", "cleared_at": 2}]
    file = tmp_path / "findings.jsonl"
    file.write_text("\n".join([*map(json.dumps, lines), '{"na']) + "\n")
    trainer(max_steps=1, callbacks=[Doctor()]).fit(build(), tiny_data)
    assert json.loads(file.read_text().splitlines()[4]) == {"name": "b", "cleared_at": 0}


def test_no_hook_is_left_when_a_step_fails(trainer: Any, tiny_data: Any) -> None:
    gan = build()
    gan.generator_terms = lambda move: 1 / 0  # type: ignore[assignment, method-assign]
    with pytest.raises(ZeroDivisionError):
        trainer(max_steps=1, log_every_n_steps=1, callbacks=[Doctor()]).fit(gan, tiny_data)
    assert not any(layer._forward_pre_hooks for layer in gan.modules())


def test_missing_classes_are_named() -> None:
    (finding,) = of_classes(torch.arange(1000) % 10, torch.arange(1000) % 8)
    assert finding.diagnosis.startswith("Of class 8, 9 there are hardly any samples")


@pytest.mark.parametrize("number", ["num_samples", "num_images", "window", "seed"])
def test_numbers_out_of_range_are_refused(number: str) -> None:
    with pytest.raises(ValueError, match="Doctor takes"):
        Doctor(**{number: -1})
