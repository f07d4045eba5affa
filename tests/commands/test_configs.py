"""Configurations by name, and what is wrong with a file."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from gan_lightning.commands.configs import find_configs, names
from gan_lightning.commands.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_names_are_those_of_the_files() -> None:
    files = (path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml"))
    assert names() == sorted(path.with_suffix("").as_posix() for path in files if path.parts[0] != "sweep")


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("form", ["{}", "{}.yaml", "configs/{}.yaml", "./configs/{}.yaml"])
def test_every_configuration_has_a_name(name: str, form: str) -> None:
    (path,) = find_configs([f"--config={form.format(name)}"])
    assert path.endswith(f"/configs/{name}.yaml")
    assert find_configs(["--config", form.format(name), "--x=1"]) == [path, "--x=1"]


@pytest.mark.parametrize("name", [name for name in names() if name.startswith(("model/", "experiment/", "quick"))])
def test_a_training_ends_by_updates_whatever_the_data(name: str) -> None:
    trainer = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())["trainer"]
    assert trainer["max_steps"] > 0
    assert "max_epochs" not in trainer  # or --trainer.max_steps would not be what ends a run of few images


@pytest.mark.parametrize("option", ["--config", "-c", "--conf"])
def test_several_configurations_are_found_in_their_order(option: str) -> None:
    found = find_configs(["--config=quickstart", "--model.lr", "1", option, "model/wgan", f"{option}=trainer/cpu"])
    names = [Path(word).stem if word.endswith(".yaml") else word for word in found]
    assert names == ["quickstart", "--model.lr", "1", "wgan", "cpu"]


@pytest.mark.parametrize("options", [["--out", "quickstart"], ["--config"], ["--config", "--help"], ["--configs=x"]])
def test_other_options_stay(options: list[str]) -> None:
    assert find_configs(options) == options


def test_a_file_comes_before_a_name_and_a_folder_does_not() -> None:
    Path("quickstart").write_text("trainer:\n  max_steps: 1\n")
    Path("data/mnist").mkdir(parents=True)
    assert find_configs(["--config", "quickstart"]) == ["--config=quickstart"]
    assert find_configs(["--config", "data/mnist"])[0].endswith("/configs/data/mnist.yaml")


def test_a_file_may_name_others_which_it_changes() -> None:
    Path("sub").mkdir()
    Path("sub/a.yaml").write_text("config: [model/wgan, b.yaml]\nmodel:\n  init_args:\n    lr: 1e-4\n")
    Path("sub/b.yaml").write_text("config: null\ntrainer:\n  max_steps: 3\n")
    wgan, beside, own = find_configs(["--config", "sub/a.yaml"])
    assert wgan.endswith("/configs/model/wgan.yaml")
    assert yaml.safe_load(beside.partition("=")[2]) == {"trainer": {"max_steps": 3}}
    assert own == "--config=model:\n  init_args:\n    lr: 1e-4\n"
    Path("c.yaml").write_text("config: sub/a.yaml\n")
    assert find_configs(["--config=c.yaml"])[:3] == [wgan, beside, own]


def test_a_file_that_names_itself_is_refused() -> None:
    Path("a.yaml").write_text("config: b.yaml\n")
    Path("b.yaml").write_text("config: a.yaml\n")
    with pytest.raises(ValueError, match=r"'a.yaml' names itself by its key 'config'"):
        find_configs(["--config", "a.yaml"])


def test_a_pipe_is_left_to_be_read_once() -> None:
    os.mkfifo("pipe")
    assert find_configs(["--config", "pipe"]) == ["--config=pipe"]


def test_options_in_yaml_are_looked_at_and_kept() -> None:
    assert find_configs(["--config", '{"trainer": {"max_steps": 1}}']) == ['--config={"trainer": {"max_steps": 1}}']
    with pytest.raises(ValueError, match=r"--config is no configuration: 'a' stands twice, in lines 1 and 1"):
        find_configs(["--config", "{a: 1, a: 2}"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it must hold options by name, such as 'trainer:', but holds nothing."),
        (b"# a comment\n", "holds nothing"),
        (b"- 1\n- 2\n", "holds a list"),
        (b"hello\n", "holds a single value"),
        (b"\xff\xfe\x00\x81", "is not text"),
        (b"a\x00b", "is not text"),
        (b"trainer: [1\n", "is not YAML: expected ',' or ']', but got '<stream end>' in line 2."),
        (b"trainer:\n\tmax_steps: 1\n", "in line 2. Indent by spaces, not by tabs."),
        (b"a: 1\n---\nb: 2\n", "is not YAML: but found another document in line 2."),
        (b"trainer:\n  max_steps: 1\n  max_steps: 2\n", "'max_steps' stands twice, in lines 2 and 3. Leave one"),
        (b"data: {}\nmodel:\n  a: 1\ndata: {}\n", "'data' stands twice, in lines 1 and 4."),
        (b"a:\n  - b: 1\n    b: 2\n", "'b' stands twice, in lines 2 and 3."),
        (b"model:\n  class_path: DCGAN\n  init_args: null\n", "init_args in line 3 must hold arguments by name."),
        (b"model:\n  class_path: DCGAN\n  init_args: 5\n", "init_args in line 3 must hold arguments by name."),
        (b"model:\n  class_path:\n", "class_path in line 2 must be the name of a class."),
        (b"model:\n  class_path: [DCGAN]\n", "class_path in line 2 must be the name of a class."),
        (b"model:\n  class_path: DCGAN\n  width: 3\n", "'width' in line 3 stands beside class_path."),
        (b"trainer: 5\n", "trainer in line 1 must hold options by name."),
        (b"\nevaluation: []\n", "evaluation in line 2 must hold options by name."),
        (b"5: 3\n", "The key in line 1 must be a word."),
        (b"? [a]\n: 3\n", "The key in line 1 must be a word."),
        (b"a: !foo 3\n", "The tag !foo in line 1 is not plain YAML."),
        (b"a: !!python/name:os.system\n", "The tag python/name:os.system in line 1 is not plain YAML."),
        (b"a: &a [*a]\n", "The alias of line 1 stands within what it names."),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(content: bytes, said: str) -> None:
    Path("mine.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=r"^'mine\.yaml' is n") as caught:
        find_configs(["--config", "mine.yaml"])
    assert said in str(caught.value)


@pytest.mark.parametrize("content", ["a: &a {b: 1}\nc: {<<: *a}\nd: *a\n", "trainer: t.yaml\n", "a: {x: null}\n"])
def test_plain_yaml_is_kept(content: str) -> None:
    Path("mine.yaml").write_text(content)
    assert find_configs(["--config", "mine.yaml"]) == ["--config=mine.yaml"]


def test_no_such_file_or_name() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no file 'quikstart', .* Did you mean quickstart\? Choose from: data/"
    ):
        find_configs(["--config=quikstart"])
    Path("folder").mkdir()
    with pytest.raises(ValueError, match=r"--config must be a file, but 'folder' is a folder\. "):
        find_configs(["--config=folder"])
    with pytest.raises(OSError, match=r"--config 'x{300}' cannot be read: File name too long"):
        find_configs([f"--config={'x' * 300}"])


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "sweep").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_command_of_an_agent_of_a_sweep_parses(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = pytest.importorskip("wandb.sdk.launch.sweeps.utils")  # what turns a sweep into commands
    sweep = yaml.safe_load(path.read_text())
    drawn = {name: {"value": told.get("values", [told.get("max")])[0]} for name, told in sweep["parameters"].items()}
    words = agent.create_sweep_command(sweep["command"])
    args = agent.create_sweep_command_args({"args": drawn})["args"]
    command = [part for word in words for part in (args if word == "${args}" else [word])]
    assert command[0] == sweep["program"] == "gan-lightning"
    with pytest.raises(SystemExit) as caught:
        main([*command[1:], "--print_config"])
    assert not caught.value.code
    config = yaml.safe_load(capsys.readouterr().out)
    for name, told in drawn.items():
        value: Any = config
        for key in name.split("."):
            value = value.get("init_args", value)[key] if key not in value else value[key]
        assert value == yaml.safe_load(str(told["value"]))
