"""A page to try generators on: ``gan-lightning app``."""

import itertools
import os
import socket
import tempfile
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.generate import device_of, import_class
from gan_lightning.commands.interpolate import to_gif
from gan_lightning.images import tile, to_uint8, write_bytes, write_pixels
from gan_lightning.pretrained import pretrained
from gan_lightning.translation import TranslationModule
from gan_lightning.walks import walk

IN_TURN = "each in turn"
NONE = "none"
LOADED = 4
"""Generators that are kept in memory."""
LEAST_SIDE = 480
"""Pixels of a picture's longer side, at least: small images are enlarged, pixel by pixel."""
LARGEST_PORT, LARGEST_SEED = 2**16 - 1, 2**53
"""The latter is exact in a browser."""
STEPS, FPS = 12, 12
"""Of a walk, from a seed to the next; and a second."""
MESSAGES = (ValueError, TypeError, OSError)
"""What the page says instead of failing."""


def app(
    places: str | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    model: str | None = None,
    device: str = "auto",
    open_browser: bool = True,
) -> None:
    """Try generators in the browser: seeds, classes, truncation, walks, and two of them side by side.

    Args:
        places: A checkpoint, a run, or a folder of runs; generators that come with the package are always there.
        port: Of the page; by default the first free one from 7860 on.
        host: Whom it answers: 127.0.0.1, this machine alone, or 0.0.0.0, everybody who reaches it.
        model: A class of your own, such as mypkg.MyGAN, which checkpoints need.
        device: "auto", or what PyTorch calls it: cpu, cuda, cuda:1, mps.
        open_browser: Whether to open the page.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the port is no number of one.
        OSError: If the port is taken, or there is no such host.
        ModuleNotFoundError: If Gradio is missing.
    """
    check_address(host, port)
    if model is not None:
        import_class(model)
    generators = find_generators(places)
    with tempfile.TemporaryDirectory() as folder:
        page = build_page(Studio(generators, Path(folder), device))
        try:
            page.launch(server_name=host, server_port=port, inbrowser=open_browser, allowed_paths=[folder], **LOCAL)
        except OSError as error:
            if "port" not in str(error):
                raise
            raise OSError(f"Port {port} is taken: choose another --port, or leave it out for a free one.") from error


