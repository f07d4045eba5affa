"""Penalties of D: closed forms, finite differences, when a lazy one is due, and what is logged of it."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lightning import base
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Move, Stabilizer, Terms
from gan_lightning.stabilizers import DRAGAN, R1, R2, Drift, GradientPenalty

Build = Callable[..., Any]
SHAPE = (1, 3, 2)
GRADIENT_PENALTIES = [GradientPenalty, R1, R2, DRAGAN]
NAMES = {GradientPenalty: "gradient_penalty", R1: "r1", R2: "r2", DRAGAN: "dragan", Drift: "drift"}
of_gradients = pytest.mark.parametrize("penalty", GRADIENT_PENALTIES, ids=NAMES.get)
every_penalty = pytest.mark.parametrize("penalty", NAMES, ids=NAMES.get)
lazy_penalty = pytest.mark.parametrize("penalty", [R1, R2], ids=NAMES.get)


def term(part: Stabilizer, move: Move) -> Tensor:
    """The one term that a part adds to D's loss."""
    (value,) = part.discriminator_terms(move).values()
    return value


class LinearCritic(nn.Module):
    """D(x) = w . x + b, whose gradient is w at every image."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.as_tensor(weight))
        self.bias = nn.Parameter(torch.ones((), dtype=self.weight.dtype))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return images.flatten(1) @ self.weight + self.bias


class QuadraticCritic(nn.Module):
    """D(x) = ||x||^2 / 2, whose gradient is the image itself."""

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return images.flatten(1).square().sum(1) / 2


class SmoothCritic(nn.Module):
    """A conditional critic that is smooth everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, 5)
        self.classes = nn.Embedding(3, 5)
        self.output = nn.Linear(5, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.output(torch.tanh(self.hidden(images.flatten(1)) + self.classes(labels))).squeeze(1)


class SpyCritic(LinearCritic):
    """Remembers what it is asked to judge."""

    def __init__(self, size: int = 6) -> None:
        super().__init__(torch.ones(size, dtype=torch.float64))
        self.seen: list[tuple[Tensor, Tensor | None]] = []

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.seen.append((images.detach().clone(), labels))
        return super().forward(images)


@pytest.fixture
def pair(draw: Build) -> Tensor:
    """Reals and fakes."""
    images: Tensor = draw(2, 4, *SHAPE)
    return images


def weights() -> Tensor:
    return torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@lazy_penalty
def test_r1_and_r2_of_linear_critic_are_half_gamma_times_squared_norm(
    penalty: Any, make_move: Build, pair: Tensor
) -> None:
    value = term(penalty(weight=0.7), make_move(LinearCritic(weights()), *pair))
    torch.testing.assert_close(value, 0.7 / 2 * weights().square().sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("penalty", [GradientPenalty, DRAGAN], ids=NAMES.get)
def test_gradient_penalty_and_dragan_of_linear_critic_are_lambda_times_squared_distance_of_norm_from_one(
    penalty: Any, make_move: Build, pair: Tensor
) -> None:
    value = term(penalty(weight=3.0), make_move(LinearCritic(weights()), *pair))
    torch.testing.assert_close(value, 3 * (weights().norm() - 1) ** 2, rtol=1e-12, atol=0)


def test_drift_of_linear_critic_is_epsilon_times_mean_square_of_the_logits_of_reals(
    make_move: Build, pair: Tensor
) -> None:
    critic = LinearCritic(weights())
    value = term(Drift(weight=0.3), make_move(critic, *pair))
    value.backward()
    logits = [math.fsum(w * x for w, x in zip(weights(), image.flatten(), strict=True)) + 1 for image in pair[0]]
    assert value.item() == pytest.approx(0.3 * sum(logit**2 for logit in logits) / 4, rel=1e-12)
    assert critic.bias.grad.item() == pytest.approx(0.3 * 2 * sum(logits) / 4, rel=1e-12)


@pytest.mark.parametrize("penalty", [GradientPenalty, DRAGAN], ids=NAMES.get)
@pytest.mark.parametrize("norm", [0.5, 2.0])
def test_gradient_penalty_and_dragan_are_two_sided(penalty: Any, norm: float, make_move: Build, pair: Tensor) -> None:
    critic = LinearCritic(weights() / weights().norm() * norm)
    term(penalty(), make_move(critic, *pair)).backward()
    step = critic.weight.detach() @ -critic.weight.grad
    assert step.sign().item() == (1 if norm < 1 else -1)


@pytest.mark.parametrize(
    "part", [GradientPenalty(1.0), DRAGAN(1.0, perturbation=0.0)], ids=["gradient_penalty", "dragan"]
)
def test_squares_are_averaged_over_images_not_the_average_squared(
    part: Stabilizer, make_move: Build, pair: Tensor
) -> None:
    real = pair[0]
    value = term(part, make_move(QuadraticCritic(), real, real))  # every point is the image
    torch.testing.assert_close(value, (real.flatten(1).norm(dim=1) - 1).square().mean(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("penalty", "own"), [(R1, 0), (R2, 1), (Drift, 0)], ids=["r1", "r2", "drift"])
def test_r1_and_drift_see_the_reals_alone_and_r2_the_fakes_alone(
    penalty: Any, own: int, make_move: Build, pair: Tensor
) -> None:
    critic = SpyCritic()
    term(penalty(), make_move(critic, *pair))
    assert [images.equal(pair[own]) for images, _ in critic.seen] == [True]


@pytest.mark.parametrize(("penalty", "own"), [(R1, 0), (R2, 1)], ids=["r1", "r2"])
def test_r1_and_r2_average_squared_norms_over_images(penalty: Any, own: int, make_move: Build, pair: Tensor) -> None:
    value = term(penalty(weight=1.0), make_move(QuadraticCritic(), *pair))
    torch.testing.assert_close(value, pair[own].flatten(1).square().sum(1).mean() / 2, rtol=1e-12, atol=0)


def test_each_interpolate_lies_on_the_segment_of_its_own_pair(make_move: Build, draw: Build) -> None:
    real, fake = draw(2, 64, 2, 4, 4)
    critic = SpyCritic(32)
    term(GradientPenalty(), make_move(critic, real, fake))
    ((interpolates, _),) = critic.seen
    mix = ((interpolates - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(mix, mix[:, :1].expand_as(mix))  # one coefficient an image
    assert mix.min() >= 0
    assert mix.max() <= 1
    assert mix[:, 0].unique().numel() == 64
    assert mix.mean().item() == pytest.approx(0.5, abs=0.15)  # uniform: four standard errors


def test_dragan_judges_points_on_the_segment_from_an_image_to_its_perturbation_by_its_own_deviation(
    make_move: Build, draw: Build
) -> None:
    real, fake = draw(2, 64, 2, 3, 4)
    real = real * torch.linspace(0.1, 1.0, 64).view(-1, 1, 1, 1)  # deviations from 0.06 to 0.6
    critic = SpyCritic(24)
    term(DRAGAN(perturbation=0.7), make_move(critic, real, fake))
    ((points, _),) = critic.seen
    place = SharedDraws().uniform(64, 1).double()  # of the point on its segment
    means = real.flatten(1).sum(1) / 24
    deviations = ((real.flatten(1) - means[:, None]).square().sum(1) / 23).sqrt()
    end = (points - real).flatten(1) / place / (0.7 * deviations[:, None])  # u, if place and deviation are the image's
    assert end.min() >= 0
    assert end.max() <= 1
    assert end.unique().numel() == end.numel()
    assert end.mean().item() == pytest.approx(0.5, abs=0.03)  # uniform: four standard errors
    assert end.std().item() == pytest.approx(12**-0.5, abs=0.02)
    assert place.unique().numel() == 64


@pytest.mark.parametrize("options", [{"world_size": 2}, {"parts": 2}], ids=["processes", "micro-batches"])
@of_gradients
def test_penalty_of_a_batch_is_the_mean_of_those_of_its_shares(
    penalty: Any, options: dict[str, int], make_move: Build, pair: Tensor
) -> None:
    critic = SmoothCritic().double()
    labels = torch.tensor([0, 1, 1, 2])
    whole = term(penalty(), make_move(critic, *pair, labels))
    shares = []
    for number in (0, 1):
        own = slice(number, None, 2) if "world_size" in options else slice(2 * number, 2 * number + 2)
        draws = SharedDraws()
        draws.begin(**options, **{"rank" if "world_size" in options else "part": number})
        shares.append(term(penalty(), make_move(critic, *pair[:, own], labels[own], draws=draws)))
    torch.testing.assert_close(sum(shares) / 2, whole, rtol=1e-12, atol=0)
    assert shares[0] != shares[1]


@of_gradients
def test_flat_critic_has_a_finite_penalty_and_no_nan_gradient(penalty: Any, make_move: Build, pair: Tensor) -> None:
    critic = LinearCritic(torch.zeros(6, dtype=torch.float64))
    value = term(penalty(weight=10.0), make_move(critic, *pair))
    value.backward()
    assert value.item() == (10.0 if penalty in (GradientPenalty, DRAGAN) else 0.0)
    assert critic.weight.grad.isfinite().all()


@of_gradients
def test_dead_relu_critic_has_no_nan_gradient(penalty: Any, make_move: Build, pair: Tensor) -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0)).double()
    nn.init.constant_(critic[1].bias, -100.0)
    term(penalty(), make_move(lambda images, labels: critic(images), *pair)).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critic.parameters())
    assert critic[3].weight.grad is not None


@every_penalty
def test_parameter_gradients_equal_finite_differences(penalty: Any, make_move: Build, pair: Tensor) -> None:
    critic = SmoothCritic().double()
    labels = torch.tensor([0, 1, 1, 0])

    def value() -> Tensor:
        return term(penalty(), make_move(critic, *pair, labels))  # whose draws are the same each time

    value().backward()
    for name, parameter in critic.named_parameters():
        if name == "output.bias" and penalty is not Drift:
            assert parameter.grad is None or not parameter.grad.any()
            continue
        numeric = torch.empty_like(parameter)
        flat, step = parameter.detach().view(-1), 1e-5
        for k, old in enumerate(flat.tolist()):
            flat[k] = old + step
            above = value().item()
            flat[k] = old - step
            below = value().item()
            flat[k] = old
            numeric.view(-1)[k] = (above - below) / (2 * step)
        torch.testing.assert_close(parameter.grad, numeric, rtol=1e-6, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


@every_penalty
def test_labels_are_passed_through(penalty: Any, make_move: Build, pair: Tensor) -> None:
    critic, labels = SpyCritic(), torch.tensor([2, 0, 1, 1])
    term(penalty(), make_move(critic, *pair, labels))
    assert [seen is labels for _, seen in critic.seen] == [True]


@of_gradients
def test_no_gradient_reaches_the_critic_before_backward(penalty: Any, make_move: Build, pair: Tensor) -> None:
    critic = LinearCritic(weights())
    value = term(penalty(), make_move(critic, *pair))
    assert critic.weight.grad is None
    value.backward()
    assert critic.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("penalty", "depends"), [(R1, False), (R2, True), (GradientPenalty, True), (DRAGAN, False)])
def test_penalties_on_fakes_depend_on_g_where_d_is_looked_ahead(
    penalty: Any, depends: bool, make_move: Build, pair: Tensor
) -> None:
    producer = nn.Conv2d(1, 1, 1).double()
    critic = SmoothCritic().double()
    labels = torch.zeros(len(pair[0]), dtype=torch.int64)
    term(penalty(), make_move(critic, pair[0], producer(pair[1]), labels)).backward()
    assert (producer.weight.grad is not None) is depends


@every_penalty
def test_images_of_the_caller_stay_as_they_were(penalty: Any, make_move: Build, pair: Tensor) -> None:
    before = pair.clone()
    real, fake = pair
    term(penalty(), make_move(LinearCritic(weights()), real, fake)).backward()
    assert not real.requires_grad
    assert not fake.requires_grad
    assert pair.equal(before)


@every_penalty
def test_weight_is_a_factor(penalty: Any, make_move: Build, pair: Tensor) -> None:
    values = [term(penalty(weight=w), make_move(QuadraticCritic(), *pair)).item() for w in (0.0, 1.0, 2.5)]
    assert values == pytest.approx([0, values[1], 2.5 * values[1]])
    assert values[1] > 0


@every_penalty
@pytest.mark.parametrize("weight", [-0.1, float("-inf"), float("nan"), float("inf")])
def test_illegal_weight_is_an_error_that_names_it(penalty: Any, weight: float) -> None:
    with pytest.raises(ValueError, match=rf"weight must be finite and at least 0, got {weight}"):
        penalty(weight=weight)


@lazy_penalty
def test_weight_falls_along_half_a_cosine_to_its_final_value(penalty: Any, make_move: Build, pair: Tensor) -> None:
    part, critic = penalty(0.4, final_weight=0.1, anneal_steps=100), LinearCritic(torch.ones(6, dtype=torch.float64))
    weights = {step: term(part, make_move(critic, *pair, step=step)).item() / 3 for step in (0, 25, 50, 100, 1000)}
    quarter = 0.25 + 0.15 * math.sqrt(0.5)
    assert weights == pytest.approx({0: 0.4, 25: quarter, 50: 0.25, 100: 0.1, 1000: 0.1}, rel=1e-12)


@lazy_penalty
def test_illegal_annealing_is_an_error_that_names_it(penalty: Any) -> None:
    with pytest.raises(ValueError, match="final_weight must be finite and at least 0, got -1"):
        penalty(final_weight=-1)
    with pytest.raises(ValueError, match="anneal_steps must be an integer, at least 1, got 0"):
        penalty(anneal_steps=0)


@lazy_penalty
@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_illegal_period_is_an_error_that_names_it(penalty: Any, every: Any) -> None:
    with pytest.raises(ValueError, match=rf"every must be an integer, at least 1, got {every}"):
        penalty(every=every)


def test_illegal_perturbation_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"perturbation must be finite and at least 0, got -1"):
        DRAGAN(perturbation=-1)


@every_penalty
def test_names_are_the_keys_of_the_log_and_terms_are_of_d_alone(penalty: Any, make_move: Build, pair: Tensor) -> None:
    assert list(penalty().terms(make_move(QuadraticCritic(), *pair))) == [NAMES[penalty]]
    assert penalty().terms(make_move(QuadraticCritic(), *pair, player="g")) == {}


def test_defaults_are_the_papers() -> None:
    assert GradientPenalty().weight == R1().weight == R2().weight == DRAGAN().weight == 10.0
    assert DRAGAN().perturbation == 0.5
    assert Drift().weight == 1e-3


def test_those_that_take_the_gradient_of_each_image_say_so() -> None:
    assert [penalty for penalty in NAMES if penalty().per_image] == GRADIENT_PENALTIES


@lazy_penalty
@pytest.mark.parametrize("every", [1, 3])
def test_lazy_penalty_is_due_each_so_many_updates_and_weighs_as_much_more(
    penalty: Any, every: int, make_move: Build, pair: Tensor
) -> None:
    whole = term(penalty(2.0), make_move(QuadraticCritic(), *pair)).item()
    for update in range(8):
        terms = penalty(2.0, every=every).terms(make_move(QuadraticCritic(), *pair, update=update))
        expected = {NAMES[penalty]: every * whole} if update in range(0, 8, every) else {}
        assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected)


