"""The import table and the style rules of the design, enforced on the sources; and proofs that each rule can fail."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gan_lightning", "datamodules")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))

ANYTHING = None
ALLOWED = {
    "gan_lightning.arguments": set(),
    "gan_lightning.precision": {"torch"},
    "gan_lightning.parts": {"torch", "gan_lightning.arguments", "gan_lightning.game"},  # game: a type
    "gan_lightning.engine.draws": {"torch"},
    "gan_lightning.game": {"torch", "gan_lightning.engine.draws", "gan_lightning.parts"},
    "gan_lightning.losses": {"torch", *(f"gan_lightning.{part}" for part in ("arguments", "game", "parts"))},
    "gan_lightning.networks": {
        "torch",
        *(f"gan_lightning.{part}" for part in ("arguments", "game", "parts", "precision")),
    },
    # networks, because some stabilizers build a layer into D.
    "gan_lightning.stabilizers": {
        "torch",
        *(f"gan_lightning.{part}" for part in ("arguments", "engine.draws", "game", "networks", "parts", "precision")),
    },
    "gan_lightning.images": {"torch", "PIL"},
    "gan_lightning.batches": {"torch", "gan_lightning.images"},
    "gan_lightning.notebook": {"torch", "matplotlib", "gan_lightning.images"},
    "gan_lightning.pretrained": {
        *("torch", "safetensors"),
        *(f"gan_lightning.{part}" for part in ("base", "engine", "parts")),
    },
    "gan_lightning.loading": {f"gan_lightning.{part}" for part in ("base", "engine", "parts", "pretrained")},
    "gan_lightning.engine": {
        "torch",
        "lightning",
        *(f"gan_lightning.{part}" for part in ("arguments", "batches", "engine.draws", "images", "parts", "precision")),
    },
    "gan_lightning.base": {
        "torch",
        "lightning",
        *(f"gan_lightning.{part}" for part in ("arguments", "batches", "engine", "engine.draws", "game")),
        "gan_lightning.losses",
        *("gan_lightning.parts", "gan_lightning.precision"),
    },
    "gan_lightning.translation": {
        "torch",
        *(f"gan_lightning.{part}" for part in ("base", "batches", "images", "losses")),
    },
    "gan_lightning.modules": {
        "torch",
        "gan_lightning.translation",
        *(f"gan_lightning.{part}" for part in ("arguments", "base", "engine", "game", "losses", "networks", "parts")),
        "gan_lightning.stabilizers",
    },
    "gan_lightning.metrics": {
        "torch",
        "torchmetrics",
        "safetensors",
        *(f"gan_lightning.{part}" for part in ("arguments", "images", "precision")),
    },
    # torchmetrics, because the evaluation owns its metrics (engine decision 8).
    "gan_lightning.callbacks": {
        "torch",
        "torchmetrics",
        "lightning",
        "gan_lightning.batches",
        "gan_lightning.engine",
        "gan_lightning.metrics",
        *(f"gan_lightning.{part}" for part in ("findings", "images", "report", "secrets", "version")),
    },
    "gan_lightning.findings": set(),
    "gan_lightning.panels": set(),
    "gan_lightning.secrets": set(),
    "gan_lightning.report": {
        *("yaml", "jinja2", "markupsafe", "PIL"),
        *(f"gan_lightning.{part}" for part in ("findings", "metrics", "panels", "secrets")),
    },
    "gan_lightning.pictures": {"torch", "PIL", "gan_lightning.images", "gan_lightning.metrics"},
    "gan_lightning.hub": {
        "torch",
        "huggingface_hub",
        *(f"gan_lightning.{part}" for part in ("base", "images", "pretrained", "report", "translation")),
        "gan_lightning",
    },
    "gan_lightning.inversion": {
        "torch",
        *(f"gan_lightning.{part}" for part in ("arguments", "base", "metrics", "precision", "walks")),
    },
    "gan_lightning.walks": {"torch", *(f"gan_lightning.{part}" for part in ("arguments", "base", "precision"))},
    "gan_lightning.version": set(),
    "gan_lightning": {f"gan_lightning.{part}" for part in ("modules", "loading", "version")},
    "gan_lightning.commands": ANYTHING,
    "gan_lightning.__main__": {"gan_lightning.commands"},
    "datamodules": {"torch", "torchvision", "lightning", "numpy", "PIL", "filelock"},
}
"""What each part may import beside itself and the standard library; a part is a sub-package or a top-level file."""


def part_of(module):
    """The part that a module belongs to: the longest name of the table that it begins with, or one of two words."""
    names = module.split(".")
    prefixes = [".".join(names[:length]) for length in range(len(names), 1, -1)]
    if names[0] != "gan_lightning" or len(names) == 1:
        return names[0]
    return next((prefix for prefix in prefixes if prefix in ALLOWED), prefixes[-1])


def module_of(path):
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imported(tree, module, is_package):
    """Every module that a source imports, also inside functions, with relative names made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, *filter(None, [node.module])])
            # `from package import module` imports the module; a plain name of the catalogue is the catalogue.
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if base == "gan_lightning" and inner in ALLOWED else base


