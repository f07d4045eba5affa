import hashlib
import sys
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from gan_lightning.metrics import InceptionFeatures, inception


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
