"""Feature matching: a closed form, whose gradient reaches G alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_lightning.game import Verdict
from gan_lightning.stabilizers import FeatureMatching

Build = Callable[..., Any]


class LinearFeatures(nn.Module):
    """f(x) = W x."""

    def __init__(self, weight: Tensor, head: str = "features") -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.head = head

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        features = images.flatten(1) @ self.weight.T
        return Verdict(features.sum(1), {self.head: features, "other": images.flatten(1)})


def test_term_and_its_gradient_are_those_of_linear_features_and_a_linear_generator(
    make_move: Build, draw: Build
) -> None:
    real, weight, latents = draw(4, 1, 2, 3), draw(5, 6, seed=1), draw(4, 3, seed=2)
    matrix = draw(6, 3, seed=3).requires_grad_()
    fake = (latents @ matrix.T).view(4, 1, 2, 3)  # G(z) = A z
    value = FeatureMatching(0.7).generator_terms(make_move(LinearFeatures(weight), real, fake, player="g"))
    value["feature_matching"].backward()
    mean_real, mean_latent = real.flatten(1).sum(0) / 4, latents.sum(0) / 4
    difference = weight @ (mean_real - matrix.detach() @ mean_latent)
    assert value["feature_matching"].item() == pytest.approx(0.7 * sum(x**2 for x in difference.tolist()), rel=1e-12)
    torch.testing.assert_close(
        matrix.grad, -2 * 0.7 * torch.outer(weight.T @ difference, mean_latent), rtol=1e-12, atol=0
    )


def test_means_over_images_are_matched_not_images(make_move: Build, draw: Build) -> None:
    real = draw(4, 1, 2, 3)
    value = FeatureMatching().generator_terms(make_move(LinearFeatures(draw(5, 6)), real, real.flip(0), player="g"))
    assert value["feature_matching"].item() == pytest.approx(0, abs=1e-28)


def test_term_is_of_g_alone(make_move: Build, draw: Build) -> None:
    real, fake = draw(2, 4, 1, 2, 3)
    part, critic = FeatureMatching(), LinearFeatures(draw(5, 6))
    assert part.terms(make_move(critic, real, fake)) == {}
    assert list(part.terms(make_move(critic, real, fake, player="g"))) == ["feature_matching"]


def test_another_head_may_be_matched(make_move: Build, draw: Build) -> None:
    real, fake = draw(2, 4, 1, 2, 3)
    critic = LinearFeatures(draw(5, 6), head="deep")
    value = FeatureMatching(head="other").generator_terms(make_move(critic, real, fake, player="g"))
    expected = (real - fake).mean(0).square().sum()  # of pixels
    torch.testing.assert_close(value["feature_matching"], expected, rtol=1e-12, atol=0)


def test_in_training_gs_gradient_holds_the_term_and_d_gets_none(
    smooth_gan: Build, fit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients = {}
    for weight in (0.0, 10.0):
        gan = smooth_gan(stabilizers=[FeatureMatching(weight)])
        gan.generator.layers[2].weight.data *= 3  # mean features far from those of the reals
        players: list[str] = []

        def backward(loss: Tensor, gan: Any = gan, weight: float = weight, players: Any = players, **_: Any) -> None:
            gan.zero_grad()
            loss.backward()
            has = [any(p.grad is not None for p in n.parameters()) for n in (gan.generator, gan.discriminator)]
            players.append({(True, False): "g", (False, True): "d"}[(has[0], has[1])])
            if players[-1] == "g":
                gradients[weight] = [p.grad.clone() for p in gan.generator.parameters()]

        monkeypatch.setattr(gan, "manual_backward", backward)
        fit(gan, max_steps=1)
        assert players == ["d", "g"]
    shifts = [(a - b).abs().max().item() for a, b in zip(gradients[0.0], gradients[10.0], strict=True)]
    assert min(shifts) > 1e-6


@pytest.mark.parametrize(("heads", "listed"), [({}, "none"), ({"b": 0, "a": 0}, "a, b")])
def test_discriminator_without_the_head_is_an_error_that_lists_those_it_has(
    heads: dict[str, Any], listed: str, make_move: Build, draw: Build
) -> None:
    def critic(images: Tensor, labels: Tensor) -> Verdict:
        return Verdict(images.flatten(1).sum(1), dict.fromkeys(heads, images))

    with pytest.raises(ValueError) as error:
        FeatureMatching().generator_terms(make_move(critic, *draw(2, 4, 1, 2, 3), player="g"))
    assert str(error.value) == (
        f"FeatureMatching: D has no head 'features' (it has: {listed}). Let D return "
        "gan_lightning.game.Verdict(logits, {'features': ...})."
    )


def test_illegal_weight_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="weight must be finite and at least 0, got -1"):
        FeatureMatching(weight=-1)
