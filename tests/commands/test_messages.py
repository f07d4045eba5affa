"""Bad input, through the command: one message that names the option, the value, what is legal and the cure."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_lightning.commands.main import main
from gan_lightning.commands.messages import explain, known

Failing = Callable[..., str]
FIT = ["fit", "--config=data/mnist_sample", "--config=model/dcgan", "--model.width=4", "--trainer.max_steps=2"]
TINY = ["--trainer.accelerator=cpu", "--data.batch_size=8", "--evaluation.num_samples=0", "--trainer.devices=1"]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Failing:
    """Runs a command that must end in one message; returns the message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gan-lightning"])

    def run(*args: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main([*args])
        assert caught.value.code == 2
        message, debug = capsys.readouterr().err.removeprefix("gan-lightning: error: ").splitlines()
        assert debug == "(GAN_LIGHTNING_DEBUG=1 shows where.)"
        return message

    return run


CALLBACK = "--trainer.callbacks+="


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trainer.gradient_clip_val=1"], "use --model.generator_optimizer.clip_norm and --model.discriminator_opt"),
        (["--trainer.accumulate_grad_batches=2"], "--trainer.accumulate_grad_batches is not for GANs: --model.accumul"),
        (["--trainer.enable_checkpointing=false"], "leave --trainer.enable_checkpointing out"),
        (["--trainer.barebones=true"], "--trainer.barebones forbids loggers"),
        ([f"{CALLBACK}TQDMProgressBar"], "A run has a progress bar of its own, --progress.refresh_rate"),
        ([f"{CALLBACK}RichProgressBar"], "A run has a progress bar of its own, --progress.refresh_rate"),
        ([f"{CALLBACK}StochasticWeightAveraging", "--trainer.callbacks.swa_lrs=0.01"], "--model.ema_decay averages"),
        ([f"{CALLBACK}LearningRateFinder"], "Give --model.lr."),
        ([f"{CALLBACK}BatchSizeFinder"], "give --data.batch_size."),
        ([f"{CALLBACK}Timer"], "give --trainer.max_time DD:HH:MM:SS."),
        ([f"{CALLBACK}EarlyStopping"], "The class that --trainer.callbacks names needs monitor as well."),
        ([f"{CALLBACK}Foo"], "There is no callback 'Foo'. Give its import path."),
        ([f"{CALLBACK}os.system"], "--trainer.callbacks: os.system is no Callback."),
        (["--trainer.limit_val_batches=2.5"], "invalid value 2.5 for --trainer.limit_val_batches, it has to be in"),
        (["--trainer.accelerator=tpu"], "set --trainer.accelerator to auto or cpu."),
        (["--trainer.accelerator=foo"], "invalid accelerator name: --trainer.accelerator='foo'."),
        (["--trainer.devices=0"], "--trainer.devices must be an integer of at least 1, or auto"),
        (["--trainer.devices=abc"], "--trainer.devices must be an integer of at least 1, or auto"),
        (["--trainer.max_steps=-5"], "--trainer.max_steps must be a non-negative integer or -1"),
        (["--trainer.max_steps=1.5"], "--trainer.max_steps must be an integer, got 1.5."),
        (["--trainer.max_time=abc"], "--trainer.max_time must be DD:HH:MM:SS, got abc."),
        (["--trainer.profiler=foo"], "--trainer.profiler must be one of ['simple', 'advanced', 'pytorch', 'xla']."),
        (["--trainer.strategy=fsdp"], "--trainer.strategy fsdp is not for GANs. Use gan_ddp"),
        (["--trainer.strategy=foo"], "--trainer.strategy foo is not for GANs. Use gan_ddp"),
        (["--trainer.fast_dev_run=-1"], "--trainer.fast_dev_run=-1 is not a valid configuration."),
        (["--trainer.precision=12"], "--trainer.precision must be one of 32-true"),
        (["--trainer=5"], "--trainer must hold options by name, or be a file that does, got 5."),
        (["--trainer.max_stepz=3"], "There is no option '--trainer.max_stepz=3'. Did you mean --trainer.max_steps?"),
        (["--evaluation.num_sampels=3"], "Did you mean --evaluation.num_samples?"),
        (["--trianer.max_steps=3"], "Did you mean --trainer?"),
        (["--last.every_n_steps=-1"], "--last.every_n_steps must be at least 0, got -1."),
        (["--seed_everything=-1"], "--seed_everything must be an integer from 0 to 4294967295, got -1."),
        (["--seed_everything=1180591620717411303424"], "--seed_everything must be an integer from 0 to 4294967295"),
        (["--seed_everything=abc"], "--seed_everything must be an integer from 0 to 4294967295, got abc."),
        (["--model.lr=nan"], "--model.lr must be a number that is finite, got nan."),
        (["--model.betas=[0.5]"], "--model.betas must be a list of 2, got [0.5]."),
        (["--model.width"], "--model needs a value."),
        (["--model=os.system"], "--model: os.system is no GAN. Choose from: ACGAN"),
        (["--model=mypkg.Foo"], "--model: No module named 'mypkg'. Run the command in the folder that holds it"),
        (["--model=5"], "There is no model '5'. Choose from: ACGAN"),
        (["--model.loss=os.system"], "--model.loss: os.system is no AdversarialLoss. Choose from: "),
        (["--data=torch.nn.Linear"], "--data: torch.nn.Linear is no data module. Choose from: CIFAR10DataModule"),
        (["--data=ImageDataModule"], "ImageDataModule is only a base of others."),
    ],
)
def test_a_bad_option_is_told_as_it_was_typed(failing: Failing, options: list[str], said: str) -> None:
    assert said in failing(*FIT, *TINY, *options)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate", "--evaluation.num_samples", "100"], "'--evaluation.num_samples 100'. Did you mean --num?"),
        (["generate", "--number=4"], "'--number=4'. Did you mean --num?"),
        (["generate", "--trainer.devices=1"], "'--trainer.devices=1'. Did you mean --device?"),
        (["evaluate", "--data=MNISTSampleDataModule", "--checkpoint=x"], "'--checkpoint=x'. Did you mean --ckpt_path?"),
        (["export", "--zzz=1"], "There is no option '--zzz=1'. --help"),
    ],
)
def test_what_a_command_does_not_have_is_answered_with_what_it_has(
    failing: Failing, words: list[str], said: str
) -> None:
    assert said in failing(*words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model:\n  class_path: os.system\n", "--model: os.system is no GAN."),
        ("model:\n  class_path: DCGAN\n  init_args:\n    foo:\n      bar: 1\n", "DCGAN has no option 'foo.bar'."),
        ("model: 5\n", "--model must be the name of a class, a GAN, got 5."),
        ("data: []\n", "--data must be the name of a class, a data module, got []."),
        ("trainer: null\n", "'bad.yaml' is no configuration: trainer in line 1 must hold options by name."),
        ("trainer: abc\n", "--trainer must hold options by name, or be a file that does, got abc."),
        ("max_steps: 3\n", "There is no option 'max_steps'."),
        ("trainer:\n  max_stepz: 3\n", "There is no option 'trainer.max_stepz'. Did you mean --trainer.max_steps?"),
        ("trainer:\n  max_steps: yes\n", "--trainer.max_steps must be an integer, got True."),
    ],
)
def test_a_bad_file_is_one_message(failing: Failing, text: str, said: str) -> None:
    Path("bad.yaml").write_text(text)
    assert said in failing(*FIT, *TINY, "--config=bad.yaml")


