"""The page of each GAN is what the script makes of docstrings, configurations and results."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import gan_lightning

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gan_pages", ROOT / "scripts" / "make_gan_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_up_to_date(script: ModuleType) -> None:
    pages = script.pages()
    assert len(pages) == len(gan_lightning.__all__) + 1
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text() != text]
    assert stale == [], "run python scripts/make_gan_pages.py"


def test_a_page_tells_what_equation_class_recipe_and_result(script: ModuleType) -> None:
    text = script.page("dcgan", gan_lightning.DCGAN)
    for part in ("# DCGAN", "min_D", "Good for", "arXiv:1511.06434", "configs/model/dcgan.yaml", "`fid_mnist` "):
        assert part in text


def test_a_change_is_noticed(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(script.PAGES, tmp_path / "gans")
    monkeypatch.setattr(script, "PAGES", tmp_path / "gans")
    (tmp_path / "gans" / "gan.md").write_text("other")
    monkeypatch.setattr("sys.argv", ["make_gan_pages.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 1