def check_address(host: str, port: int | None) -> None:
    """Refuse what no page can be served at; see :func:`app`."""
    if port is not None and not 0 < port <= LARGEST_PORT:
        raise ValueError(f"port must be from 1 to {LARGEST_PORT}, got {port}.")
    try:
        socket.getaddrinfo(host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(f"There is no host '{host}' here ({error}): leave --host out, or set it to 0.0.0.0.") from error


LOCAL: dict[str, Any] = {"share": False, "quiet": False, "footer_links": []}
"""How every page is served."""


def find_generators(places: str | None) -> dict[str, str]:
    """What a page offers, a path for each name: the newest checkpoints first, then those of the package.

    Args:
        places: A checkpoint, a run, a folder of runs, or the name of a generator; None for those of the package.

    Raises:
        FileNotFoundError: If there is none.
    """
    ours = {name: str(path) for name, path in pretrained().items()}
    if places is None or places in ours:
        return {name: ours[name] for name in sorted(ours, key=lambda name: name != places)}
    root = Path(places)
    if root.is_file():
        return {root.name: str(root), **ours}
    found = [*root.glob("checkpoints/*.ckpt"), *root.glob("*/checkpoints/*.ckpt")]
    if not found:
        raise FileNotFoundError(
            f"There is no checkpoint at '{places}': give a file, a run, or a folder of runs. Without it the page "
            f"offers {', '.join(ours)}."
        )
    newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    return {f"{path.parents[1].name} {path.stem}": str(path) for path in newest} | ours


class Studio:
    """Makes the pictures of a page.

    Args:
        generators: A path for each name.
        folder: Where they go.
        device: See :func:`app`.
    """

    def __init__(self, generators: dict[str, str], folder: Path, device: str = "auto") -> None:
        self.generators = generators
        self.folder = folder
        self.device = device_of(device)
        self.load = lru_cache(LOADED)(self._load)
        self.numbers = itertools.count()

    def _load(self, name: str) -> AdversarialModule:
        gan = gan_lightning.load(self.generators[name]).to(self.device)
        if isinstance(gan, TranslationModule):
            raise TypeError(f"{name} translates images: gan-lightning translate does that.")
        return gan

    def classes(self, name: str) -> list[str]:
        """What can be asked of a generator."""
        return [IN_TURN, *map(str, range(self.load(name).num_classes))]

    def grid(self, name: str, label: str, seed: int, num: int, truncation: float) -> str:
        """Write samples to a PNG; a class that the generator does not have is each in turn."""
        gan = self.load(name)
        labels = _labels(gan, label) or list(range(gan.num_classes)) or None
        path = self.folder / f"{next(self.numbers)}.png"
        write_pixels(enlarged(gan.sample(int(num), labels, int(seed or 0), truncation or None)), path)
        return str(path)

    def film(self, name: str, label: str, seed: int, num: int, truncation: float) -> str:
        """Write a walk through four seeds, from the given one on, to a GIF."""
        gan = self.load(name)
        seeds = range(int(seed or 0), int(seed or 0) + 4)
        frames = walk(gan, seeds, _labels(gan, label), int(num), STEPS, truncation=truncation or None)
        path = self.folder / f"{next(self.numbers)}.gif"
        write_bytes(to_gif([enlarged(images) for images in frames], FPS), path)
        return str(path)


def _labels(gan: AdversarialModule, label: str) -> list[int] | None:
    """The class that is asked for, if there is one."""
    return [int(label)] if label != IN_TURN and int(label) < gan.num_classes else None


def enlarged(images: Tensor) -> Tensor:
    """A sheet of images, (C, H, W) uint8, each of whose pixels is as many as make it large enough to see."""
    pixels = tile(to_uint8(images).cpu())
    factor = -(-LEAST_SIDE // max(pixels.shape[1:]))
    return pixels.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def build_page(studio: Studio) -> Any:
    """The page."""
    gr = _gradio()
    names = [*studio.generators]

    def choose(name: str) -> Any:
        return gr.Dropdown(choices=studio.classes(name), value=IN_TURN)

    def draw(name: str, other: str, *how: Any) -> tuple[str, Any]:
        beside = None if other == NONE else studio.grid(other, *how)
        return studio.grid(name, *how), gr.Image(beside, visible=beside is not None)

    def told(work: Any, *values: Any) -> Any:
        """What work returns; the page shows what it raises."""
        try:
            return work(*values)
        except MESSAGES as error:
            raise gr.Error(str(error), print_exception=False) from error

    picture = {"type": "filepath", "interactive": False, "show_label": False, "buttons": ["download", "fullscreen"]}
    with gr.Blocks(title="gan_lightning", analytics_enabled=False) as page:
        gr.Markdown("# gan_lightning")
        with gr.Row():
            name = gr.Dropdown(names, value=names[0], label="Generator")
            other = gr.Dropdown([NONE, *names], value=NONE, label="Beside it")
            label = gr.Dropdown([IN_TURN], value=IN_TURN, label="Class")
        with gr.Row():
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED)
            num = gr.Slider(1, 100, 36, step=1, label="Images")
            truncation = gr.Slider(0, 2, 0, step=0.05, label="Truncation (0: none)")
        how = [label, seed, num, truncation]
        with gr.Tab("Images"):
            button = gr.Button("Draw", variant="primary")
            with gr.Row():
                pictures = [gr.Image(format="png", **picture), gr.Image(format="png", visible=False, **picture)]
        with gr.Tab("Walk"):
            go = gr.Button("Walk through four seeds", variant="primary")
            film = gr.Image(format="gif", **picture)
        for event in (page.load, name.change):
            event(partial(told, choose), name, label)
        for event in (page.load, button.click):
            event(partial(told, draw), [name, other, *how], pictures)
        go.click(partial(told, studio.film), [name, *how], film)
    return page


def _gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # asks the network, also for news
    try:
        return import_module("gradio")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("The page needs Gradio: pip install 'gan-lightning[app]'.") from error
