"""What the command tells its user: bad input in one message with the cure."""

import difflib
import inspect
import pydoc
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from lightning.pytorch import Trainer

import datamodules
from gan_lightning import modules
from gan_lightning.arguments import arguments_of
from gan_lightning.commands.defaults import CALLBACKS
from gan_lightning.commands.trainer_messages import translate, with_options
from gan_lightning.engine.optimizers import PlayerOptimizer
from gan_lightning.game import Stabilizer
from gan_lightning.losses import AdversarialLoss
from gan_lightning.parts import Part, names_of
from gan_lightning.precision import PRECISIONS

CATALOGUES = {
    "model": modules.__all__,
    "data": [name for name in datamodules.__all__ if not inspect.isabstract(getattr(datamodules, name))],
}
"""The names of classes that these options can be."""
EXAMPLES = {"model": "model/dcgan", "data": "data/mnist"}
NOT_OPTIONS = {
    *("self", "generator", "discriminator", "image_shape", "num_classes"),
    *("train_size", "modes"),  # of the data sets
}
NOISE = (
    *("Parser key", "Problem with", "Does not validate", "Subtypes:", "Errors:", "Given value", "Expected a path but"),
    *("Expected a <class 'NoneType'>", "Not a valid subclass of", "Subclass types expect", "a class path (str)"),
    *("a dict with", "a dict without"),
)
"""How lines of jsonargparse's messages begin that tell nothing."""
PARTS: dict[str, tuple[str, type[Part]]] = {
    "loss": ("loss", AdversarialLoss),
    "stabilizers": ("stabilizer", Stabilizer),
    "generator_optimizer": ("optimizer", PlayerOptimizer),
    "discriminator_optimizer": ("optimizer", PlayerOptimizer),
}
"""What an option chooses, and among which classes."""
MOVED = {
    "gradient_penalty_weight": "stabilizers+=GradientPenalty --model.stabilizers.weight",
    "r1_weight": "stabilizers+=R1 --model.stabilizers.weight",
    "r2_weight": "stabilizers+=R2 --model.stabilizers.weight",
    "lr_schedule": "generator_optimizer.lr_schedule, and of discriminator_optimizer likewise",
    "warmup_steps": "generator_optimizer.warmup_steps, and of discriminator_optimizer likewise",
    "gradient_clip_norm": "generator_optimizer.clip_norm",
    "discriminator_lr": "discriminator_optimizer.lr",
    "discriminator_betas": "discriminator_optimizer.betas",
    "discriminator_lr_schedule": "discriminator_optimizer.lr_schedule",
    "discriminator_gradient_clip_norm": "discriminator_optimizer.clip_norm",
}
"""Where options of version 0.1 are found."""
KINDS = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a word", "list": "a list"}
NOUNS = {"AdversarialModule": "GAN", "LightningDataModule": "data module"}
"""What a class is called, for those whose names are not the user's."""
SEED = f"an integer from 0 to {2**32 - 1}"
LEGAL = {"trainer.precision": f"one of {', '.join(PRECISIONS)}", "seed_everything": SEED}
"""What an option may be, where its type says more."""


class Problem(NamedTuple):
    """A value that does not suit an option.

    Attributes:
        option: Its name, with dots.
        noun: What it names.
        value: What was given.
        legal: The names that there are, where they are few.
    """

    option: str
    noun: str
    value: str
    legal: Sequence[str]


def explain(message: str, options: Sequence[str] | None = None) -> str:
    """Shorten an error message of jsonargparse or Lightning, and name legal values and cures where it does not.

    Args:
        message: What one of them says, or any other message, which is kept.
        options: Those of the command; None for those of a training.
    """
    for pattern, say in RULES:
        if found := re.search(pattern, message, re.DOTALL):
            return _unknown_option(found, options) if say is _unknown_option else say(found)
    shorter = _without_noise(message)
    return translate(message) or (with_options(shorter) if "`" in message else shorter)


def known(message: str) -> str | None:
    """What to say of an error which the user can mend although Python does not tell so by its class.

    Args:
        message: Of the error.
    """
    return next((say(found) for pattern, say in FULL if (found := re.search(pattern, message))), translate(message))


