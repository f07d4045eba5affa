"""The library that draws the curves: Vega-Lite (Satyanarayan et al., 2017), as vl-convert bundles it."""

import functools
import os
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = "vl-convert-python"
END = "/* complete */"


@functools.lru_cache(maxsize=1)
def library(cache_dir: Path) -> str:
    """JavaScript that defines ``vegaEmbed``: 0.9 MB, where Plotly has 4.8.

    To bundle it takes more than a second, so it is kept, if the folder can be written to.

    Args:
        cache_dir: The folder.
    """
    path = cache_dir / f"vega-{version(PACKAGE)}.js"
    with suppress(OSError, UnicodeDecodeError):
        kept = path.read_text(encoding="utf-8")
        if kept.endswith(END):
            return kept
    bundler: Any = import_module("vl_convert")
    script: str = bundler.javascript_bundle().replace("</script", "<\\/script") + END
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        cache_dir.mkdir(parents=True, exist_ok=True)
        temporary.write_text(script, encoding="utf-8")
        temporary.replace(path)
    return script
