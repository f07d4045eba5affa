"""A walk from seed to seed, or class to class, as a picture or a film: ``gan-lightning interpolate``."""

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import gan_lightning
from gan_lightning.arguments import check_counts
from gan_lightning.commands.generate import device_of, import_class, parse_integers
from gan_lightning.images import tile, to_uint8, write_bytes, write_pixels
from gan_lightning.walks import Curve, Space, walk

CODECS = ("libx264", "mpeg4")
"""Of MP4 files, the better one first."""
LARGEST_FPS = 50
"""Of GIFs: their delays are in hundredths of a second, and players take a delay of one for ten."""


def interpolate(
    ckpt_path: str,
    out: str = "walk.gif",
    seeds: str = "0,1,2,3",
    labels: str | None = None,
    num: int = 16,
    steps: int = 16,
    curve: Curve | None = None,
    space: Space = "z",
    truncation: float | None = None,
    fps: int = 16,
    scale: int = 2,
    loop: bool = True,
    model: str | None = None,
    device: str = "auto",
) -> None:
    """Make a walk through what a generator has learnt.

    Args:
        ckpt_path: A checkpoint of a GAN, or the name of a generator that comes with the package.
        out: Where it goes; an existing file is replaced. Its ending says what it is: .gif or .mp4, a film, or .png, a
            strip with a row for each image and a column for each step.
        seeds: The points of the walk, in [0, 2^63), with commas between.
        labels: For a conditional GAN: the class at each point, such as 3,8; seeds or labels are repeated where they are
            fewer. Default: each image keeps its class.
        num: How many images walk side by side, at least 1.
        steps: From a point to the next, at least 1.
        curve: "slerp", arcs, or "lerp", lines. Default: arcs between normal latents, otherwise lines.
        space: "z": between latents; "w": between styles, of StyleGAN2.
        truncation: Trades diversity for quality: see generate.
        fps: Steps a second of a film, at least 1, of a .gif at most 50.
        scale: How many times as large each pixel of a film is, at least 1.
        loop: Whether a film goes back to its first point.
        model: A class of your own, such as mypkg.MyGAN, which the checkpoint needs.
        device: "auto", or what PyTorch calls it: cpu, cuda, cuda:1, mps.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint or device cannot be used, a number is out of range, or the format is unclear.
        ModuleNotFoundError: If PyAV is missing, which .mp4 needs.
    """
    check_counts(num=num, steps=steps, fps=fps, scale=scale)
    path = Path(out)
    ending = _ending(path)
    if ending == ".gif" and fps > LARGEST_FPS:
        raise ValueError(f"fps of a .gif must be at most {LARGEST_FPS}, got {fps}: lower it, or let out end in .mp4.")
    points = _seeds(seeds), None if labels is None else parse_integers("labels", labels)
    if model is not None:
        import_class(model)
    gan = gan_lightning.load(ckpt_path).to(device_of(device))
    loop = loop and ending != ".png"
    frames = [to_uint8(images).cpu() for images in walk(gan, *points, num, steps, curve, space, truncation, loop)]
    if ending == ".png":
        write_pixels(tile(torch.stack(frames, 1).flatten(0, 1), len(frames)), path)
    else:
        film = [tile(frame).repeat_interleave(scale, 1).repeat_interleave(scale, 2) for frame in frames]
        write_bytes((to_gif if ending == ".gif" else _mp4)(film, fps), path)
    print(f"Wrote {len(frames)} steps of {num} images of {type(gan).__name__} to {path}.")


def _seeds(text: str) -> list[int]:
    found = parse_integers("seeds", text)
    if min(found) < 0:
        raise ValueError(f"seeds must be integers in [0, 2^63), got '{text}'.")
    return found


def _ending(path: Path) -> str:
    """That of the path; refuses at once what could not be written."""
    ending = path.suffix.lower()
    if ending not in (".gif", ".mp4", ".png"):
        raise ValueError(f"Cannot tell the format from '{path}': end it in .gif, .mp4 or .png.")
    if path.is_dir():
        raise FileExistsError(f"'{path}' is a folder. Name a file.")
    if ending == ".mp4":
        _av()
    return ending


def to_gif(film: Sequence[Tensor], fps: int) -> bytes:
    """An endless film of pictures, (C, H, W) uint8."""
    pictures = [Image.fromarray(_rows(frame).numpy().squeeze()) for frame in film]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "gif", save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0, optimize=True
    )
    return buffer.getvalue()


def _mp4(film: Sequence[Tensor], fps: int) -> bytes:
    """H.264, or where PyAV has no encoder of it MPEG-4, whose sides must be even."""
    av = _av()
    codec = next((name for name in CODECS if name in av.codecs_available), None)
    if codec is None:
        raise ValueError(f"This PyAV can write none of {', '.join(CODECS)}: let out end in .gif.")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = (side + side % 2 for side in film[0].shape[1:])
        stream.pix_fmt = "yuv420p"
        for frame in film:
            padded = torch.zeros(3, stream.height, stream.width, dtype=torch.uint8)
            padded[:, : frame.shape[1], : frame.shape[2]] = frame
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_rows(padded).numpy(), "rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _rows(pixels: Tensor) -> Tensor:
    """(C, H, W) to (H, W, C)."""
    return pixels.permute(1, 2, 0).contiguous()


def _av() -> Any:
    try:
        return import_module("av")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "A film in .mp4 needs PyAV: pip install 'gan-lightning[video]', or let out end in .gif."
        ) from error
