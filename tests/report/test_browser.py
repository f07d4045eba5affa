"""The page as Chromium shows it: without errors, at any width, light and dark, and with a slider that moves."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_lightning.images import write_bytes
from gan_lightning.report import read_run, render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium.")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as tool:
        started = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def shown(browser: Any, run: Callable[..., Path], tmp_path: Path, cache_dir: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of some runs, and fails if it says anything to the console."""
    said: list[str] = []
    pages: list[Any] = []

    def show(scheme: str, size: str, *names: str) -> Any:
        runs = [read_run(run(name, findings=["collapse"])) for name in names]
        write_bytes(render(runs, "now", cache_dir).encode(), tmp_path / "page.html")
        width, height = SIZES[size]
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_function("document.querySelectorAll('.plot svg').length === page.panels.length")
        pages.append(page)
        return page

    yield show
    for page in pages:
        page.close()
    assert not said


@pytest.mark.parametrize("names", [("one",), ("one", "other")], ids=["one run", "two runs"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_screen_and_all_is_drawn(shown: Any, size: str, names: tuple[str, ...]) -> None:
    page = shown("light", size, *names)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".plot svg").count() == 3
    assert page.locator(".word").all_inner_texts() == ["Collapsed"] * len(names)


def test_the_slider_shows_earlier_samples(shown: Any) -> None:
    page = shown("light", "desktop", "one")
    grid, slider = page.locator("img[data-run]"), page.locator("#time")
    last = grid.get_attribute("src")
    assert page.locator("#step").inner_text() == "100"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#step").inner_text() == "50"
    assert page.locator(".shown").inner_text() == "after 50 updates"
    assert grid.get_attribute("src") != last
    assert page.evaluate("document.querySelector('img[data-run]').naturalWidth") == 18


def test_dark_and_light_are_readable(shown: Any) -> None:
    page = shown("light", "desktop", "one")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        label = "document.querySelector('.plot svg text')?.getAttribute('fill')"
        page.wait_for_function(f"{label} === colour('--quiet')")  # the curves are drawn anew
        text, ground = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert contrast(text, ground) >= 7, scheme  # WCAG 2.2, success criterion 1.4.6
        words = page.evaluate("getComputedStyle(document.querySelector('.word')).color")
        card = page.evaluate("getComputedStyle(document.querySelector('.verdict')).backgroundColor")
        assert contrast(words, card) >= 4.5, scheme
        page.evaluate(f"document.body.style.color = {label}")
        assert contrast(page.evaluate("getComputedStyle(document.body).color"), card) >= 4.5, scheme
        page.evaluate("document.body.style.color = ''")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, such as "rgb(0, 0, 0)" (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
