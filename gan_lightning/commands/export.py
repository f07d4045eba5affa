"""A generator in a file that needs no Lightning: ``gan-lightning export``."""

import json
import re
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

import gan_lightning
from gan_lightning.arguments import check_counts
from gan_lightning.base import AdversarialModule
from gan_lightning.commands.generate import finished, import_class
from gan_lightning.images import write_bytes
from gan_lightning.parts import name_of
from gan_lightning.pretrained import load_generator, save_generator
from gan_lightning.translation import TranslationModule

TOLERANCE = 1e-4
"""What a pixel in [-1, 1] must differ by less than."""
BATCH = 100
"""Inputs at a time when an export is checked."""
CHECKED = {False: 1000, True: 10}
"""Inputs that an export is checked on, by whether they are images."""
TIMED = 11
"""Passes of one image that are timed."""
OPERATOR = re.compile(r"\b(?:aten|torchvision|prims)(?:\.|::)\w+(?:\.\w+)?")
FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What exporters raise where they cannot."""
Run = Callable[..., Tensor]
"""Images of what a sampler takes."""


class Sampler(nn.Module):
    """What samples are drawn with, as a network of its own: G's moving average, in evaluation mode and 32 bits.

    Args:
        gan: In evaluation mode.
    """

    takes: tuple[str, ...] = ("latents", "labels")

    def __init__(self, gan: AdversarialModule) -> None:
        super().__init__()
        self.network = (gan.generator if gan.ema is None else gan.ema).float().cpu().eval()
        self.render = gan.render

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] of latents (N, latent_dim) and labels (N,) int64."""
        return self.render(self.network, latents, labels, None)


class UnconditionalSampler(Sampler):
    """A sampler that takes no labels."""

    takes = ("latents",)

    def forward(self, latents: Tensor) -> Tensor:  # type: ignore[override]
        """Images (N, C, H, W) in [-1, 1] of latents (N, latent_dim)."""
        return super().forward(latents, latents.new_zeros(latents.shape[0], dtype=torch.int64))


class Translator(Sampler):
    """A sampler that takes the images to be translated, and no latents."""

    takes = ("sources",)

    def forward(self, sources: Tensor) -> Tensor:  # type: ignore[override]
        """Images (N, C, H, W) in [-1, 1] of images of the same shape."""
        return super().forward(sources.new_zeros(sources.shape[0], 1), sources)


def sampler_of(gan: AdversarialModule) -> Sampler:
    """A sampler that takes what the GAN does."""
    if isinstance(gan, TranslationModule):
        return Translator(gan)
    return Sampler(gan) if gan.num_classes else UnconditionalSampler(gan)


def export(
    ckpt_path: str,
    out: str | None = None,
    check: int | None = None,
    model: str | None = None,
    format: Literal["onnx", "pt2", "safetensors"] | None = None,
) -> None:
    """Write a generator to a file that other programs can run: the one that samples are drawn with.

    Args:
        ckpt_path: A checkpoint of a GAN, or the name of a generator that comes with the package.
        out: Where it goes; an existing file is replaced. Its ending is that of the format. Default: generator.onnx, or
            what the format says.
        check: How many inputs the export is compared on with PyTorch, at least 1; no pixel may differ by 1e-4. By
            default 1,000 latents, or 10 images.
        model: A class of your own, such as mypkg.MyGAN, which the checkpoint needs.
        format: "onnx", for any ONNX runtime, with inputs "latents" and, of a conditional GAN, "labels" (of one that
            translates, "sources"), any number at a time; "pt2", a program of torch.export, for PyTorch alone;
            "safetensors", its weights, which gan_lightning.load reads, beside a .json that says what they are of.
            Default: what the ending of out says.

    Raises:
        FileNotFoundError: If there is no checkpoint.
        ValueError: If the checkpoint cannot be used, the format is unclear, another description would be replaced, a
            layer cannot be exported, or its images differ.
        ModuleNotFoundError: If ONNX and its runtime are missing, which .onnx needs.
    """
    check_counts(check=1 if check is None else check)
    path = Path(out or f"generator.{format or 'onnx'}")
    ending = _ending(path, format)
    if model is not None:
        import_class(model)
    gan = gan_lightning.load(ckpt_path)
    with torch.no_grad(), warnings.catch_warnings(), finished(path) as part:
        warnings.simplefilter("ignore")  # of the exporters about their own inner parts
        run = WRITERS[ending](gan, part)
        count = check or CHECKED[isinstance(gan, TranslationModule)]
        found = compare(gan, run, count)
        if not found.difference < TOLERANCE:
            raise ValueError(
                f"The exported generator of {type(gan).__name__} differs from PyTorch's by {found.difference:.2g} in a "
                f"pixel, not by less than {TOLERANCE:.0e}; nothing was written. A layer that draws random numbers does "
                "that, for example."
            )
        part.replace(path)
    if ending == ".safetensors":
        write_bytes(json.dumps(_facts(gan), indent=1).encode() + b"\n", path.with_suffix(".json"))
    print(
        f"Wrote the generator of {type(gan).__name__} to {path} ({path.stat().st_size / 2**20:.1f} MiB). On {count} "
        f"inputs no pixel differs by more than {found.difference:.1g}. One image takes {found.milliseconds:.2f} ms, "
        f"in PyTorch {found.in_torch:.2f} ms."
    )