def watch_terms(gan: AdversarialModule, monkeypatch: pytest.MonkeyPatch) -> list[Terms]:
    """What stabilizers add to each loss of D, in the order of its updates and micro-batches."""
    added: list[Terms] = []
    original = gan.terms

    def terms(move: Move) -> tuple[Terms, Terms, Terms]:
        result = original(move)
        if move.player == "d":
            added.append({name: value.detach() for name, value in result[1].items()})
        return result

    monkeypatch.setattr(gan, "terms", terms)
    return added


@pytest.mark.parametrize("n_critic", [1, 2])
def test_lazy_penalties_are_in_ds_loss_on_every_kth_of_its_updates(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, n_critic: int
) -> None:
    gan = smooth_gan(stabilizers=[R1(every=3), R2(every=2)], n_critic=n_critic)
    added = watch_terms(gan, monkeypatch)
    fit(gan, max_steps=7)
    assert len(added) == 7 * n_critic
    for name, every in (("r1", 3), ("r2", 2)):
        assert [update for update, terms in enumerate(added) if name in terms] == list(range(0, 7 * n_critic, every))


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("n_critic", [1, 2])
def test_lazy_penalty_is_logged_at_the_next_logged_step_though_not_due_on_it(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, n_critic: int, accumulate: int
) -> None:
    gan = smooth_gan(stabilizers=[R1(every=5 * n_critic)], n_critic=n_critic, accumulate=accumulate)
    added = watch_terms(gan, monkeypatch)
    logged: dict[int, float] = {}

    def log_dict(values: Terms, **_: Any) -> None:
        if "train/d_r1" in values:
            logged[gan.global_step] = values["train/d_r1"].item()

    monkeypatch.setattr(gan, "log_dict", log_dict)
    fit(gan, max_steps=9, log_every_n_steps=3)  # due on steps 0 and 5, logged on 2, 5 and 8
    due = [added[k * n_critic * accumulate :][:accumulate] for k in (0, 5)]
    values = [sum(terms["r1"].item() for terms in micro_batches) / accumulate for micro_batches in due]
    assert logged == pytest.approx({2: values[0], 5: values[1]})
    assert values[0] != values[1]


