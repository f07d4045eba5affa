import pytest
import torch
from torch import nn

from gan_lightning.losses import R1, R2, GradientPenalty

SHAPE = (1, 3, 2)
PENALTIES = [GradientPenalty, R1, R2]
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: penalty.name)


class LinearCritic(nn.Module):
    """D(x) = w . x + b, whose gradient is w at every image."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.as_tensor(weight))
        self.bias = nn.Parameter(torch.ones((), dtype=self.weight.dtype))

    def forward(self, images, labels=None):
        return images.flatten(1) @ self.weight + self.bias


class QuadraticCritic(nn.Module):
    """D(x) = ||x||^2 / 2, whose gradient is the image itself."""

    def forward(self, images, labels=None):
        return images.flatten(1).square().sum(1) / 2


class SmoothCritic(nn.Module):
    """A conditional critic that is smooth everywhere."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 5)
        self.classes = nn.Embedding(3, 5)
        self.output = nn.Linear(5, 1)

    def forward(self, images, labels):
        return self.output(torch.tanh(self.hidden(images.flatten(1)) + self.classes(labels))).squeeze(1)


class SpyCritic(LinearCritic):
    """Remembers what it is asked to judge."""

    def __init__(self):
        super().__init__(torch.ones(6, dtype=torch.float64))
        self.seen = []

    def forward(self, images, labels=None):
        self.seen.append((images.detach().clone(), labels))
        return super().forward(images)


def draw(count=4, shape=SHAPE):
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.rand(2, count, *shape, generator=generator, dtype=torch.float64) - 1


def weights():
    return torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("penalty", [R1, R2], ids=["r1", "r2"])
def test_r1_and_r2_of_linear_critic_are_half_gamma_times_squared_norm(penalty):
    value = penalty(weight=0.7)(LinearCritic(weights()), *draw(), None)
    torch.testing.assert_close(value, 0.7 / 2 * weights().square().sum(), rtol=1e-12, atol=0)


def test_gradient_penalty_of_linear_critic_is_lambda_times_squared_distance_of_norm_from_one():
    value = GradientPenalty(weight=3.0)(LinearCritic(weights()), *draw(), None)
    torch.testing.assert_close(value, 3 * (weights().norm() - 1) ** 2, rtol=1e-12, atol=0)


@pytest.mark.parametrize("norm", [0.5, 2.0])
def test_gradient_penalty_is_two_sided(norm):
    critic = LinearCritic(weights() / weights().norm() * norm)
    GradientPenalty()(critic, *draw(), None).backward()
    step = critic.weight.detach() @ -critic.weight.grad
    assert step.sign().item() == (1 if norm < 1 else -1)


def test_gradient_penalty_averages_squares_over_images_not_the_square_of_the_average():
    real, _ = draw()
    value = GradientPenalty(weight=1.0)(QuadraticCritic(), real, real, None)  # every interpolate is the image
    torch.testing.assert_close(value, (real.flatten(1).norm(dim=1) - 1).square().mean(), rtol=1e-12, atol=0)


def test_r1_sees_the_reals_alone_and_r2_the_fakes_alone():
    real, fake = draw()
    half_mean_square = [images.flatten(1).square().sum(1).mean() / 2 for images in (real, fake)]
    for penalty, own in zip((R1(1.0), R2(1.0)), half_mean_square, strict=True):
        torch.testing.assert_close(penalty(QuadraticCritic(), real, fake, None), own, rtol=1e-12, atol=0)
    for penalty, own in ((R1(), real), (R2(), fake)):
        critic = SpyCritic()
        penalty(critic, real, fake, None)
        assert [images.equal(own) for images, _ in critic.seen] == [True]


def test_each_interpolate_lies_on_the_segment_of_its_own_pair():
    real, fake = draw(count=64, shape=(2, 4, 4))
    critic = SpyCritic()
    critic.weight = nn.Parameter(torch.ones(32, dtype=torch.float64))
    torch.manual_seed(0)
    GradientPenalty()(critic, real, fake, None)
    ((interpolates, _),) = critic.seen
    mix = ((interpolates - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(mix, mix[:, :1].expand_as(mix))  # one coefficient an image
    assert mix.min() >= 0
    assert mix.max() <= 1
    assert mix[:, 0].unique().numel() == 64
    assert mix.mean().item() == pytest.approx(0.5, abs=0.15)  # uniform: five standard errors


@every_penalty
def test_flat_critic_has_a_finite_penalty_and_no_nan_gradient(penalty):
    critic = LinearCritic(torch.zeros(6, dtype=torch.float64))
    value = penalty(weight=10.0)(critic, *draw(), None)
    value.backward()
    assert value.item() == (10.0 if penalty is GradientPenalty else 0.0)
    assert critic.weight.grad.isfinite().all()


@every_penalty
def test_dead_relu_critic_has_no_nan_gradient(penalty):
    critic = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1), nn.Flatten(0)).double()
    nn.init.constant_(critic[1].bias, -100.0)
    penalty()(lambda images, labels: critic(images), *draw(), None).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in critic.parameters())


@every_penalty
def test_parameter_gradients_equal_finite_differences(penalty):
    torch.manual_seed(0)
    critic = SmoothCritic().double()
    real, fake = draw()
    labels = torch.tensor([0, 1, 1, 0])

    def value():
        torch.manual_seed(5)  # the same interpolates each time
        return penalty()(critic, real, fake, labels)

    value().backward()
    for name, parameter in critic.named_parameters():
        if name == "output.bias":
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
def test_labels_are_passed_through(penalty):
    critic, labels = SpyCritic(), torch.tensor([2, 0, 1, 1])
    penalty()(critic, *draw(), labels)
    assert [seen is labels for _, seen in critic.seen] == [True]


@every_penalty
def test_no_gradient_reaches_what_made_the_images_nor_the_critic_before_backward(penalty):
    producers = [nn.Conv2d(1, 1, 1).double() for _ in range(2)]
    images = [producer(x) for producer, x in zip(producers, draw(), strict=True)]
    critic = LinearCritic(weights())
    value = penalty()(critic, *images, None)
    assert critic.weight.grad is None
    value.backward()
    assert critic.weight.grad.abs().sum() > 0
    assert all(p.grad is None for producer in producers for p in producer.parameters())


@every_penalty
def test_images_of_the_caller_stay_as_they_were(penalty):
    real, fake = draw()
    before = real.clone(), fake.clone()
    penalty()(LinearCritic(weights()), real, fake, None).backward()
    assert not real.requires_grad
    assert not fake.requires_grad
    assert real.equal(before[0])
    assert fake.equal(before[1])


@every_penalty
def test_weight_is_a_factor(penalty):
    values = []
    for weight in (0.0, 1.0, 2.5):
        torch.manual_seed(0)
        values.append(penalty(weight=weight)(QuadraticCritic(), *draw(), None).item())
    assert values == pytest.approx([0, values[1], 2.5 * values[1]])


@every_penalty
@pytest.mark.parametrize("weight", [-0.1, float("-inf"), float("nan"), float("inf")])
def test_illegal_weight_is_an_error_that_names_it(penalty, weight):
    with pytest.raises(ValueError, match=rf"{penalty.__name__}: weight must be .* got {weight}"):
        penalty(weight=weight)


def test_names_are_the_keys_of_the_log():
    assert [penalty.name for penalty in PENALTIES] == ["gradient_penalty", "r1", "r2"]


def test_defaults_are_the_papers():
    assert GradientPenalty().weight == 10.0
    assert R1().weight == R2().weight == 10.0
