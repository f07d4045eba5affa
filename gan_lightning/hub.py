"""Generators on the Hugging Face Hub, https://huggingface.co: needs the extra ``hub``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

try:
    from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("HubGenerator needs huggingface_hub: pip install 'gan-lightning[hub]'.") from error

import gan_lightning
from gan_lightning.base import AdversarialModule
from gan_lightning.images import write_png
from gan_lightning.pretrained import load_generator, read_card, save_generator
from gan_lightning.report import read_run
from gan_lightning.translation import TranslationModule

WEIGHTS = "model.safetensors"
PICTURE = "samples.png"
SHOWN = 40
"""Samples of the picture."""
METADATA = {"library_name": "gan_lightning", "tags": ["gan", "pytorch-lightning"]}


class HubGenerator(ModelHubMixin):
    """A GAN's generator, the moving average if there is one, as a model of the Hub.

    A folder, or a repository, holds its weights and arguments in ``model.safetensors``, of which no code is run, a
    picture of samples (none of a GAN that translates), and a model card. ``save_pretrained(folder)`` writes one,
    ``push_to_hub("user/name")`` uploads it, and ``HubGenerator.from_pretrained(folder_or_name)`` reads it.

    Args:
        gan: In evaluation mode.
        card: What is known of it, as plain values by name, for the model card.

    Attributes:
        gan: To sample from: ``HubGenerator.from_pretrained("user/name").gan.sample(16)``.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = HubGenerator(gan_lightning.load("dcgan-mnist"), {"data": "MNIST"}).save_pretrained(folder)
        >>> HubGenerator.from_pretrained(folder).gan.sample(2).shape
        torch.Size([2, 1, 28, 28])
    """

    def __init__(self, gan: AdversarialModule, card: Mapping[str, Any] | None = None) -> None:
        self.gan = gan
        self.card = dict(card or {})

    @classmethod
    def from_run(cls, run: str | Path, checkpoint: str = "best") -> Self:
        """That of a run, with a card made of what its directory tells: its metrics are those that the checkpoint had.

        Args:
            run: A run directory, such as runs/<run>.
            checkpoint: Its name without the ending: "best" or "last".

        Raises:
            FileNotFoundError: If there is no such run or checkpoint.
        """
        found = read_run(Path(run))
        gan = gan_lightning.load(Path(run) / "checkpoints" / f"{checkpoint}.ckpt")
        told = found.sessions[-1] if found.sessions else {}
        judged = {key: curve for key, curve in sorted(found.curves.items()) if key.startswith(("val/", "test/"))}
        then = {key: [value for step, value in curve if step <= gan.updates] for key, curve in judged.items()}
        return cls(
            gan,
            {
                "updates of G": gan.updates,
                **{key: told[key] for key in ("began", "command", "environment") if key in told},
                **{key: values[-1] for key, values in then.items() if values},
                **({"protocol": found.protocol} if found.protocol else {}),
                "configuration": found.config_text,
            },
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        save_generator(self.gan, save_directory / WEIGHTS, self.card, half=False)
        if isinstance(self.gan, TranslationModule):
            return  # it has no images to translate
        labels = range(self.gan.num_classes) if self.gan.num_classes else None
        write_png(self.gan.sample(SHOWN, labels, seed=0), save_directory / PICTURE, 10)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Self:
        """Read a folder, or a repository such as "user/name"; further options are those of the Hub's.

        Raises:
            ConnectionError: If it is no folder, and the Hub cannot be reached or has none of this name.
            FileNotFoundError: If a folder holds no generator.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **options)
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
            reason = str(error).splitlines()[0]
            raise ConnectionError(
                f"'{pretrained_model_name_or_path}' is no folder, and could not be had from the Hub ({reason}). Check "
                "the name (user/name) and the network, or copy the repository and give its folder."
            ) from error

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Self:
        path = Path(model_id) / WEIGHTS
        if not Path(model_id).is_dir():
            wanted = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            path = Path(hf_hub_download(model_id, WEIGHTS, **{key: options[key] for key in wanted if key in options}))
        return cls(load_generator(path), read_card(path))

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """A page that says what the generator is, how to use it, and what is known of it."""
        gan, name = self.gan, type(self.gan).__name__
        if isinstance(gan, TranslationModule):
            task, use, picture = "image-to-image", "translate(images)", ""
            does = f"it translates images {gan.generator.image_shape} (C, H, W) in [-1, 1] to images of that shape"
        else:
            task, use = "unconditional-image-generation", "sample(16, seed=0)"
            picture = f"![The first samples of seed 0]({PICTURE})\n\n"
            kind = f"conditional, of {gan.num_classes} classes" if gan.num_classes else "unconditional"
            does = (
                f"{kind}: it maps latents of {gan.latent_dim} features, {gan.prior}, to images "
                f"{tuple(gan.sample(1, seed=0).shape[1:])} (C, H, W) in [-1, 1]"
            )
        facts = {key: value for key, value in self.card.items() if key != "configuration"}
        rows = [f"| {key} | {_cell(value)} |" for key, value in facts.items()]
        table = "\n".join(["| | |", "| --- | --- |", *rows]) if rows else "Nothing was noted."
        config = self.card.get("configuration")
        metadata = {**METADATA, "pipeline_tag": task}
        text = f"""---
{json.dumps(metadata, indent=1)}
---
# A generator of {name}

Of [gan_lightning](https://pypi.org/project/gan-lightning), {does}.

```python
from gan_lightning.hub import HubGenerator

images = HubGenerator.from_pretrained("this repository").gan.{use}
```

{picture}## How it was made

{table}
"""
        return ModelCard(text + (f"\n```yaml\n{config}\n```\n" if config else ""))


def _cell(value: Any) -> str:
    """A value in a table of Markdown."""
    text = f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return str(text).replace("|", "\\|").replace("\n", " ")
