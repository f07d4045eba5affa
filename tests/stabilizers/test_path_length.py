"""Path length: closed form for a linear generator, Jacobians of others, and the moving average of the lengths."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.base import AdversarialModule
from gan_lightning.engine.draws import SharedDraws
from gan_lightning.game import Move, Terms, Update
from gan_lightning.stabilizers import PathLength

Build = Callable[..., Any]
SHAPE = (3, 2, 4)


def linear_move(matrix: Tensor, latents: Tensor, make_move: Build, **options: Any) -> Move:
    """Of G(z) = A z, with the labels asked for in ``options``."""

    def generate(latents: Tensor, labels: Tensor) -> Tensor:
        return (latents @ matrix.T).view(-1, *SHAPE)

    images = generate(latents, latents)
    options = {"latents": latents, "generate": generate, "player": "g", **options}
    move: Move = make_move(lambda images, labels: images.sum((1, 2, 3)), images, images, **options)
    return move


def lengths_of(matrix: Tensor, count: int) -> list[float]:
    """‖Aᵀy‖ / sqrt(H W), for the noise of fresh draws."""
    noise = SharedDraws().normal_like(torch.empty(count, *SHAPE, dtype=torch.float64)).flatten(1)
    return [sum(x**2 for x in (matrix.T @ y).tolist()) ** 0.5 / 8**0.5 for y in noise]


@pytest.mark.parametrize("mean_length", [0.0, 1.5])
def test_lengths_of_a_linear_generator_are_norms_of_its_transpose_times_noise_over_the_root_of_the_pixels(
    mean_length: float, make_move: Build, draw: Build
) -> None:
    matrix, part = draw(24, 5), PathLength(weight=0.7)
    part.mean_length.fill_(mean_length)
    value = part.generator_terms(linear_move(matrix, draw(6, 5, seed=1), make_move))
    expected = 0.7 * sum((length - mean_length) ** 2 for length in lengths_of(matrix, 6)) / 6
    assert list(value) == ["path_length"]
    assert value["path_length"].item() == pytest.approx(expected, rel=1e-12)


def test_gradient_of_a_linear_generator_is_that_of_the_closed_form(make_move: Build, draw: Build) -> None:
    matrix, part = draw(24, 5).requires_grad_(), PathLength(weight=0.7).double()
    part.mean_length.fill_(0.4)
    part.generator_terms(linear_move(matrix, draw(6, 5, seed=1), make_move))["path_length"].backward()
    noise = SharedDraws().normal_like(torch.empty(6, *SHAPE, dtype=torch.float64)).flatten(1) / 8**0.5
    expected = torch.zeros_like(matrix)
    for y in noise:  # d/dA (‖Aᵀy‖ - a)² = 2 (‖Aᵀy‖ - a) / ‖Aᵀy‖ y yᵀ A
        length = (matrix.detach().T @ y).norm()
        expected += 0.7 / 6 * 2 * (length - 0.4) / length * torch.outer(y, y) @ matrix.detach()
    torch.testing.assert_close(matrix.grad, expected, rtol=1e-12, atol=1e-15)


def test_labels_are_those_of_the_fakes_and_latents_of_the_caller_stay(make_move: Build, draw: Build) -> None:
    labels, seen = torch.tensor([2, 0]), []

    def generate(latents: Tensor, labels: Tensor) -> Tensor:
        seen.append((latents.detach().clone(), labels))
        return latents.view(2, 1, 2, 2) ** 2

    latents = draw(2, 4)
    images = torch.zeros(2, 1, 2, 2)
    move = make_move(lambda x, y: x, images, images, labels, player="g", latents=latents, generate=generate)
    PathLength().generator_terms(move)
    ((given, classes),) = seen
    assert torch.equal(given, latents)
    assert classes is labels
    assert not latents.requires_grad


def test_constant_generator_has_no_nan_gradient(make_move: Build, draw: Build) -> None:
    matrix = torch.zeros(24, 5, dtype=torch.float64, requires_grad=True)
    PathLength().generator_terms(linear_move(matrix, draw(6, 5), make_move))["path_length"].backward()
    assert matrix.grad is not None
    assert matrix.grad.isfinite().all()


def test_term_is_of_g_alone_and_due_each_so_many_of_its_updates(make_move: Build, draw: Build) -> None:
    matrix, latents = draw(24, 5), draw(6, 5, seed=1)

    def terms(**options: Any) -> Terms:
        return PathLength(weight=2.0, every=3).terms(linear_move(matrix, latents, make_move, **options))

    (once,) = PathLength(weight=2.0).generator_terms(linear_move(matrix, latents, make_move)).values()
    assert [list(terms(update=update)) for update in range(4)] == [["path_length"], [], [], ["path_length"]]
    torch.testing.assert_close(terms(update=3)["path_length"], 3 * once)
    assert terms(player="d") == {}


def test_average_moves_towards_the_mean_over_micro_batches_and_processes_in_gs_updates_alone(
    make_move: Build, draw: Build
) -> None:
    matrix, part = draw(24, 5), PathLength(decay=0.75).double()
    part.mean_length.fill_(4.0)

    def update(player: Any, mean: Callable[[Tensor], Tensor]) -> None:
        part.after(Update(player, nn.Linear(1, 1), 12, None, torch.zeros(6), mean))

    for latents in draw(2, 3, 5, seed=1):
        part.generator_terms(linear_move(matrix, latents, make_move))
    update("d", lambda x: x)
    assert part.mean_length.item() == 4.0
    update("g", lambda x: x + 0.5)  # as if others had longer ones
    expected = 0.75 * 4.0 + 0.25 * (sum(lengths_of(matrix, 3)) / 3 + 0.5)
    assert part.mean_length.item() == pytest.approx(expected, rel=1e-12)
    update("g", lambda x: x)  # without a term there are no lengths
    assert part.mean_length.item() == pytest.approx(expected, rel=1e-12)


def watch(gan: AdversarialModule, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Tensor, Tensor, Terms]]:
    """G, latents, noise and terms of each of its micro-batches."""
    seen: list[tuple[Any, Tensor, Tensor, Terms]] = []
    original, terms = gan.draws.normal_like, gan.terms
    noise: list[Tensor] = []

    def normal_like(images: Tensor) -> Tensor:
        noise.append(original(images))
        return noise[-1]

    def watched(move: Move) -> tuple[Terms, Terms, Terms]:
        noise.clear()
        result = terms(move)
        if move.player == "g" and result[1]:
            values = {name: value.item() for name, value in result[1].items()}
            seen.append((copy.deepcopy(gan.generator), move.latents, noise[-1], values))
        return result

    monkeypatch.setattr(gan.draws, "normal_like", normal_like)
    monkeypatch.setattr(gan, "terms", watched)
    return seen


@pytest.mark.parametrize("accumulate", [1, 2])
def test_in_training_lengths_are_those_of_explicit_jacobians_and_their_average_moves_once_an_update(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch, accumulate: int
) -> None:
    part = PathLength(weight=0.5, every=2, decay=0.9)
    gan = smooth_gan(stabilizers=[part], accumulate=accumulate, n_critic=2)
    seen = watch(gan, monkeypatch)
    fit(gan, max_steps=5)
    assert len(seen) == 3 * accumulate  # updates 0, 2 and 4
    average = 0.0
    for due in range(3):
        lengths: list[float] = []
        for generator, latents, noise, terms in seen[due * accumulate :][:accumulate]:
            assert len(latents) == 8 // accumulate
            jacobians = torch.func.vmap(torch.func.jacrev(lambda z, g=generator: g(z[None]).flatten()))(latents)
            own = [(j.T @ y.flatten()).norm().item() / 8 for j, y in zip(jacobians, noise, strict=True)]
            squares = [(length - average) ** 2 for length in own]
            assert terms["path_length"] == pytest.approx(2 * 0.5 * sum(squares) / len(squares), rel=1e-9)
            lengths += own
        average = 0.9 * average + 0.1 * sum(lengths) / 8
    assert part.mean_length.item() == pytest.approx(average, rel=1e-9)
    assert average > 0


def test_average_is_the_same_on_two_processes_and_in_the_checkpoint(smooth_gan: Build, fit: Build) -> None:
    one, two = (fit(smooth_gan(stabilizers=[PathLength(every=2)]), processes=n) for n in (1, 2))
    name = "stabilizers.0.mean_length"
    torch.testing.assert_close(two.state_dict()[name], one.state_dict()[name], rtol=1e-12, atol=0)
    assert one.state_dict()[name] > 0


def test_illegal_numbers_are_errors_that_name_them() -> None:
    with pytest.raises(ValueError, match="weight must be finite and at least 0, got -1"):
        PathLength(weight=-1)
    with pytest.raises(ValueError, match="every must be an integer, at least 1, got 0"):
        PathLength(every=0)
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got 1.0"):
        PathLength(decay=1.0)
