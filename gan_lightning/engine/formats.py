"""Formats of checkpoints: what an earlier version saved is brought up to date when it is read.

Format 1, of version 0.1.0, kept penalties and the options of optimizers as numbers of the GAN:

============================================================  =====================================================
format 1                                                      format 2
============================================================  =====================================================
``gradient_penalty_weight`` (but for WGANGP, which keeps it)  ``GradientPenalty(weight)`` in ``stabilizers``
``r1_weight``, ``r2_weight``                                  ``R1(weight)``, ``R2(weight)`` in ``stabilizers``
``lr_schedule``, ``warmup_steps``, ``gradient_clip_norm``     of the same names, ``clip_norm`` for the last, in
                                                              ``generator_optimizer``
the same and ``lr``, ``betas`` after ``discriminator_``       in ``discriminator_optimizer``
``betas`` of WGAN                                             ``momentum`` and ``alpha`` of its two RMSprop
============================================================  =====================================================
"""

from typing import Any

FORMAT = 2
PENALTIES = {"gradient_penalty_weight": "GradientPenalty", "r1_weight": "R1", "r2_weight": "R2"}


def update_format(checkpoint: dict[str, Any]) -> None:
    """Bring Lightning's dictionary up to date, in place.

    Raises:
        ValueError: If a later version saved it.
    """
    found = checkpoint.get("gan_format", 1)
    if found > FORMAT:
        raise ValueError(f"The checkpoint has format {found}, this version reads up to {FORMAT}: update gan-lightning.")
    if found == 1:
        hyper_parameters = checkpoint.get("hyper_parameters", {})
        checkpoint["hyper_parameters"] = _second(checkpoint["gan"], hyper_parameters)
        for name, state in zip("GD", checkpoint.get("optimizer_states", []), strict=False):
            for group in state["param_groups"]:
                group["name"] = name
    elif checkpoint.get("hyper_parameters", {}).get("last_block") == "flat":  # of SNGAN, before networks: mimicry
        del checkpoint["hyper_parameters"]["last_block"]
    checkpoint["gan_format"] = FORMAT


def _second(gan: str, first: dict[str, Any]) -> dict[str, Any]:
    """Hyperparameters of format 2 from those of format 1."""
    kept = dict(first)
    weights = {} if gan == "WGANGP" else {name: kept.pop(name, 0) for name in PENALTIES}
    if gan == "WGANGP":
        weights = {name: kept.pop(name, 0) for name in ("r1_weight", "r2_weight")}
    stabilizers = [_described(PENALTIES[name], weight=weight) for name, weight in weights.items() if weight]
    kind = "RMSprop" if gan == "WGAN" else "Adam"
    own = {
        "lr_schedule": kept.pop("lr_schedule", None),
        "warmup_steps": kept.pop("warmup_steps", None),
        "clip_norm": kept.pop("gradient_clip_norm", None),
    }
    other = {
        "lr": kept.pop("discriminator_lr", None),
        "lr_schedule": kept.pop("discriminator_lr_schedule", None) or own["lr_schedule"],
        "warmup_steps": own["warmup_steps"],
        "clip_norm": kept.pop("discriminator_gradient_clip_norm", None),
    }
    betas = kept.pop("discriminator_betas", None)
    if gan == "WGAN":
        for options, pair in ((own, kept.pop("betas", None)), (other, betas or first.get("betas"))):
            options |= dict(zip(("momentum", "alpha"), pair or (None, None), strict=True))
    else:
        other["betas"] = betas
    described = {f"{p}_optimizer": _described(kind, **o) for p, o in (("generator", own), ("discriminator", other))}
    changed = {name: optimizer for name, optimizer in described.items() if optimizer["init_args"]}
    return {**kept, **changed, **({"stabilizers": stabilizers} if stabilizers else {})}


def _described(kind: str, **options: Any) -> dict[str, Any]:
    return {"class_path": kind, "init_args": {name: value for name, value in options.items() if value is not None}}
