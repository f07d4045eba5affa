"""Unrolled GAN: G's gradient by hand through D's steps, what is restored, and how the batch may be shared."""

import copy
import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from gan_lightning.base import AdversarialModule
from gan_lightning.engine import optimizers
from gan_lightning.engine.optimizers import SGD, Adam, RMSprop
from gan_lightning.game import Move, Terms
from gan_lightning.losses import WassersteinLoss
from gan_lightning.networks import spectral_normalize
from gan_lightning.stabilizers import R1, FeatureMatching, Unrolled, unrolled
from gan_lightning.stabilizers.unrolled import differentiable_step

Build = Callable[..., Any]
Loss = Callable[[Tensor], Tensor]
Step = Callable[[dict[str, Tensor], Sequence[Tensor], dict[str, Any]], dict[str, Tensor]]


class Watched:
    """What each of G's updates starts from, the moves that are looked at in it, and G's gradient.

    Attributes:
        updates: Of G: networks, D's optimizer as its ``state_dict``, moves, and whether D's buffers moved meanwhile.
        gradients: G's, at each of its steps.
    """

    def __init__(self, gan: AdversarialModule, part: Unrolled, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gan = gan
        self.updates: list[dict[str, Any]] = []
        self.gradients: list[list[Tensor]] = []
        around, move = part.around, gan.move

        @contextmanager
        def watched_around(player: Any, *arguments: Any) -> Iterator[None]:
            if player == "g":
                self.updates.append({**self.now(), "moves": [], "moved": False})
            with around(player, *arguments):
                yield

        def watched_move(player: Any, *arguments: Any, **options: Any) -> Move:
            result = move(player, *arguments, **options)
            if self.updates and len(self.updates) == gan.global_step + 1:
                buffers = zip(gan.discriminator.buffers(), self.updates[-1]["d"].buffers(), strict=True)
                self.updates[-1]["moved"] |= any((a != b).any() for a, b in buffers)
                self.updates[-1]["moves"].append(result)
            return result

        monkeypatch.setattr(part, "around", watched_around)
        monkeypatch.setattr(gan, "move", watched_move)
        outer = self

        class Gradients(Callback):
            def on_before_optimizer_step(self, trainer: Any, gan: Any, optimizer: Any) -> None:
                if optimizer is trainer.optimizers[0]:
                    outer.gradients.append([p.grad.clone() for p in gan.generator.parameters()])

        self.callback = Gradients()

    def now(self) -> dict[str, Any]:
        """Copies of the networks and of the state of D's optimizer."""
        optimizer = copy.deepcopy(self.gan.optimizers()[1].optimizer.state_dict())
        return {
            "g": copy.deepcopy(self.gan.generator),
            "d": copy.deepcopy(self.gan.discriminator),
            "optimizer": optimizer,
        }


def sgd(theta: dict[str, Tensor], gradients: Sequence[Tensor], state: dict[str, Any]) -> dict[str, Tensor]:
    """One step by the formula; ``state`` holds buffers by the name of the parameter, and the options."""
    options, moved = state["options"], {}
    for (name, p), g in zip(theta.items(), gradients, strict=True):
        if options["momentum"]:
            state[name] = {"momentum_buffer": options["momentum"] * state[name]["momentum_buffer"] + g}
        moved[name] = p - options["lr"] * (state[name]["momentum_buffer"] if options["momentum"] else g)
    return moved


def adam(theta: dict[str, Tensor], gradients: Sequence[Tensor], state: dict[str, Any]) -> dict[str, Tensor]:
    """One step by algorithm 1 of Kingma and Ba."""
    options, moved = state["options"], {}
    first, second = options["betas"]
    for (name, p), g in zip(theta.items(), gradients, strict=True):
        t = int(state[name]["step"]) + 1
        m = first * state[name]["exp_avg"] + (1 - first) * g
        v = second * state[name]["exp_avg_sq"] + (1 - second) * g**2
        state[name] = {"step": t, "exp_avg": m, "exp_avg_sq": v}
        moved[name] = p - options["lr"] * (m / (1 - first**t)) / (root(v / (1 - second**t)) + options["eps"])
    return moved


def rmsprop(theta: dict[str, Tensor], gradients: Sequence[Tensor], state: dict[str, Any]) -> dict[str, Tensor]:
    """One step by the formula."""
    options, moved = state["options"], {}
    for (name, p), g in zip(theta.items(), gradients, strict=True):
        v = options["alpha"] * state[name]["square_avg"] + (1 - options["alpha"]) * g**2
        state[name] = {"square_avg": v}
        moved[name] = p - options["lr"] * g / (root(v) + options["eps"])
    return moved


def root(x: Tensor) -> Tensor:
    """The square root, with a derivative of 0 at 0."""
    return torch.where(x > 0, torch.where(x > 0, x, 1.0).sqrt(), 0.0)


NON_SATURATING = (lambda real: softplus(-real), softplus, lambda fake: softplus(-fake))
WASSERSTEIN = (lambda real: -real, lambda fake: fake, lambda fake: -fake)
"""What D loses by a real and by a fake, and G by a fake."""


def logits(network: nn.Module, theta: dict[str, Tensor], images: Tensor) -> Tensor:
    return functional_call(network, theta, (images,)).logits


def by_hand(
    update: dict[str, Any],
    step: Step,
    steps: int,
    *,
    losses: tuple[Loss, Loss, Loss] = NON_SATURATING,
    accumulate: int = 1,
    norm: float | None = None,
    matching: float = 0.0,
    through: bool = True,
) -> list[Tensor]:
    """G's gradient against D after so many steps.

    Args:
        update: What it starts from, see :class:`Watched`.
        step: One of D's optimizer.
        steps: K.
        losses: The objectives.
        accumulate: Micro-batches.
        norm: Largest of D's gradient.
        matching: Weight of ‖E f(x) - E f(G(z))‖² in G's loss.
        through: Whether D's parameters are a function of G.
    """
    weights = {name: p.detach().requires_grad_() for name, p in update["g"].named_parameters()}
    theta = {name: p.detach().requires_grad_() for name, p in update["d"].named_parameters()}
    saved = update["optimizer"]
    state: dict[str, Any] = {name: saved["state"].get(k) for k, name in enumerate(theta)}
    state["options"] = saved["param_groups"][0]
    moves = list(update["moves"])
    assert [move.player for move in moves] == ["d"] * steps * accumulate + ["g"] * accumulate
    of_real, of_fake, of_generator = losses

    def fakes(move: Move) -> Tensor:
        return functional_call(update["g"], weights, (move.latents,))

    for _ in range(steps):
        loss = torch.zeros(())
        for move in [moves.pop(0) for _ in range(accumulate)]:
            real, fake = logits(update["d"], theta, move.real), logits(update["d"], theta, fakes(move))
            loss = loss + of_real(real).mean() + of_fake(fake).mean()
        gradients = torch.autograd.grad(loss / accumulate, list(theta.values()), create_graph=True)
        if norm is not None:
            length = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
            gradients = tuple(g * norm / (length + 1e-6) if length > norm else g for g in gradients)
        theta = step(theta, gradients, state)
    if not through:
        theta = {name: p.detach() for name, p in theta.items()}
    loss = torch.zeros(())
    for move in moves:
        real, fake = (functional_call(update["d"], theta, (images,)) for images in (move.real, fakes(move)))
        difference = real.heads["features"].mean(0) - fake.heads["features"].mean(0)
        loss = loss + of_generator(fake.logits).mean() + matching * difference.square().sum()
    return list(torch.autograd.grad(loss / accumulate, list(weights.values())))


def distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """The largest difference, in parts of the largest number."""
    largest = max(x.abs().max().item() for x in a)
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True)) / largest


