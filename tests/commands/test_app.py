"""``gan-lightning app``: what it offers and draws, and the page in Chromium, at a desktop's and a phone's width."""

import gc
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import Trainer
from PIL import Image

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.app import IN_TURN, LOCAL, Studio, app, build_page, enlarged, find_generators
from gan_lightning.pretrained import pretrained

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(autouse=True, scope="module")
def _leave_nothing_behind() -> Iterator[None]:
    """Gradio and Playwright leave loops and sockets to the garbage collector, which would warn in another test."""
    yield
    gc.collect()


@pytest.fixture
def run(tiny_gan: Callable[..., AdversarialModule], trainer: Callable[..., Trainer], tiny_data: Any) -> Any:
    """Leaves the checkpoint of a GAN in a run."""

    def leave(directory: Path, name: str) -> Path:
        fit = trainer(max_steps=1)
        fit.fit(tiny_gan(name), tiny_data)
        fit.save_checkpoint(directory / "checkpoints" / "last.ckpt")
        return directory

    return leave


def test_runs_come_before_the_generators_of_the_package(run: Any, tmp_path: Path) -> None:
    ours = list(pretrained())
    run(tmp_path / "runs" / "a", "CGAN")
    assert list(find_generators(str(tmp_path / "runs"))) == ["a last", *ours]
    assert list(find_generators(str(tmp_path / "runs" / "a"))) == ["a last", *ours]
    assert next(iter(find_generators(str(tmp_path / "runs" / "a" / "checkpoints" / "last.ckpt")))) == "last.ckpt"
    assert next(iter(find_generators("dcgan-faces"))) == "dcgan-faces"
    assert list(find_generators(None)) == ours
    with pytest.raises(FileNotFoundError, match="There is no checkpoint at"):
        find_generators(str(tmp_path / "nowhere"))


def test_it_draws_what_sample_does(tmp_path: Path) -> None:
    studio = Studio(find_generators(None), tmp_path, "cpu")
    gan = gan_lightning.load("acgan-mnist")
    for label, labels in ((IN_TURN, range(10)), ("7", [7])):
        drawn = np.asarray(Image.open(studio.grid("acgan-mnist", label, 3, 9, 0)))
        assert np.array_equal(drawn, enlarged(gan.sample(9, list(labels), 3))[0].numpy())
    assert studio.classes("acgan-mnist") == [IN_TURN, *map(str, range(10))]
    assert studio.classes("dcgan-mnist") == [IN_TURN]
    assert Path(studio.grid("dcgan-mnist", "7", 3, 9, 0.5)).exists()  # chosen for the one that stands beside
    with Image.open(studio.film("acgan-mnist", "7", 0, 4, 0)) as film:
        assert film.n_frames == 48  # type: ignore[attr-defined]


def test_a_port_that_is_taken_is_told() -> None:
    pytest.importorskip("gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"Port {port} is taken: choose another --port"):
            app(port=port, open_browser=False, device="cpu")


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ({"port": 70_000}, ValueError, "port must be from 1 to 65535, got 70000"),
        ({"port": 0}, ValueError, "port must be from 1 to 65535, got 0"),
        ({"host": "no such host"}, OSError, "There is no host 'no such host' here"),
    ],
)
def test_where_no_page_can_be_served_is_told_before_anything_is_loaded(
    place: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        app("nothing", open_browser=False, **place)


def test_an_emptied_seed_is_0(tmp_path: Path) -> None:
    studio = Studio({"one": str(pretrained()["dcgan-mnist"])}, tmp_path, "cpu")
    drawn = [Path(studio.grid("one", IN_TURN, seed, 4, 0)).read_bytes() for seed in (None, 0)]
    assert drawn[0] == drawn[1]


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ModuleNotFoundError, match=r"gan-lightning\[app\]"):
        app(open_browser=False, device="cpu")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is served."""
    pytest.importorskip("gradio")
    folder = tmp_path_factory.mktemp("pictures")
    page = build_page(Studio(find_generators(None), folder, "cpu"))
    _, address, _ = page.launch(prevent_thread_lock=True, allowed_paths=[str(folder)], **{**LOCAL, "quiet": True})
    yield address
    page.close()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium.")
def test_the_page_draws_compares_walks_and_asks_nobody_else(url: str, tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    said: list[str] = []
    with api.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, height in SIZES.values():
            page = browser.new_page(viewport={"width": width, "height": height})
            page.on("request", lambda request: said.append(request.url) if url[:16] not in request.url else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(url)
            page.wait_for_selector("img[src*='png']")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.get_by_label("Class").click()
        page.get_by_role("option", name="7").click()
        page.get_by_label("Beside it").click()
        page.get_by_role("option", name="dcgan-mnist").click()
        page.get_by_role("button", name="Draw").click()
        page.wait_for_function("document.querySelectorAll(\"img[src*='png']\").length === 2")
        page.get_by_role("tab", name="Walk").click()
        page.get_by_role("button", name="Walk through four seeds").click()
        page.wait_for_selector("img[src*='gif']")
        browser.close()
    assert not [word for word in said if not word.startswith(("data:", "blob:"))]
