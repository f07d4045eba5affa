"""Several processes through the command line: signals, and two nodes whose link is cut."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

Compare = Callable[[Any, Any], bool]
CONFIGS = Path(__file__).parents[1] / "configs"
pytestmark = pytest.mark.slow


def command(folder: Path, name: str, steps: int, *options: str) -> list[str]:
    """The arguments of a small training in a folder."""
    files = [CONFIGS / "data" / "mnist_sample.yaml", CONFIGS / "model" / "dcgan.yaml"]
    numbers = ["--model.width=4", "--data.batch_size=4", "--last.every_n_steps=5", f"--trainer.max_steps={steps}"]
    place = [f"--trainer.default_root_dir={folder}", f"--run_name={name}", "--ckpt_path=last"]
    quiet = ["--trainer.accelerator=cpu", "--trainer.limit_val_batches=0", "--trainer.enable_progress_bar=false"]
    configs = [word for file in files for word in ("--config", str(file))]
    return ["fit", *configs, *numbers, *place, *quiet, *options]


def start(arguments: list[str], prefix: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
    """Run the command in a process of its own."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_steps(checkpoint: Path, process: subprocess.Popen[str]) -> None:
    """Until a run has saved."""
    until = time.monotonic() + 120
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until, "it saved nothing"
        time.sleep(0.1)


def state(folder: Path, name: str) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(folder / name / "checkpoints" / "last.ckpt")
    return {part: checkpoint[part] for part in ("state_dict", "optimizer_states", "global_step")}


def kill_group(process: subprocess.Popen[str], number: int) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_two_processes_that_are_ended_go_on_to_the_same_end(
    tmp_path: Path, number: signal.Signals, identical: Compare
) -> None:
    two, steps = "--trainer.devices=2", 400
    whole = start(["gan_lightning", *command(tmp_path, "whole", steps, two)])
    output, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, output
    stopped = start(["gan_lightning", *command(tmp_path, "stopped", steps, two)])
    checkpoint = tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    wait_for_steps(checkpoint, stopped)
    if number == signal.SIGTERM:
        stopped.send_signal(number)  # to one process alone
    else:
        kill_group(stopped, number)
    stopped.communicate(timeout=120)
    assert stopped.returncode == (143 if number == signal.SIGTERM else -number)
    reached = torch.load(checkpoint)["global_step"]
    assert 0 < reached < steps
    assert reached % 5 == 0 or number == signal.SIGTERM
    resumed = start(["gan_lightning", *command(tmp_path, "stopped", steps, two)])
    output, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, output
    assert identical(state(tmp_path, "stopped"), state(tmp_path, "whole"))


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def nodes() -> Iterator[list[str]]:
    """Two network namespaces with a link between them: their names."""
    names = [f"gan{os.getpid()}{side}" for side in "ab"]
    if shutil.which("ip") is None:
        pytest.skip("two nodes need the ip command of iproute2")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "gan0", "netns", names[0], "type", "veth", "peer", "gan0", "netns", names[1])
    except subprocess.CalledProcessError as error:
        pytest.skip(f"two nodes need the right to make network namespaces: {error.stderr}")
    else:
        for number, name in enumerate(names):
            ip("-n", name, "address", "add", f"10.213.7.{number + 1}/24", "dev", "gan0")
            for device in ("lo", "gan0"):
                ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def torchrun(nodes: list[str], folder: Path, name: str, steps: int, timeout_s: float) -> list[subprocess.Popen[str]]:
    """One process on each node."""
    strategy = folder / "strategy.yaml"
    init_args = {"timeout_s": timeout_s}
    config = {"class_path": "gan_lightning.engine.strategies.GANDDPStrategy", "init_args": init_args}
    strategy.write_text(yaml.safe_dump({"trainer": {"strategy": config, "num_nodes": 2, "devices": 1}}))
    launcher = ["torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--master-addr=10.213.7.1"]
    arguments = command(folder, name, steps, f"--config={strategy}")
    return [
        start(
            [*launcher, f"--node-rank={rank}", "--master-port=29513", "-m", "gan_lightning", *arguments],
            ("ip", "netns", "exec", node),
            GLOO_SOCKET_IFNAME="gan0",
        )
        for rank, node in enumerate(nodes)
    ]


def test_two_nodes_whose_link_is_cut_end_in_time_and_finish_exactly_when_started_again(
    nodes: list[str], tmp_path: Path, identical: Compare
) -> None:
    steps, timeout_s = 300, 10.0
    running: list[subprocess.Popen[str]] = []
    try:
        running = torchrun(nodes, tmp_path, "whole", steps, timeout_s)
        for process in running:
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output
        running = torchrun(nodes, tmp_path, "cut", steps, timeout_s)
        wait_for_steps(tmp_path / "cut" / "checkpoints" / "last.ckpt", running[0])
        ip("-n", nodes[0], "link", "set", "gan0", "down")
        cut = time.monotonic()
        outputs = [process.communicate(timeout=180)[0] for process in running]
        assert time.monotonic() - cut < timeout_s + 60  # torchrun itself gives its processes 30 s
        assert all(process.returncode not in {0, None} for process in running)
        missing = [output for output in outputs if "gan-lightning: error: This process lost the others: " not in output]
        assert not missing, "\n".join(missing)
        assert torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt")["global_step"] < steps
        ip("-n", nodes[0], "link", "set", "gan0", "up")
        running = torchrun(nodes, tmp_path, "cut", steps, timeout_s)
        for process in running:
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output
    finally:
        for process in running:
            kill_group(process, signal.SIGKILL)
    assert identical(state(tmp_path, "cut"), state(tmp_path, "whole"))
