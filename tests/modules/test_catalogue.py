"""What every GAN of the catalogue must be: a new one joins by its name in ``gan_lightning.__all__``."""

import inspect
import math
import re
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from torch import nn

import gan_lightning
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import SGD, Adam
from gan_lightning.losses import HingeLoss

CONFIGS = Path(__file__).parents[2] / "configs" / "model"
ALL = [*gan_lightning.__all__, *gan_lightning.TRANSLATORS]
CATALOGUE = [getattr(gan_lightning, name) for name in gan_lightning.__all__]
CONDITIONAL = [gan for gan in CATALOGUE if "num_classes" in arguments_of(gan)]
UNCONDITIONAL = [gan for gan in CATALOGUE if gan not in CONDITIONAL]

every_gan = pytest.mark.parametrize("gan", CATALOGUE, ids=lambda gan: gan.__name__)
every_conditional_gan = pytest.mark.parametrize("gan", CONDITIONAL, ids=lambda gan: gan.__name__)
every_unconditional_gan = pytest.mark.parametrize("gan", UNCONDITIONAL, ids=lambda gan: gan.__name__)


def small(gan, size=28, channels=1, **overrides):
    torch.manual_seed(0)
    legal = arguments_of(gan)
    width = {"width": 4} if "width" in legal and legal["width"].default > 4 else {}
    return gan(**{"image_shape": (channels, size, size), **width, **overrides})


def defaults_of(gan):
    """The defaults of a constructor and of those that its **kwargs reach."""
    return {name: parameter.default for name, parameter in arguments_of(gan).items()}