OPTIMIZERS = {
    "sgd": (SGD(lr=0.5), sgd),
    "momentum": (SGD(lr=0.5, momentum=0.6), sgd),
    "schedule": (SGD(lr=0.5, lr_schedule="linear"), sgd),
    "adam": (Adam(lr=0.02), adam),
    "rmsprop": (RMSprop(lr=0.02), rmsprop),
}


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gs_gradient_is_that_through_ds_steps_by_hand(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, name: str, steps: int
) -> None:
    (optimizer, step), part = OPTIMIZERS[name], Unrolled(steps)
    gan = smooth_gan(stabilizers=[part], discriminator_optimizer=optimizer)
    watched = Watched(gan, part, monkeypatch)
    fit(gan, max_steps=2, callbacks=[watched.callback])
    assert len(watched.updates) == len(watched.gradients) == 2
    for update, gradient in zip(watched.updates, watched.gradients, strict=True):
        assert distance(by_hand(update, step, steps), gradient) < 1e-10
        assert distance(by_hand(update, step, steps, through=False), gradient) > 1e-3
        assert len({move.latents[0, 0].item() for move in update["moves"]}) == steps + 1  # fresh ones each time


@pytest.mark.parametrize(
    "options", [{"accumulate": 2}, {"n_critic": 3}, {"n_critic": 2, "reuse_latents": True}], ids=str
)
def test_gs_gradient_is_that_by_hand_with_micro_batches_and_several_updates_of_d(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    part = Unrolled(2)
    gan = smooth_gan(stabilizers=[part], discriminator_optimizer=Adam(lr=0.02), **options)
    watched = Watched(gan, part, monkeypatch)
    fit(gan, max_steps=2, callbacks=[watched.callback])
    for update, gradient in zip(watched.updates, watched.gradients, strict=True):
        assert distance(by_hand(update, adam, 2, accumulate=options.get("accumulate", 1)), gradient) < 1e-10


@pytest.mark.parametrize("norm", [1e-2, 1e3])
def test_clipping_of_ds_gradient_is_looked_ahead_too(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, norm: float
) -> None:
    part = Unrolled(2)
    gan = smooth_gan(stabilizers=[part], discriminator_optimizer=SGD(lr=20.0 if norm < 1 else 0.5, clip_norm=norm))
    watched = Watched(gan, part, monkeypatch)
    fit(gan, max_steps=1, callbacks=[watched.callback])
    (update,), (gradient,) = watched.updates, watched.gradients
    assert distance(by_hand(update, sgd, 2, norm=norm), gradient) < 1e-10
    assert (distance(by_hand(update, sgd, 2), gradient) > 1e-3) is (norm < 1)


def test_features_of_reals_are_those_of_the_d_that_g_changes(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Unrolled(2)
    gan = smooth_gan(stabilizers=[part, FeatureMatching(3.0)], discriminator_optimizer=SGD(lr=0.5))
    watched = Watched(gan, part, monkeypatch)
    fit(gan, max_steps=1, callbacks=[watched.callback])
    (update,), (gradient,) = watched.updates, watched.gradients
    assert distance(by_hand(update, sgd, 2, matching=3.0), gradient) < 1e-10
    assert distance(by_hand(update, sgd, 2), gradient) > 1e-2


@pytest.mark.parametrize("kind", ["spectral norm", "batch norm"])
@pytest.mark.parametrize("optimizer", [SGD(lr=0.5, momentum=0.6), Adam(), RMSprop()], ids=["sgd", "adam", "rmsprop"])
def test_d_its_buffers_and_its_optimizer_are_restored_bit_for_bit(
    smooth_gan: Build,
    smooth_discriminator: Build,
    fit: Build,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    optimizer: Any,
) -> None:
    is_spectral = kind == "spectral norm"
    network = (
        spectral_normalize(smooth_discriminator()) if is_spectral else smooth_discriminator(norm=nn.BatchNorm1d(5))
    )
    part = Unrolled(2)
    gan = smooth_gan(network, stabilizers=[part], discriminator_optimizer=optimizer)
    parameters = list(gan.discriminator.parameters())
    watched, ends = Watched(gan, part, monkeypatch), []
    monkeypatch.setattr(part, "after", lambda update: ends.append(watched.now()) if update.player == "g" else None)
    fit(gan, max_steps=2, callbacks=[watched.callback])
    assert len(watched.updates) == len(ends) == 2
    for start, end in zip(watched.updates, ends, strict=True):
        assert start["moved"]
        for (name, before), after in zip(start["d"].state_dict().items(), end["d"].state_dict().values(), strict=True):
            assert torch.equal(before, after), name
        assert end["optimizer"]["param_groups"] == start["optimizer"]["param_groups"]
        torch.testing.assert_close(end["optimizer"]["state"], start["optimizer"]["state"], rtol=0, atol=0)
        for before, after in zip(start["d"].parameters(), end["d"].parameters(), strict=True):
            torch.testing.assert_close(after.grad, before.grad, rtol=0, atol=0)
        assert not all(torch.equal(a, b) for a, b in zip(start["g"].parameters(), end["g"].parameters(), strict=True))
    assert all(p is q for p, q in zip(parameters, gan.discriminator.parameters(), strict=True))
    assert all(p.requires_grad and p.is_leaf for p in parameters)


def test_d_has_its_parameters_back_after_an_error(smooth_gan: Build, fit: Build) -> None:
    gan = smooth_gan(stabilizers=[Unrolled(1), FeatureMatching(head="none")])
    parameters = list(gan.discriminator.parameters())
    with pytest.raises(ValueError, match="D has no head 'none'"):
        fit(gan)
    assert all(p is q for p, q in zip(parameters, gan.discriminator.parameters(), strict=True))


def test_ds_own_updates_are_those_without_looking_ahead(smooth_gan: Build, fit: Build) -> None:
    def after_one_step(**options: Any) -> list[Tensor]:
        return list(fit(smooth_gan(**options), max_steps=1).discriminator.parameters())

    for a, b in zip(after_one_step(), after_one_step(stabilizers=[Unrolled(2)]), strict=True):
        assert torch.equal(a, b)


def test_lazy_terms_are_looked_ahead_when_they_will_be_due(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    penalty = R1(every=2)
    gan = smooth_gan(stabilizers=[penalty, Unrolled(3)], n_critic=2)
    updates: list[tuple[int, int]] = []
    original = penalty.terms

    def terms(move: Move) -> Terms:
        if move.player == "d":
            updates.append((gan.global_step, move.update))
        return original(move)

    monkeypatch.setattr(penalty, "terms", terms)
    fit(gan, max_steps=2)
    assert updates == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6)]


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_a_bias_that_a_wasserstein_loss_gives_no_gradient_does_no_harm(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (optimizer, step), part = OPTIMIZERS[name], Unrolled(2)
    gan = smooth_gan(stabilizers=[part], loss=WassersteinLoss(), discriminator_optimizer=optimizer)
    watched = Watched(gan, part, monkeypatch)
    fit(gan, max_steps=2, callbacks=[watched.callback])
    assert not gan.discriminator.last.bias.grad.any()
    for update, gradient in zip(watched.updates, watched.gradients, strict=True):
        assert all(g.isfinite().all() for g in gradient)
        assert distance(by_hand(update, step, 2, losses=WASSERSTEIN), gradient) < 1e-10


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_units_that_are_dead_have_gradients_of_0_and_do_no_harm(
    smooth_gan: Build, smooth_discriminator: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    network = smooth_discriminator(norm=nn.ReLU())
    network.hidden[1].bias.data[:2] = -100.0
    (optimizer, step), part = OPTIMIZERS[name], Unrolled(2)
    gan = smooth_gan(network, stabilizers=[part], discriminator_optimizer=optimizer)
    watched = Watched(gan, part, monkeypatch)
    fit(gan, max_steps=2, callbacks=[watched.callback])
    assert gan.discriminator.hidden[1].weight.grad.any(1).tolist() == [False, False, True, True, True]
    for update, gradient in zip(watched.updates, watched.gradients, strict=True):
        assert all(g.isfinite().all() for g in gradient)
        assert distance(by_hand(update, step, 2), gradient) < 1e-10


@pytest.mark.parametrize("options", [{"accumulate": 2}, {"processes": 2}, {"accumulate": 2, "processes": 2}], ids=str)
@pytest.mark.parametrize("optimizer", [SGD(lr=0.5, clip_norm=0.1), Adam(lr=0.02)], ids=["sgd", "adam"])
def test_a_shared_batch_gives_what_the_whole_gives(
    smooth_gan: Build, fit: Build, options: dict[str, int], optimizer: Any
) -> None:
    def trained(accumulate: int = 1, processes: int = 1) -> list[Tensor]:
        parts = [R1(1.0), Unrolled(2)]
        gan = smooth_gan(stabilizers=parts, discriminator_optimizer=optimizer, accumulate=accumulate)
        return [p.detach() for p in fit(gan, max_steps=3, processes=processes).parameters()]

    start = list(smooth_gan().parameters())
    whole, shared = trained(), trained(**options)
    assert distance(whole, shared) < 1e-10
    assert distance(whole, start) > 1e-2


def test_an_optimizer_without_differentiable_steps_is_an_error_that_names_it(smooth_gan: Build, fit: Build) -> None:
    gan = smooth_gan(stabilizers=[Unrolled(1)], discriminator_optimizer=optimizers.Adafactor())
    with pytest.raises(
        ValueError, match="Unrolled needs an optimizer of D with differentiable steps, such as Adam, got"
    ):
        fit(gan)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_an_illegal_number_of_steps_is_an_error_that_names_it(steps: Any) -> None:
    with pytest.raises(ValueError, match=f"steps must be an integer, at least 1, got {steps}"):
        Unrolled(steps)


def test_what_was_looked_ahead_is_freed(smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def step(optimizer: Any, parameters: Any, gradients: Any, state: Any) -> Any:
        result = differentiable_step(optimizer, parameters, gradients, state)
        seen.extend(weakref.ref(tensor) for tensor in [*gradients.values(), *result[0].values()])
        return result

    monkeypatch.setattr(unrolled, "differentiable_step", step)
    fit(smooth_gan(stabilizers=[Unrolled(2)]), max_steps=2)
    gc.collect()
    assert len(seen) == 2 * 2 * 8
    assert not any(reference() is not None for reference in seen)


DIFFERENTIABLE = {
    "SGD": {"momentum": 0.6, "nesterov": True, "weight_decay": 0.1},
    "Adam": {"amsgrad": True, "weight_decay": 0.1},
    "AdamW": {},
    "RMSprop": {"momentum": 0.6},
    **{name: {} for name in optimizers.OTHERS if name != "Adafactor"},
}


@pytest.fixture(params=DIFFERENTIABLE)
def stepped(request: pytest.FixtureRequest, draw: Build) -> tuple[torch.optim.Optimizer, dict[str, Tensor]]:
    """An optimizer after two steps, and its parameters."""
    parameters = {"weight": nn.Parameter(draw(3, 2)), "bias": nn.Parameter(draw(2, seed=1))}
    described = getattr(optimizers, request.param)(**DIFFERENTIABLE[request.param])
    optimizer = described.make([{"params": list(parameters.values())}], 0.02, (0.5, 0.999), fused=True)
    for k in (2, 3):
        for parameter in parameters.values():
            parameter.grad = draw(*parameter.shape, seed=k)
        optimizer.step()
    return optimizer, parameters


def test_differentiable_steps_are_the_optimizers_own_which_stays_as_it_is(
    stepped: tuple[torch.optim.Optimizer, dict[str, Tensor]], draw: Build
) -> None:
    optimizer, parameters = stepped
    tolerance = 1e-9 if isinstance(optimizer, torch.optim.NAdam) else 1e-12  # it keeps a product in 32 bits
    before = copy.deepcopy(optimizer.state_dict())
    moved = {name: p.detach().requires_grad_() for name, p in parameters.items()}
    state = {name: optimizer.state[p] for name, p in parameters.items()}
    gradients = [{name: draw(*p.shape, seed=k) for name, p in parameters.items()} for k in (4, 5)]
    for each in gradients:
        moved, state = differentiable_step(optimizer, moved, each, state)
    torch.testing.assert_close(optimizer.state_dict()["state"], before["state"], rtol=0, atol=0)
    assert optimizer.state_dict()["param_groups"] == before["param_groups"]
    for each in gradients:
        for name, parameter in parameters.items():
            parameter.grad = each[name]
        optimizer.step()
    for name, parameter in parameters.items():
        torch.testing.assert_close(moved[name], parameter.detach(), rtol=tolerance, atol=1e-14)
        for key, value in optimizer.state[parameter].items():
            torch.testing.assert_close(state[name][key], value, rtol=1e-6, atol=1e-12, check_dtype=False)


def test_differentiable_steps_have_the_derivatives_of_their_formula(
    stepped: tuple[torch.optim.Optimizer, dict[str, Tensor]], draw: Build
) -> None:
    optimizer, parameters = stepped
    start = {name: p.detach().requires_grad_() for name, p in parameters.items()}

    def weight(first: Tensor, second: Tensor) -> Tensor:
        moved, state = start, {name: optimizer.state[p] for name, p in parameters.items()}
        for gradient in (first, second):
            moved, state = differentiable_step(optimizer, moved, {"weight": gradient, "bias": gradient[0]}, state)
        return moved["weight"]

    gradients = [draw(3, 2, seed=k).requires_grad_() for k in (4, 5)]
    assert torch.autograd.gradcheck(weight, gradients)
