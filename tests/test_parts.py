"""Parts: described in plain values, and built again from classes that are imported."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gan_lightning import losses, networks, stabilizers
from gan_lightning.arguments import arguments_of
from gan_lightning.base import AdversarialModule
from gan_lightning.engine.optimizers import PlayerOptimizer
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss, HingeLoss, LeastSquaresLoss
from gan_lightning.networks import ConcatLabels, MLPDiscriminator
from gan_lightning.parts import Part, describe, find_class, is_named, name_of, names_of, plain
from gan_lightning.stabilizers import R1

BASES: list[type[Part]] = [AdversarialLoss, Stabilizer, PlayerOptimizer]
OWN = [getattr(package, name) for package in (losses, stabilizers) for name in package.__all__]
OWN += [kind for name in names_of(PlayerOptimizer) if (kind := find_class(PlayerOptimizer, name))]
BUILDABLE = [kind for kind in OWN if kind not in BASES]
NETWORKS = {
    "DCGANGenerator": {"image_shape": (1, 8, 8), "latent_dim": 3, "width": 2},
    "MLPDiscriminator": {"in_features": 4, "widths": (3, 2), "dropout_prob": 0.1},
}


class Outer(Part):
    """Keeps the argument of its base, too."""

    def __init__(self, part: Part, sizes: tuple[int, ...] = (1, 2), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part
        self.sizes = sizes


@pytest.mark.parametrize("kind", BUILDABLE, ids=lambda kind: kind.__name__)
def test_every_part_keeps_its_arguments_and_is_built_again(kind: type[Part]) -> None:
    part = kind()
    described = part.describe()
    assert described["class_path"] == kind.__name__
    assert described["init_args"].keys() == arguments_of(kind).keys()
    (base,) = [base for base in BASES if issubclass(kind, base)]
    again = base.rebuild(described)
    assert type(again) is kind
    assert again.describe() == described
    assert plain(described) == described  # plain values alone


@pytest.mark.parametrize(
    "name", [n for n in networks.__all__ if n[0].isupper() and n not in ("UpConv2d", "DownConv2d", "SelfAttention")]
)
def test_every_network_is_a_part(name: str) -> None:
    kind = getattr(networks, name)
    assert issubclass(kind, Part)
    side = 24 if name == "PatchDiscriminator" else 8
    shapes: dict[str, Any] = {"image_shape": (1, side, side), "in_features": 64, "num_classes": 3, "embedding_dim": 2}
    shapes |= {
        "network": MLPDiscriminator(64, (4,)),
        "layer": nn.Identity(),
        "out_features": 4,
        "heads": {"classes": 3},
    }
    shapes |= dict.fromkeys(["to_target", "to_source"], networks.UNetGenerator((1, 8, 8), 2))
    shapes |= dict.fromkeys(["of_targets", "of_sources"], networks.PatchDiscriminator((1, 8, 8), 2, 1))
    needed = {n: shapes[n] for n, p in arguments_of(kind).items() if p.default is p.empty}
    if name == "WithMinibatchLayer":
        needed["layer"] = networks.MinibatchDiscriminationLayer(4, kernels=4)
    described = kind(**needed).describe()
    again = Part.rebuild(described)
    assert type(again) is kind
    assert again.describe() == described
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in kind(**needed).state_dict().items()
    }


def test_parts_within_parts_are_described_and_built() -> None:
    network = ConcatLabels(MLPDiscriminator(9, (3,)), num_classes=2, embedding_dim=5)
    described = network.describe()
    assert described["init_args"]["network"]["class_path"] == "MLPDiscriminator"
    again = Part.rebuild(described)
    assert isinstance(again, ConcatLabels)
    assert again.network.in_features == 9


def test_a_part_stays_the_part_it_is() -> None:
    loss = HingeLoss()
    assert AdversarialLoss.rebuild(loss) is loss


def test_a_default_is_plain_data_with_the_whole_path() -> None:
    assert describe(R1, weight=2.0) == {
        "class_path": "gan_lightning.stabilizers.penalties.R1",
        "init_args": {"weight": 2.0},
    }
    assert Stabilizer.rebuild(describe(R1, weight=2.0)).describe() == R1(2.0).describe()


@pytest.mark.parametrize(
    ("description", "error", "message"),
    [
        ({"class_path": "R3"}, ValueError, "no AdversarialLoss 'R3' among the classes that are imported: .*HingeLoss"),
        ({"class_path": "R1"}, ValueError, "no AdversarialLoss 'R1'"),  # imported, but no loss
        ({"class_path": "os.system"}, ValueError, "no AdversarialLoss 'os.system'"),
        ({"class_path": "HingeLoss", "init_args": {"margin": 1}}, TypeError, "HingeLoss has no option 'margin'"),
        ({"class_path": "LeastSquaresLoss", "init_args": {"real_target": 0.0}}, ValueError, "got 0.0 and 0.0"),
        ("HingeLoss", TypeError, "Expected a AdversarialLoss or a description"),
        (None, TypeError, "got None"),
        (nn.Linear(1, 1), TypeError, "got Linear"),
    ],
)
def test_what_is_no_such_part_is_refused(description: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        AdversarialLoss.rebuild(description)


def test_names_of_this_package_are_bare_and_a_users_are_not() -> None:
    assert name_of(R1) == "R1"
    assert name_of(Outer) == f"{__name__}.Outer"
    assert find_class(Part, f"{__name__}.Outer") is Outer
    assert find_class(Part, "__main__.Outer") is Outer  # where it was defined may differ
    assert is_named(Outer, "Outer")


def test_a_users_class_never_stands_in_for_this_packages_nor_the_reverse() -> None:
    kind = type("LeastSquaresLoss", (HingeLoss,), {"__module__": "mine", "__qualname__": "LeastSquaresLoss"})
    assert find_class(AdversarialLoss, "LeastSquaresLoss") is LeastSquaresLoss
    assert find_class(AdversarialLoss, "mine.LeastSquaresLoss") is kind
    assert not is_named(LeastSquaresLoss, "mine.LeastSquaresLoss")
    with pytest.raises(ValueError, match=r"no AdversarialModule 'mine\.DCGAN'"):
        find_class(AdversarialModule, "mine.DCGAN")


def test_two_classes_of_a_user_with_one_name_are_ambiguous_and_a_class_made_again_is_not() -> None:
    def make(module: str) -> type[HingeLoss]:
        return type("Twice", (HingeLoss,), {"__module__": module, "__qualname__": "Twice"})

    first, again = make("notebook"), make("notebook")
    assert first is not again
    assert find_class(AdversarialLoss, "notebook.Twice") is again
    other = make("elsewhere")
    with pytest.raises(ValueError, match=r"Several classes are named '\w*\.?Twice': notebook\.Twice, elsewhere\.Twice"):
        find_class(AdversarialLoss, "__main__.Twice")
    assert find_class(AdversarialLoss, "elsewhere.Twice") is other


def test_numpy_scalars_become_numbers_and_the_rest_is_refused_by_name() -> None:
    value = plain({"a": np.float64(0.5), "b": (np.int64(2), [np.bool_(True)]), "c": None})
    assert value == {"a": 0.5, "b": (2, [True]), "c": None}
    assert [type(v) for v in (value["a"], value["b"][0], value["b"][1][0])] == [float, int, bool]
    with pytest.raises(TypeError, match=r"lr.x must be a plain value .* got tensor\(1.\) of type Tensor"):
        plain({"x": torch.tensor(1.0)}, "lr")
