"""Generators as models of the Hugging Face Hub: what a folder holds, and what is said without a network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

import gan_lightning

hub = pytest.importorskip("gan_lightning.hub")


@pytest.mark.parametrize("name", ["dcgan-mnist", "acgan-mnist"])
def test_a_folder_gives_the_generator_back(name: str, tmp_path: Path) -> None:
    gan = gan_lightning.load(name)
    hub.HubGenerator(gan, {"data": "digits | of hands"}).save_pretrained(tmp_path)
    assert {"README.md", "model.safetensors", "samples.png"} <= {path.name for path in tmp_path.iterdir()}
    read = hub.HubGenerator.from_pretrained(tmp_path)
    torch.testing.assert_close(read.gan.sample(3, seed=1), gan.sample(3, seed=1), rtol=0, atol=0)
    assert read.card == {"data": "digits | of hands"}
    card = (tmp_path / "README.md").read_text()
    assert "library_name: gan_lightning" in card
    assert "| data | digits \\| of hands |" in card
    assert type(gan).__name__ in card


def test_a_run_gives_weights_and_card(
    tiny_gan: Any, tiny_data: Any, trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    fit: Trainer = trainer(max_steps=1)
    fit.fit(tiny_gan("DCGAN"), tiny_data)
    fit.save_checkpoint(run / "checkpoints" / "last.ckpt")
    (run / "config.yaml").write_text("seed_everything: 3\ndata: {api_token: s3cret}\n")
    (run / "metrics.csv").write_text("step,val/fid\n1,12.5\n2,99.0\n")
    (run / "sessions.jsonl").write_text('{"began": "today", "command": "gan-lightning fit"}\n')
    made = hub.HubGenerator.from_run(run, "last")
    assert made.card["val/fid"] == 12.5  # of the step of the checkpoint, not the last
    assert made.card["command"] == "gan-lightning fit"
    made.save_pretrained(tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| val/fid | 12.5 |" in card
    assert "seed_everything: 3" in card
    assert b"s3cret" not in b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())


def test_a_repository_is_uploaded_by_the_hubs_own_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads: list[set[str]] = []

    class Api:
        def __init__(self, **_: Any) -> None: ...

        def create_repo(self, **_: Any) -> Any:
            return type("Url", (), {"repo_id": "user/name"})

        def upload_folder(self, *, folder_path: Path, **_: Any) -> str:
            uploads.append({path.name for path in Path(folder_path).iterdir()})
            return "done"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    assert hub.HubGenerator(gan_lightning.load("dcgan-mnist")).push_to_hub("user/name") == "done"
    assert {"README.md", "model.safetensors", "samples.png"} <= uploads[0]


def test_a_repository_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan = gan_lightning.load("dcgan-mnist")
    hub.HubGenerator(gan).save_pretrained(tmp_path)
    for module in ("gan_lightning.hub", "huggingface_hub.hub_mixin"):
        monkeypatch.setattr(
            f"{module}.hf_hub_download", lambda repo_id, filename, **_: str(tmp_path / filename), raising=False
        )
    read = hub.HubGenerator.from_pretrained("user/name")
    torch.testing.assert_close(read.gan.sample(1, seed=0), gan.sample(1, seed=0), rtol=0, atol=0)


def test_a_hub_that_cannot_be_reached_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise hub.LocalEntryNotFoundError("No network.\nAnd more.")

    monkeypatch.setattr("huggingface_hub.hub_mixin.ModelHubMixin.from_pretrained", fail)
    with pytest.raises(ConnectionError, match=r"'user/name' is no folder, .*\(No network\.\).*Check the name"):
        hub.HubGenerator.from_pretrained("user/name")


def test_what_is_neither_a_folder_nor_a_name_of_the_hub_is_one_message() -> None:
    with pytest.raises(ConnectionError, match=r"'no such folder' is no folder, .*Check the name"):
        hub.HubGenerator.from_pretrained("no such folder")


def test_a_folder_without_a_generator_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        hub.HubGenerator.from_pretrained(tmp_path)
