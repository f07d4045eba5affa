"""What the README and the docs say holds: their files exist, their Python runs, their commands parse."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch import Trainer

from gan_lightning.base import AdversarialModule
from gan_lightning.commands.main import main
from gan_lightning.version import __version__

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = "\n".join([README, *(path.read_text() for path in PAGES)])
COMMANDS = [
    f"{found[1] or 'fit'} {found[2]}"
    for block in re.findall(r"```bash\n(.*?)```", TEXTS, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if "mypkg" not in line  # those run in test_own.py
    if (found := re.search(r"(?:gan[-_]lightning (fit|test|validate|predict)|train\.sbatch) (.*)", line))
]


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?:benchmarks|configs|docs|notebooks|scripts)/[\w./-]+\w", TEXTS)))
)
def test_files_that_the_readme_names_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme_parse(command: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])
    with pytest.raises(SystemExit) as caught:
        main([*shlex.split(command), "--print_config"])
    assert caught.value.code == 0
    assert "class_path" in capsys.readouterr().out


def test_python_of_the_readme_runs(
    tiny_gan: Callable[..., AdversarialModule], trainer: Callable[..., Trainer], tiny_data: Any, tmp_path: Path
) -> None:
    fit = trainer(max_steps=1)
    fit.fit(tiny_gan("DCGAN"), tiny_data)
    fit.save_checkpoint(tmp_path / "best.ckpt")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block.replace("runs/<run>/checkpoints/best.ckpt", str(tmp_path / "best.ckpt")), names)
    assert names["images"].shape == (64, 1, 8, 8)
    gan = names["SNLSGAN"](image_shape=(1, 8, 8), width=4)
    fit = trainer(max_steps=1)
    fit.fit(gan, tiny_data)
    fit.save_checkpoint(tmp_path / "own.ckpt")
    assert names["SNLSGAN"].load_from_checkpoint(tmp_path / "own.ckpt").sample(2).shape == (2, 1, 8, 8)


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == __version__


def test_hooks_before_a_commit_are_what_the_linters_are_called() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {hook["entry"].split()[0] for hook in repository["hooks"]} == {"ruff", "mypy"}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        other = page if not name else page.parent / name
        assert other.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in slugs, target