def forbidden_imports(source, module, is_package=False):
    part = part_of(module)
    if part not in ALLOWED:
        return [f"{part} is not in the table of who may import whom"]
    allowed = ALLOWED[part]
    if allowed is ANYTHING:
        return []
    found = {part_of(name) for name in imported(ast.parse(source), module, is_package)}
    return sorted(found - allowed - {part} - sys.stdlib_module_names)


def calls_of(source, method):
    """Lines that call `anything.method(...)`."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    ]


def broad_handlers(source):
    """Lines of `except:`, `except Exception` and `except BaseException`, alone or among others."""
    broad = {"Exception", "BaseException"}
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else broad
            if names & broad:
                found.append(node.lineno)
    return found


def suppresses_everything(source):
    """Lines of `suppress(Exception)`, which is the same."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "suppress"
        and any(getattr(argument, "id", "") in {"Exception", "BaseException"} for argument in node.args)
    ]


def assertions(source):
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def long_functions(source, limit=60):
    return [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno + 1 > limit
    ]


def is_too_long(source, limit=300):
    return len(source.splitlines()) > limit


def is_junk_drawer(path):
    return bool(
        {part.strip("_").lower() for part in Path(path).with_suffix("").parts}
        & {"util", "utils", "helper", "helpers", "common", "misc"}
    )


def test_there_are_sources_of_both_packages():
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(PACKAGES)
    assert len(SOURCES) > 30


@every_source
def test_imports_point_in_the_direction_of_the_design(path):
    assert forbidden_imports(path.read_text(), module_of(path), path.name == "__init__.py") == []


def test_only_the_command_line_imports_datamodules():
    importers = {
        module_of(path)
        for path in SOURCES
        if path.is_relative_to(ROOT / "gan_lightning")
        and any(
            name.split(".")[0] == "datamodules"
            for name in imported(ast.parse(path.read_text()), module_of(path), path.name == "__init__.py")
        )
    }
    assert importers == {"gan_lightning.commands.messages", "gan_lightning.commands.picture_files"}


@every_source
def test_no_file_or_folder_is_a_junk_drawer(path):
    assert not is_junk_drawer(path.relative_to(ROOT))


@every_source
def test_backward_is_left_to_lightning(path):
    assert calls_of(path.read_text(), "backward") == []


@every_source
def test_devices_are_given_at_creation(path):
    assert calls_of(path.read_text(), "cuda") == []


@every_source
def test_no_handler_catches_everything(path):
    source = path.read_text()
    assert broad_handlers(source) + suppresses_everything(source) == []


@every_source
def test_no_assertion_outside_tests(path):
    assert assertions(path.read_text()) == []


@every_source
def test_file_has_at_most_300_lines(path):
    assert not is_too_long(path.read_text()), f"{len(path.read_text().splitlines())} lines"


