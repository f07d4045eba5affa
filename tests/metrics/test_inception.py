import copy
import hashlib
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from gan_lightning.metrics import InceptionFeatures, inception
from gan_lightning.metrics.frechet import frechet, moments_of


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right form; the real one cannot be had offline."""
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("inception") / inception.WEIGHTS_NAME
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        module = sys.modules[FeatureExtractorInceptionV3.__module__]
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: None)
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        torch.manual_seed(0)
        torch.save(FeatureExtractorInceptionV3("inception-v3-compat", ["2048"]).state_dict(), path)
    return path


@pytest.fixture
def accept(random_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(inception, "WEIGHTS_SHA256_PREFIX", hashlib.sha256(random_weights.read_bytes()).hexdigest()[:8])
    return random_weights


def test_features_of_small_grey_and_rgb_images_agree_and_nothing_random_is_drawn(accept):
    before = torch.get_rng_state()
    extractor = InceptionFeatures(str(accept))
    pixels = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
    features = extractor(pixels)
    assert features.shape == (2, InceptionFeatures.num_features)
    assert features.dtype == torch.float32
    assert torch.equal(features, extractor(pixels.expand(-1, 3, -1, -1)))
    assert not any(module.training for module in extractor.train().modules())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
def test_a_faster_network_changes_no_distance(accept):
    """Weights that nobody trained, but with features of the size that trained ones have."""
    extractor = InceptionFeatures(str(accept))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "faster", lambda network: network)
        plain = extractor.load()
    random = torch.Generator().manual_seed(0)
    sides = torch.randint(0, 256, (2, 8, 3, 32, 32), dtype=torch.uint8, generator=random)
    sides[1] = sides[0].float().mul(0.98).to(torch.uint8)
    calibrate(plain, sides[0])
    fast = inception.faster(copy.deepcopy(plain))
    assert extractor.fingerprint == InceptionFeatures(str(accept)).fingerprint
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in fast.modules())
    with torch.no_grad():
        expected, found = ([network(extractor.prepare(side)) for side in sides] for network in (plain, fast))
    assert 0.1 < float(expected[0].mean()) < 10
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    distances = [float(frechet(*map(moments_of, features))) for features in (expected, found)]
    assert 10 < distances[0] < 500  # as of generators that learn
    assert distances[1] == pytest.approx(distances[0], rel=1e-5)  # no digit that is ever published


def calibrate(network: torch.nn.Module, pixels: torch.Tensor) -> None:
    """Give each batch norm the statistics of these images, layer after layer, and a usual scale."""
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    handles = [layer.register_forward_pre_hook(take_statistics) for layer in norms]
    with torch.no_grad():
        network(pixels)
    for handle in handles:
        handle.remove()


def take_statistics(layer: torch.nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
    variance, mean = torch.var_mean(inputs[0], (0, 2, 3))
    layer.running_var.copy_(variance)
    layer.running_mean.copy_(mean)


def test_weights_are_found_in_the_hub_folder(accept, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    hub = tmp_path / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    (hub / inception.WEIGHTS_NAME).symlink_to(accept)
    assert len(InceptionFeatures().fingerprint) == 8


def test_foreign_file_is_refused_before_it_is_unpickled(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"cposix\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR.")
    with pytest.raises(ValueError, match=r"is not torch-fidelity's Inception: its sha256 .* It was not opened"):
        InceptionFeatures(str(path)).load()
    assert not (tmp_path / "owned").exists()


def test_offline_error_names_the_file_its_place_and_the_alternative(tmp_path, monkeypatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    extractor = InceptionFeatures()  # costs nothing and cannot fail
    place = tmp_path / "hub" / "checkpoints" / inception.WEIGHTS_NAME
    with pytest.raises(FileNotFoundError, match=rf"not at {place} .*put it there.*MNISTFeatures"):
        extractor.load()


def test_missing_weights_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"weights_path: there is no .*nowhere\.pth"):
        InceptionFeatures(str(tmp_path / "nowhere.pth")).load()


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install torch-fidelity"):
        InceptionFeatures().load()