def _unknown_argument(found: re.Match[str]) -> str:
    kind, option = found[1], found[2]
    options = _options(kind)
    if not options:
        return f"'{option}' is an option of a class that is not named. Name it, or give a --config that does."
    where = f"Since version 0.2 it is --model.{MOVED[option]}." if option in MOVED else _choices(option, options)
    return f"{kind.rpartition('.')[2]} has no option '{option}'. {where}"


def _missing(found: re.Match[str]) -> str:
    names = [name.rpartition(".")[2] for name in found[1].split(", ")]
    if "Parser key" in found.string:
        return f"The class that --{re.findall(KEY, found.string)[0]} names needs {', '.join(names)} as well."
    choices = [
        f"--{name} is one of {', '.join(CATALOGUES[name])}; --config {EXAMPLES[name]} chooses one."
        for name in names
        if name in CATALOGUES
    ]
    return " ".join([f"Missing: {', '.join(f'--{name}' for name in names)}.", *choices])


def _unknown_option(found: re.Match[str], options: Sequence[str] | None = None) -> str:
    section, _, name = re.split(r"[ =]", found[1].lstrip("-"))[0].rpartition(".")
    is_known = options is None and section in SECTIONS
    legal = options or (list(arguments_of(SECTIONS[section])) if is_known else TOP)
    word = section if options is None and section and not is_known else name
    close = difflib.get_close_matches(word, legal, n=1, cutoff=0.4 if options else 0.6)  # of few
    meant = "".join(f"Did you mean --{f'{section}.' * is_known}{match}? " for match in close)
    return f"There is no option '{found[1]}'. {meant}--help and --print_config show those that there are."


def _memory(found: re.Match[str]) -> str:
    size = f"{int(found[1]) / 2**30:,.1f} GiB" if found[1] else found[2] or "this"
    return (
        f"There is not enough memory for {size}. Use smaller networks (such as --model.width), fewer images at once "
        "(--batch_size of generate; --data.batch_size, --evaluation.batch_size), or --model.accumulate, which splits a "
        "batch."
    )


def _disk(found: re.Match[str]) -> str:
    what = f"'{found[1]}'" if found[1] else "a file"
    return (
        f"There is no room on the disk for {what}. Make some, or write elsewhere (--trainer.default_root_dir, --out)."
    )


def _bad_value(found: re.Match[str]) -> str:
    """What is wrong with the value of an option, of which jsonargparse says the innermost last."""
    keys = re.findall(KEY, found.string)
    words = [word for key in keys for word in key.split(".") if word != "init_args"]
    option = ".".join(word for k, word in enumerate(words) if words[k - 1 : k] != [word])
    noun, base = PARTS.get(words[-1], (words[-1].removesuffix("s"), None))
    legal = names_of(base) if base else CATALOGUES.get(words[-1], ())
    message = found.string[found.string.rindex("Parser key") :]
    given = re.search(r"(?:Given|Got) value: (?:NestedArg\(.*val=)?(.*?)'?\)?$", message, re.MULTILINE)
    problem = Problem(option, noun, given[1].lstrip("'") if given else "", legal)
    for pattern, say in RULES_OF_VALUES:
        if matched := re.search(pattern, message):
            return say(matched, problem)
    errors = message.partition("Given value type")[0]
    expected = [text for text in re.findall(r"Expected a (.*?)(?:\. Got|\n|$)", errors) if not text.startswith(IGNORED)]
    if expected:
        finite = " that is finite" * (problem.value in {"nan", "inf", "-inf"})
        return (
            f"--{option} must be {LEGAL.get(option) or ' or '.join(map(_kind, expected))}{finite}, got {problem.value}."
        )
    return f"--{option}: {_without_noise(errors)}"


def _unknown_class(found: re.Match[str], problem: Problem) -> str:
    choices = _choices(found[1], problem.legal) if problem.legal else "Give its import path."
    return f"There is no {problem.noun} '{found[1]}'. {choices}"


def _not_imported(found: re.Match[str], problem: Problem) -> str:
    return f"--{problem.option}: {found[0]}. Run the command in the folder that holds it, or install it."


def _other_class(found: re.Match[str], problem: Problem) -> str:
    path = re.search(r"'class_path': '([^']+)'", problem.value)
    name = path[1] if path else problem.value
    return f"--{problem.option}: {name} is no {NOUNS.get(found[1], found[1])}. {_choices(name, problem.legal)}"