@every_source
def test_functions_have_at_most_60_lines(path):
    assert long_functions(path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "culprit"),
    [
        ("gan_lightning.losses.x", "import lightning", "lightning"),
        ("gan_lightning.losses.x", "from gan_lightning.networks import DCGANGenerator", "gan_lightning.networks"),
        ("gan_lightning.networks.x", "from ..losses import R1", "gan_lightning.losses"),
        ("gan_lightning.networks.x", "from .. import base", "gan_lightning.base"),
        ("gan_lightning.networks.x", "def f():\n    import torchvision.models", "torchvision"),
        ("gan_lightning.networks.x", "if TYPE_CHECKING:\n    from lightning import Trainer", "lightning"),
        ("gan_lightning.images", "import torch, numpy as np", "numpy"),
        ("gan_lightning.base", "from gan_lightning import modules", "gan_lightning.modules"),
        ("gan_lightning.base", "from gan_lightning.networks.dcgan import *", "gan_lightning.networks"),
        ("gan_lightning.modules.x", "from gan_lightning.metrics import MNISTFeatures", "gan_lightning.metrics"),
        ("gan_lightning.modules.x", "import datamodules.mnist as data", "datamodules"),
        ("gan_lightning.metrics.x", "from lightning.pytorch import Callback", "lightning"),
        ("gan_lightning.callbacks.x", "from gan_lightning import DCGAN", "gan_lightning"),
        ("gan_lightning.callbacks.x", "from gan_lightning.base import AdversarialModule", "gan_lightning.base"),
        ("datamodules.x", "from gan_lightning.images import to_float", "gan_lightning.images"),
        ("datamodules.x", "import gan_lightning", "gan_lightning"),
    ],
)
def test_the_import_table_can_fail(module, source, culprit):
    assert forbidden_imports(source, module) == [culprit]


def test_the_import_table_can_fail_for_a_relative_import_of_a_package():
    assert forbidden_imports("from ..losses import R1", "gan_lightning.networks", True) == ["gan_lightning.losses"]
    assert forbidden_imports("from .layers import stem", "gan_lightning.networks", True) == []


def test_the_import_table_lets_legal_imports_pass():
    source = "import math\nimport torch.nn\nfrom torch import Tensor\nfrom .layers import stem\nfrom . import init"
    assert forbidden_imports(source, "gan_lightning.networks.x") == []
    assert forbidden_imports("from gan_lightning import images", "gan_lightning.callbacks.x") == []


def test_a_part_that_the_table_does_not_name_fails():
    assert forbidden_imports("", "gan_lightning.core.x") == [
        "gan_lightning.core is not in the table of who may import whom"
    ]


@pytest.mark.parametrize("name", ["utils.py", "networks/helpers.py", "common/x.py", "modules/_utils.py", "Util.py"])
def test_the_check_for_junk_drawers_can_fail(name):
    assert is_junk_drawer(name)
    assert not is_junk_drawer("gan_lightning/networks/layers.py")


@pytest.mark.parametrize("handler", ["except:", "except Exception:", "except (OSError, BaseException) as error:"])
def test_the_check_for_broad_handlers_can_fail(handler):
    assert broad_handlers(f"try:\n    f()\n{handler}\n    pass") == [3]
    assert broad_handlers("try:\n    f()\nexcept (OSError, ValueError):\n    pass") == []


def test_the_other_checks_can_fail():
    assert calls_of("loss.backward()\nself.manual_backward(loss)", "backward") == [1]
    assert calls_of("x = x.cuda(non_blocking=True)", "cuda") == [1]
    assert suppresses_everything("with contextlib.suppress(Exception):\n    f()") == [1]
    assert suppresses_everything("with suppress(OSError):\n    f()") == []
    assert assertions("x = 1\nassert x") == [2]
    assert long_functions("def f():\n" + "    x = 1\n" * 60) == ["f: 61 lines"]
    assert long_functions("def f():\n" + "    x = 1\n" * 59) == []
    assert is_too_long("x = 1\n" * 301)
    assert not is_too_long("x = 1\n" * 300)