def test_what_is_missing_is_told_with_what_there_is(failing: Failing) -> None:
    message = failing("fit")
    assert message.startswith("Missing: --data, --model. --data is one of CIFAR10DataModule")
    assert "--config model/dcgan chooses one" in message
    assert " ImageDataModule" not in message
    assert "'num' is an option" not in message
    assert "'root' is an option of a class that is not named." in failing("check-data", "--data.root=x")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried to allocate "
         "8589934592 bytes. Error code 12", "There is not enough memory for 8.0 GiB."),
        ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has", "There is not enough memory for 20.00 MiB."),
        ("CUDA error: out of memory", "There is not enough memory for this."),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", "There is not enough memory for this."),
        ("Storage size calculation overflowed with sizes=[9]", "There is not enough memory for this."),
        ("[enforce fail at inline_container.cc:1] . PytorchStreamWriter failed writing file data/5: file write failed",
         "There is no room on the disk for a file."),
        ("[Errno 122] Disk quota exceeded: 'runs/a'", "There is no room on the disk for 'runs/a'."),
        ("Early stopping conditioned on metric `val/x` which is not available", "A callback waits for the score val"),
    ],
)  # fmt: skip
def test_errors_of_a_full_machine_are_known(message: str, said: str) -> None:
    assert str(known(message)).startswith(said)
    assert explain(message).startswith(said)


@pytest.mark.parametrize("message", ["mat1 and mat2 shapes cannot be multiplied", "Expected all tensors on one device"])
def test_faults_of_the_program_are_not(message: str) -> None:
    assert known(message) is None