def _abstract(found: re.Match[str], problem: Problem) -> str:
    name = problem.value or "the class"
    return f"--{problem.option}: {name} is only a base of others. {_choices(name, problem.legal)}"


def _no_class(found: re.Match[str], problem: Problem) -> str:
    return (
        f"--{problem.option} must be the name of a class, {_noun(found[1])}, got {problem.value}. "
        f"{_choices(problem.value, problem.legal)}"
    )


def _no_options(found: re.Match[str], problem: Problem) -> str:
    return f"--{problem.option} must hold options by name, or be a file that does, got {found[1]}."


FULL: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"you tried to allocate (\d+) bytes|(?:[Tt]ried|Unable) to allocate ([\d.,]+ \w+)", _memory),
    (r"out of memory|ALLOC_FAILED|size calculation overflowed|multiplication overflow()()", _memory),
    (r"(?:No space left on device|Disk quota exceeded)(?:: '(.*)')?|PytorchStreamWriter failed|unexpected pos", _disk),
)
KEY = r'Parser key "([\w.]+)"'
SECTIONS: dict[str, Any] = {"trainer": Trainer, **CALLBACKS}
TOP = ("config", "model", "data", "ckpt_path", "run_name", "init_from", "seed_everything", *SECTIONS)
"""Options that are in no section."""
IGNORED = ("<class 'NoneType'>", "path")
"""What would be legal as well, but is no help."""
RULES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    *FULL,
    (r".*class_path '([\w.]+)':\s+Option '([\w.]+)' is not accepted", _unknown_argument),  # the innermost
    (r"arguments are required: ([^\n]*)", _missing),
    (r"argument (?:\S+/)?(--?[\w.+-]+): expected one argument", lambda found: f"{found[1]} needs a value."),
    (r"(?:does not accept option|[Uu]nrecognized arguments:) '?([^'\n]*)", _unknown_option),
    (r"(-?\d+) is not in bounds, numpy", lambda found: f"--seed_everything must be {SEED}, got {found[1]}."),
    (KEY, _bad_value),
)
"""What to say instead of jsonargparse, by a pattern of what it says; the first that fits."""
RULES_OF_VALUES: tuple[tuple[str, Callable[[re.Match[str], Problem], str]], ...] = (
    (r"Expected a dot import path string: (\S+)", _unknown_class),
    (r"No module named '(\S+)'", _not_imported),
    (r"does not correspond to a subclass of (\w+)", _other_class),
    (r"Expected an instantiatable class", _abstract),
    (r"RichProgressBar", lambda found, problem: str(translate(found[0]))),
    (r"cannot represent an object", lambda found, problem: str(translate(found.string))),
    (r"Not a valid subclass of (\w+)\n\s*Subclass types", _no_class),
    (r'Unable to load config "(.*)"', _no_options),
)


def _kind(expected: str) -> str:
    """A type in words."""
    if expected.startswith("typing.Literal"):
        return f"one of {expected.partition('[')[2].rstrip(']')}".replace("'", "")
    if found := re.fullmatch(r"tuple(?: with (\d+) elements)?", expected):
        return f"a list of {found[1]}" if found[1] else "a list"
    found = re.fullmatch(r"<class '([\w.]+)'>", expected)
    return KINDS.get(found[1].rpartition(".")[2], found[1]) if found else f"a {expected}"


def _noun(kind: str) -> str:
    """A class in words, with its article."""
    noun = NOUNS.get(kind, kind)
    return f"{'an' if noun[0] in 'AEIO' else 'a'} {noun}"


def _without_noise(message: str) -> str:
    lines = [line.strip().removeprefix("- ") for line in message.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(NOISE)) or message.strip()


def _options(class_path: str) -> list[str]:
    """The options of a class."""
    kind: Any = pydoc.locate(class_path)
    return sorted(arguments_of(kind).keys() - NOT_OPTIONS)


def _choices(word: str, legal: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, legal, n=1)
    listed = f"Choose from: {', '.join(legal)}." if legal else "Give the name of one, or its import path."
    return "".join(f"Did you mean {match}? " for match in close) + listed


def fail(message: str, options: Sequence[str] | None = None) -> NoReturn:
    """End the program with status 2 and one message, see :func:`explain`."""
    print(f"gan-lightning: error: {explain(message, options)}\n(GAN_LIGHTNING_DEBUG=1 shows where.)", file=sys.stderr)
    sys.exit(2)