def _ending(path: Path, asked: str | None) -> str:
    """That of the path, in small letters; refuses at once what could not be written, or would replace another file."""
    ending = path.suffix.lower()
    if asked is not None and ending != f".{asked}":
        raise ValueError(f"format is {asked}, but out is '{path}': end it in .{asked}, or choose another format.")
    if ending not in WRITERS:
        raise ValueError(f"Cannot tell the format from '{path}': end it in {', '.join(WRITERS)}.")
    if path.is_dir():
        raise FileExistsError(f"'{path}' is a folder. Name a file.")
    described = path.with_suffix(".json")
    if ending == ".safetensors" and described.exists() and not path.exists():
        raise ValueError(
            f"The description would replace '{described}', which there is without '{path}': choose another --out, or "
            "remove it."
        )
    if ending == ".onnx":
        _onnxruntime()
    return ending


def _to_onnx(gan: AdversarialModule, path: Path) -> Run:
    runtime, inputs, sampler = _onnxruntime(), _inputs(gan, 2), sampler_of(gan)
    names = list(sampler.takes)
    options: dict[str, Any] = {"dynamic_shapes": _any_number(inputs), "dynamo": True, "verbose": False}
    try:
        program: Any = torch.onnx.export(sampler, inputs, input_names=names, output_names=["images"], **options)
    except FAILURES as error:
        raise _refusal(gan, "ONNX", error) from error
    program.model.metadata_props.update({key: json.dumps(value) for key, value in _facts(gan).items()})
    program.save(path)
    threads = runtime.SessionOptions()
    threads.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(path, threads, providers=["CPUExecutionProvider"])

    def run(*given: Tensor) -> Tensor:
        (images,) = session.run(None, {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)})
        return torch.from_numpy(images)

    return run


def _to_program(gan: AdversarialModule, path: Path) -> Run:
    inputs = _inputs(gan, 2)
    try:
        program = torch.export.export(sampler_of(gan), inputs, dynamic_shapes=_any_number(inputs))
    except FAILURES as error:
        raise _refusal(gan, "torch.export", error) from error
    with path.open("wb") as file:
        torch.export.save(program, file)
    with path.open("rb") as file:
        return torch.export.load(file).module()


def _to_safetensors(gan: AdversarialModule, path: Path) -> Run:
    save_generator(gan, path, {}, half=False)
    return sampler_of(load_generator(path))


WRITERS: dict[str, Callable[[AdversarialModule, Path], Run]] = {
    ".onnx": _to_onnx,
    ".pt2": _to_program,
    ".safetensors": _to_safetensors,
}
"""Each writes a file, and returns what runs it."""


def _any_number(inputs: tuple[Tensor, ...]) -> tuple[dict[int, Any], ...]:
    """Of images: what exporters call a dynamic first dimension."""
    return tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs)


def _inputs(gan: AdversarialModule, count: int) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    if isinstance(gan, TranslationModule):
        return (torch.rand(count, *gan.generator.image_shape, generator=random) * 2 - 1,)  # type: ignore[misc]
    latents = gan.sample_latent(count, random)
    labels = torch.arange(count) % max(1, gan.num_classes)
    return (latents, labels) if gan.num_classes else (latents,)


def _facts(gan: AdversarialModule) -> dict[str, Any]:
    """What an exported file says of itself."""
    return {
        "gan": name_of(type(gan)),
        "hyper_parameters": dict(gan.hparams),
        "updates": gan.updates,
        "latent_dim": gan.latent_dim,
        "prior": gan.prior,
        "num_classes": gan.num_classes,
        "takes": list(sampler_of(gan).takes),
        "image_shape": list(sampler_of(gan)(*_inputs(gan, 1)).shape[1:]),
        "range": [-1, 1],
    }


class Comparison(NamedTuple):
    """How an export compares with PyTorch.

    Attributes:
        difference: The largest of a pixel in [-1, 1].
        milliseconds: Of one image.
        in_torch: Milliseconds of one image in PyTorch.
    """

    difference: float
    milliseconds: float
    in_torch: float


def compare(gan: AdversarialModule, run: Run, count: int) -> Comparison:
    """Compare what was exported with the GAN on so many latents, and time both."""
    sampler = sampler_of(gan)
    batches = list(zip(*(tensor.split(BATCH) for tensor in _inputs(gan, count)), strict=True))
    worst = max(float((run(*batch) - sampler(*batch)).abs().max()) for batch in batches)
    one = _inputs(gan, 1)
    return Comparison(worst, _milliseconds(run, one), _milliseconds(sampler, one))


def _milliseconds(run: Run, inputs: tuple[Tensor, ...]) -> float:
    """The median of some passes."""
    seconds = []
    for _ in range(TIMED):
        begun = time.perf_counter()
        run(*inputs)
        seconds.append(time.perf_counter() - begun)
    return 1000 * sorted(seconds)[TIMED // 2]


def _refusal(gan: AdversarialModule, target: str, error: Exception) -> ValueError:
    """What could not be exported, in words: exporters say it in pages."""
    texts = [str(each) for each in (error.__cause__, error.__context__, error) if each]
    operator = next((found.group() for text in texts if (found := OPERATOR.search(text))), None)
    reason = next((line.strip() for text in texts for line in text.splitlines() if line.strip()), type(error).__name__)
    why = f"it uses {operator}, which has no counterpart there" if operator else reason
    return ValueError(f"The generator of {type(gan).__name__} cannot be exported to {target}: {why}.")


def _onnxruntime() -> Any:
    try:
        for name in ("onnx", "onnxscript"):
            import_module(name)
        return import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"An export to .onnx needs {error.name}: pip install 'gan-lightning[onnx]', or let out end in .pt2 or "
            ".safetensors."
        ) from error