def passes_of(gan: AdversarialModule) -> list[int]:
    """Counts the forward passes of D."""
    count = [0]
    gan.discriminator.register_forward_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    return count


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("parts", [[R1], [R2], [R1, R2], [R1, GradientPenalty, DRAGAN]], ids=str)
def test_penalties_share_ds_pass_and_train_as_those_with_a_pass_of_their_own(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, parts: list[Any], accumulate: int
) -> None:
    ends, passes = [], []
    for shares in (True, False):
        monkeypatch.setattr(base, "is_full_precision", lambda _, shares=shares: shares)
        gan = smooth_gan(stabilizers=[part() for part in parts], accumulate=accumulate)
        passes.append(passes_of(gan))
        fit(gan, max_steps=3)
        ends.append(gan.discriminator.state_dict())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-9, atol=1e-11)
    assert passes[1][0] - passes[0][0] == 3 * accumulate * len({R1, R2} & set(parts))


def test_lazy_penalties_share_when_they_are_due(smooth_gan: Build, fit: Build) -> None:
    gan = smooth_gan(stabilizers=[R1(every=2)])
    passes = passes_of(gan)
    fit(gan, max_steps=4)
    assert passes[0] == 4 * (2 + 1)


def test_penalties_of_16_bit_runs_have_a_pass_of_their_own_in_32_bits(smooth_gan: Build, fit: Build) -> None:
    gan = smooth_gan(stabilizers=[R1()]).float()
    seen: list[bool] = []
    gan.discriminator.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    fit(gan, max_steps=1, precision="bf16-mixed")
    assert seen == [True, True, False, True]
