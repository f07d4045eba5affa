"""What a resumed run may change, and which tensors of a checkpoint fit."""

from collections.abc import Iterator, Mapping
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from gan_lightning.arguments import arguments_of
from gan_lightning.parts import Part, find_class, name_of, plain

APPLIED_BY_OPTIMIZERS = ("lr", "betas", "eps", "weight_decay", "alpha", "lr_schedule", "warmup_steps", "clip_norm")
"""Options of optimizers that do not change the form of their state."""
OTHERWISE = "Leave them as they were, or start a new run from these weights with --init_from."

CLASS = ".class_path"
Changes = dict[str, tuple[Any, Any]]
"""Old and new values by the names of options."""


def resume_options(
    kind: type, checkpoint: Mapping[str, Any], new: Mapping[str, Any], adjustable: frozenset[str]
) -> None:
    """Compare the arguments of a module with those in the checkpoint that it is about to resume from.

    Args:
        kind: The module's class.
        checkpoint: Lightning's dictionary.
        new: The arguments now.
        adjustable: Those that may change.

    Raises:
        ValueError: If any other argument has changed, or the checkpoint holds only weights.
    """
    if not checkpoint.get("optimizer_states") or "lr_schedulers" not in checkpoint or "loops" not in checkpoint:
        raise ValueError(
            "The checkpoint holds no optimizers, so no training can resume from it. Start a new run from its "
            "weights with --init_from."
        )
    changes = _changes(kind, checkpoint.get("hyper_parameters", {}), new)
    refused = {name: pair for name, pair in changes.items() if not _may_change(name, *pair, adjustable)}
    if refused:
        raise ValueError(
            f"A resumed {kind.__name__} cannot change its networks, the state of its optimizers or the order of its "
            f"images: {_listed(refused)}. {OTHERWISE}"
        )
    if changes:
        rank_zero_warn(f"Resumed with changed options: {_listed(changes)}.")


def resume_order(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
    """Compare what decides the order of the images; None if the data do not say.

    Raises:
        ValueError: If it has changed.
    """
    changes = {name: (old[name], value) for name, value in (new or {}).items() if old and old.get(name, value) != value}
    if changes:
        raise ValueError(f"A resumed run cannot change the order of its images: {_listed(changes)}. {OTHERWISE}")


def check_state(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Compare the tensors of a checkpoint with those of a module.

    Raises:
        ValueError: If they differ in names or shapes.
    """
    if differences := _misfits(found, wanted):
        raise ValueError(
            f"The checkpoint does not fit the GAN: {some(differences)}. Build the GAN with the options that the "
            "checkpoint was made with."
        )


def take_state(module: nn.Module, found: Mapping[str, Tensor]) -> list[str]:
    """Copy the tensors that fit into a module; returns, in words, which do not fit."""
    wanted = module.state_dict()
    fitting = {name: value for name, value in found.items() if name in wanted and value.shape == wanted[name].shape}
    module.load_state_dict(fitting, strict=False)
    return _misfits(found, wanted)


def some(words: list[str]) -> str:
    """The first few of a list, and how many more there are."""
    return "; ".join(words[:3]) + f"; and {len(words) - 3} more" * (len(words) > 3)


def _misfits(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    return [
        *(f"'{name}' is missing" for name in wanted if name not in found),
        *(f"'{name}' is unknown" for name in found if name not in wanted),
        *(
            f"'{name}' is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
            for name in wanted
            if name in found and found[name].shape != wanted[name].shape
        ),
    ]


def _changes(kind: type, old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    before, now = (dict(_flat("", _whole(_with_defaults(kind, given)))) for given in (old, new))
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    others = [name.removesuffix("class_path") for name in names if name.endswith(CLASS)]
    # Where a class has changed, its arguments say nothing.
    shown = [name for name in names if name.endswith(CLASS) or not name.startswith(tuple(others))]
    return {name: (before.get(name), now.get(name)) for name in shown}


def _with_defaults(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    parameters = arguments_of(kind)
    known = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    return {**known, **given}


def _whole(value: Any) -> Any:
    """A value in full: descriptions of parts with all their arguments."""
    if isinstance(value, Mapping) and "class_path" in value:
        kind = find_class(Part, value["class_path"])
        return {"class_path": name_of(kind), **_whole(_with_defaults(kind, value.get("init_args") or {}))}
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return _whole(plain(value)) if isinstance(value, Part) else value


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Values by dotted names, lists of parts by their number."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flat(f"{name}[{number}]", item)
    else:
        yield name, None if value == [] else value


def _may_change(name: str, old: Any, new: Any, adjustable: frozenset[str]) -> bool:
    argument, _, option = name.partition(".")
    if argument.partition("[")[0] not in adjustable or name.endswith(CLASS):
        return False
    if argument.endswith("_optimizer"):
        return option in APPLIED_BY_OPTIMIZERS
    return argument != "ema_decay" or bool(old) == bool(new)  # 0 is no average at all


def _listed(changes: Changes) -> str:
    return ", ".join(f"{name.removesuffix(CLASS)} {old} -> {new}" for name, (old, new) in changes.items())
