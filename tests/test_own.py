"""docs/own.md: its Python is a module, its commands run, its YAML trains, its checkpoints load."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gan_lightning
from gan_lightning.commands.main import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "own.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("gan-lightning ")
]
TINY = [
    *("--data.batch_size=4", "--trainer.accelerator=cpu", "--trainer.max_steps=2", "--evaluation.num_samples=0"),
    *("--samples.num_images=4",),
]


@pytest.fixture
def mypkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The page's module, in the working directory, beside the configs."""
    (tmp_path / "mypkg.py").write_text("\n\n".join(block for block in PYTHON if "gan_lightning.load(" not in block))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield importlib.import_module("mypkg")
    sys.modules.pop("mypkg", None)


def test_the_page_has_a_block_and_a_command_for_each_kind() -> None:
    assert len(PYTHON) == 7
    assert len(COMMANDS) == 8


@pytest.mark.slow
def test_commands_run_one_after_the_other_and_the_checkpoint_loads(mypkg: ModuleType, capsys: Any) -> None:
    for number, (command, *options) in enumerate(COMMANDS):
        if command == "generate":
            main([command, *options])
            assert "Wrote 64 images of SNLSGAN" in capsys.readouterr().out
            continue
        name = [] if "--run_name" in options else [f"--run_name=n{number}"]
        steps = ["--trainer.max_steps=3"] if "last" in options else []
        main([command, *options, *TINY, *name, *steps])
        updates = 3 if steps else 2
        assert f"Trained for {updates} updates of G" in capsys.readouterr().out
    names: dict[str, Any] = {}
    (block,) = [block for block in PYTHON if "gan_lightning.load(" in block]
    exec(block, names)
    assert type(names["gan"]) is mypkg.SNLSGAN
    assert names["images"].shape == (16, 1, 28, 28)


def test_the_yaml_trains_and_loads(mypkg: ModuleType, tmp_path: Path) -> None:
    (yaml,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "own.yaml").write_text(yaml)
    main(["fit", "--config=configs/data/mnist_sample.yaml", "--config=own.yaml", "--run_name=y", *TINY])
    gan = gan_lightning.load("runs/y/checkpoints/last.ckpt")
    assert type(gan.loss) is mypkg.MarginLoss
    assert type(gan.discriminator.network) is mypkg.Critic
    assert [type(part).__name__ for part in gan.stabilizers] == ["FakeAnchor", "MinibatchDiscrimination"]
    assert float(gan.stabilizers[0].anchor) != 0


def test_the_gan_made_in_python_is_the_one_of_the_yaml(mypkg: ModuleType) -> None:
    assert mypkg.gan.hparams.keys() == {"generator", "discriminator", "loss", "stabilizers"}
    assert mypkg.gan.hparams["discriminator"] == {
        "class_path": "mypkg.Critic",
        "init_args": {"in_features": 784, "width": 32},
    }
