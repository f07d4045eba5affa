import pytest
import torch
from torch import Tensor, nn

from gan_lightning.metrics import FeatureExtractor


class Scaled(FeatureExtractor):
    """The first pixel times a weight."""

    num_features = 1
    fid_name = "fid_scaled"
    preprocessing = "first pixel"
    weight = 2.0

    def build(self) -> nn.Module:
        linear = nn.Linear(1, 1, bias=False)
        nn.init.constant_(linear.weight, self.weight)
        return nn.Sequential(linear, nn.Dropout(0.5))

    def prepare(self, pixels: Tensor) -> Tensor:
        return pixels[:, :1, 0, 0].float()


class ScaledOtherwise(Scaled):
    weight = 3.0


PIXELS = torch.full((4, 1, 2, 2), 5, dtype=torch.uint8)


def test_first_use_loads_the_weights_and_construction_does_not():
    extractor = Scaled()
    assert extractor.network is None
    assert extractor(PIXELS).tolist() == [[10.0]] * 4
    assert extractor.network is extractor.load()


def test_train_keeps_evaluation_mode():
    extractor = Scaled()
    extractor.load()
    assert extractor.train() is extractor
    assert not any(module.training for module in extractor.modules())
    assert extractor(PIXELS).tolist() == [[10.0]] * 4  # dropout would show


def test_features_are_float32_without_gradient_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = Scaled()(PIXELS)
    assert features.dtype == torch.float32
    assert not features.requires_grad


def test_fingerprint_depends_on_the_weights_alone_within_a_class():
    assert Scaled().fingerprint == Scaled().fingerprint
    assert len(Scaled().fingerprint) == 8
    changed = Scaled()
    nn.init.constant_(changed.load()[0].weight, 4.0)
    assert len({Scaled().fingerprint, ScaledOtherwise().fingerprint, changed.fingerprint}) == 3


def test_float_images_are_refused_with_the_conversion_to_use():
    with pytest.raises(TypeError, match=r"uint8 pixels .* got torch.float32: .*images.to_uint8"):
        Scaled()(PIXELS.float())


@pytest.mark.parametrize("shape", [(28, 28), (2, 28, 28), (4, 2, 28, 28)])
def test_anything_but_grey_or_rgb_batches_is_refused(shape):
    with pytest.raises(ValueError, match="Expected images"):
        Scaled()(torch.zeros(shape, dtype=torch.uint8))