def snake_case(name):
    """CGAN -> cgan, InfoGAN -> infogan, ConditionalDCGAN -> conditional_dcgan."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])(?!GAN)", "_", name).lower()


def test_catalogue_is_unique_and_of_adversarial_modules():
    assert len(set(gan_lightning.__all__)) == len(gan_lightning.__all__) == len(set(CATALOGUE))
    assert all(issubclass(gan, AdversarialModule) for gan in CATALOGUE)


def test_every_file_of_the_modules_folder_holds_one_gan_of_the_catalogue():
    folder = Path(inspect.getsourcefile(gan_lightning.modules)).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert files == {snake_case(name) for name in ALL}


def test_every_model_config_is_of_a_gan_of_the_catalogue():
    assert {path.stem for path in CONFIGS.iterdir()} == {snake_case(name) for name in ALL}


@every_gan
def test_class_has_at_most_40_lines(gan):
    assert len(inspect.getsource(gan).splitlines()) <= 40


@every_gan
def test_file_is_named_after_its_class(gan):
    assert Path(inspect.getsourcefile(gan)).name == f"{snake_case(gan.__name__)}.py"


@every_gan
def test_docstring_cites_a_paper_and_tells_every_argument(gan):
    text = inspect.getdoc(gan)
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", text.splitlines()[0])
    own = [name for name in inspect.signature(gan.__init__).parameters if name != "self"]
    assert [name for name in own if not re.search(rf"^    (\w+, )*{name}(, \w+)*: ", text, re.MULTILINE)] == []


@every_gan
def test_config_has_at_most_15_lines_and_names_the_class(gan):
    text = (CONFIGS / f"{snake_case(gan.__name__)}.yaml").read_text()
    assert len(text.splitlines()) <= 15
    assert yaml.safe_load(text)["model"]["class_path"] == gan.__name__


@every_gan
def test_config_shows_defaults_alone(gan):
    config = yaml.safe_load((CONFIGS / f"{snake_case(gan.__name__)}.yaml").read_text())
    chosen, defaults = config["model"]["init_args"], defaults_of(gan)
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
    assert told == {name: defaults[name] for name in chosen}


@every_gan
def test_defaults_are_mnist_with_a_moving_average_and_width_64(gan):
    defaults = defaults_of(gan)
    assert defaults["ema_decay"] == 0.999
    assert defaults.get("width", 64) == 64
    shape = inspect.signature(gan.__init__).parameters.get("image_shape")
    assert shape is None or shape.default == (1, 28, 28)


@every_gan
def test_optimizers_hold_exactly_the_parameters_of_their_player_with_its_numbers(gan):
    own, other = Adam((0.1, 0.2)), SGD(momentum=0.5, lr=2e-3)
    built = small(gan, lr=1e-3, generator_optimizer=own, discriminator_optimizer=other)
    (g, d), _ = built.configure_optimizers()
    for optimizer, player, lr, name in ((g, built.generator, 1e-3, "G"), (d, built.discriminator, 2e-3, "D")):
        (group,) = optimizer.param_groups
        assert {id(p) for p in group["params"]} == {id(p) for p in player.parameters()}
        assert (group["lr"], group["name"]) == (lr, name)
    assert (type(g), g.defaults["betas"]) == (torch.optim.Adam, (0.1, 0.2))
    assert (type(d), d.defaults["momentum"]) == (torch.optim.SGD, 0.5)


@every_gan
def test_constructor_takes_keyword_arguments_only(gan):
    kinds = {p.kind for name, p in inspect.signature(gan.__init__).parameters.items() if name != "self"}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    with pytest.raises(TypeError, match="positional argument"):
        gan((1, 28, 28))


@every_gan
def test_unknown_argument_is_an_error_that_names_it(gan):
    with pytest.raises(TypeError, match="'widht'"):
        small(gan, 8, widht=4)


@every_gan
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 1), (32, 3)])
def test_samples_have_the_shape_and_range_of_images(gan, size, channels):
    images = small(gan, size, channels).sample(3)
    assert images.shape == (3, channels, size, size)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert not images.requires_grad


@every_gan
def test_discriminator_gives_one_logit_an_image(gan):
    built = small(gan)
    for n in (4, 2):
        assert built.judge(torch.randn(n, 1, 28, 28), torch.zeros(n, dtype=torch.int64)).logits.shape == (n,)


@every_gan
def test_every_parameter_of_both_players_gets_a_gradient(gan, awaken, stages):
    built = small(gan, 8)
    awaken(built)
    labels = torch.arange(4) % max(built.num_classes, 1)
    for _ in stages(built):
        fake = built.generate(built.sample_latent(4), labels)
        verdict = built.judge(fake, labels)
        sum(output.square().sum() for output in [verdict.logits, *verdict.heads.values()]).backward()
    without = [name for name, p in built.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert without == []


@every_gan
def test_samples_are_a_function_of_the_seed(gan):
    built = small(gan, 8)
    images = built.sample(4, seed=5)
    torch.manual_seed(99)
    assert built.sample(4, seed=5).equal(images)
    assert not built.sample(4, seed=6).equal(images)
    assert len({image.sum().item() for image in images}) == 4


@every_gan
def test_seeded_samples_leave_the_global_randomness_and_the_mode_alone(gan):
    built = small(gan, 8)
    before = torch.get_rng_state()
    assert built.training
    built.sample(2, seed=0)
    assert torch.get_rng_state().equal(before)
    assert all(module.training for module in built.modules())


@every_gan
def test_unseeded_samples_follow_the_global_seed_and_change_from_call_to_call(gan):
    built = small(gan, 8)
    torch.manual_seed(1)
    first, second = built.sample(2), built.sample(2)
    torch.manual_seed(1)
    assert built.sample(2).equal(first)
    assert not second.equal(first)


@every_gan
def test_same_seed_builds_the_same_weights(gan):
    one, other = small(gan, 8).state_dict(), small(gan, 8).state_dict()
    assert one.keys() == other.keys()
    assert all(tensor.equal(other[name]) for name, tensor in one.items())


@every_conditional_gan
def test_conditional_samples_depend_on_the_label_and_repeat_in_turn(gan):
    built = small(gan, 8, num_classes=3)
    with torch.no_grad():
        for parameter in built.ema.parameters():  # some know the class by what begins at zero
            parameter.normal_()
    zeros, ones = built.sample(4, labels=0, seed=0), built.sample(4, labels=1, seed=0)
    assert not zeros.equal(ones)
    mixed = built.sample(4, labels=[0, 1], seed=0)
    torch.testing.assert_close(mixed[0::2], zeros[0::2])
    torch.testing.assert_close(mixed[1::2], ones[1::2])


@every_conditional_gan
@pytest.mark.parametrize("labels", [3, -1, [0, 3], [], torch.tensor([7]), 1.5, -0.5], ids=str)
def test_label_out_of_range_is_an_error_that_names_it_and_the_legal_ones(gan, labels):
    built = small(gan, 8, num_classes=3)
    with pytest.raises(ValueError, match=rf"{gan.__name__}, integers from 0 to 2, got {re.escape(str(labels))}"):
        built.sample(2, labels=labels)


@every_unconditional_gan
@pytest.mark.parametrize("labels", [0, [1, 2]], ids=str)
def test_label_for_an_unconditional_gan_is_an_error_that_names_it(gan, labels):
    with pytest.raises(ValueError, match=rf"{gan.__name__} is unconditional.*no labels, got {re.escape(str(labels))}"):
        small(gan, 8).sample(2, labels=labels)


NAN, INF = math.nan, math.inf


@every_gan
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_critic", 0),
        ("lr", 0),
        ("lr", NAN),
        ("prior", "x"),
        ("ema_decay", 1.0),
    ],
)
def test_illegal_number_is_an_error_that_names_class_argument_and_value(gan, name, value):
    with pytest.raises(ValueError, match=rf"{gan.__name__}: {name} must be .*got {re.escape(repr(value))}"):
        small(gan, 8, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_critic", -1),
        ("n_critic", 1.5),
        ("n_critic", NAN),
        ("lr", INF),
        ("ema_decay", -0.1),
        ("ema_decay", NAN),
        ("betas", (1.0, 0.9)),
        ("betas", (NAN, 0.9)),
        ("betas", (0.5, -0.1)),
    ],
)
def test_base_refuses_every_number_out_of_its_range(name, value):
    with pytest.raises(ValueError, match=rf"GAN: {name} must be .*got {re.escape(repr(value))}"):
        small(gan_lightning.GAN, 8, **{name: value})


def arguments_of_their_own(*names):
    """Each GAN with those of the arguments that stand in its own signature, which it must check itself."""
    return [
        pytest.param(gan, name, id=f"{gan.__name__}-{name}")
        for gan in CATALOGUE
        for name in names
        if name in inspect.signature(gan.__init__).parameters
    ]


@pytest.mark.parametrize(("gan", "name"), arguments_of_their_own("gradient_penalty_weight", "clip_value"))
@pytest.mark.parametrize("value", [-1.0, NAN, INF])
def test_illegal_weight_is_an_error_that_tells_the_value(gan, name, value):
    with pytest.raises(ValueError, match=f"got {value}"):
        small(gan, 8, **{name: value})


SIZES = ("latent_dim", "width", "max_width", "num_classes", "embedding_dim")


@pytest.mark.parametrize(("gan", "name"), arguments_of_their_own(*SIZES))
def test_size_of_zero_is_an_error_that_names_the_argument(gan, name):
    for value in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f"{name} must be an integer, at least 1, got {value}"):
            small(gan, 8, **{name: value})


@pytest.mark.parametrize("gan", [g for g in CATALOGUE if "norm" in arguments_of(g)], ids=lambda gan: gan.__name__)
def test_unknown_norm_is_an_error_that_names_the_legal_ones(gan):
    with pytest.raises(ValueError, match="norm must be one of batch, none, got 'layer'"):
        small(gan, 8, norm="layer")


@pytest.mark.parametrize(
    "gan", [g for g in CATALOGUE if "dropout_prob" in arguments_of(g)], ids=lambda gan: gan.__name__
)
@pytest.mark.parametrize("value", [1.0, 1.5, NAN])
def test_dropout_outside_zero_to_one_is_an_error_that_tells_the_value(gan, value):
    with pytest.raises(ValueError, match=f"got {value}"):
        small(gan, 8, dropout_prob=value)


def test_base_checks_the_latents_of_any_generator():
    with pytest.raises(ValueError, match="AdversarialModule: latent_dim must be an integer, at least 1, got 0"):
        AdversarialModule(nn.Identity(), nn.Identity(), HingeLoss(), latent_dim=0)


def test_prior_and_schedule_errors_name_the_legal_values():
    with pytest.raises(ValueError, match="prior must be one of normal, uniform, got 'x'"):
        small(gan_lightning.GAN, 8, prior="x")
    with pytest.raises(ValueError, match="one of constant, linear, cosine, got 'x'"):
        Adam(lr_schedule="x")


@pytest.mark.parametrize("gan", [g for g in CATALOGUE if "width" in arguments_of(g)], ids=lambda gan: gan.__name__)
@pytest.mark.parametrize(("height", "width"), [(28, 7), (7, 7)])
def test_image_size_that_a_convolutional_gan_cannot_make_is_an_error_that_names_it(gan, height, width):
    with pytest.raises(ValueError, match=f"cannot make {height}x{width} images"):
        small(gan, image_shape=(1, height, width))


def test_snake_case():
    names = ["GAN", "InfoGAN", "ConditionalDCGAN", "ProjectionCGAN", "WGANGP", "StyleGAN2"]
    snakes = ["gan", "infogan", "conditional_dcgan", "projection_cgan", "wgangp", "stylegan2"]
    assert [snake_case(name) for name in names] == snakes


@every_gan
def test_the_command_line_knows_every_option(gan):
    """jsonargparse finds those of **kwargs in the source, and silently misses them where it cannot read it."""
    parser = ArgumentParser()
    parser.add_class_arguments(gan, "model", sub_configs=True)
    known = {action.dest.split(".")[1] for action in parser._actions if action.dest.startswith("model.")}
    optional = {name for name, parameter in arguments_of(gan).items() if parameter.default is not parameter.empty}
    assert known >= optional >= {"n_critic", "accumulate", "ema_decay"}
