"""`robomem train`: learn a policy that remembers, by imitation, and score it."""

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from robomem.cli.command import joined
from robomem.cli.output import print_facts, print_json
from robomem.cli.progress import ProgressLine
from robomem.errors import ConfigError, MissingExtraError
from robomem.replay import Progress

if TYPE_CHECKING:
    from robomem.policy.datasets.reading import Dataset
    from robomem.policy.training.demonstrations import Recorded
    from robomem.policy.training.evaluation import Score
    from robomem.policy.training.imitation import Imitation
    from robomem.policy.training.runs import OnStep
    from robomem.policy.training.settings import Setting, TrainingSettings
    from robomem.policy.training.sharing import Share

OPTIONS = {  # of the settings that have one of their own; the others are typed after --learn
    "task_settings": "--set",
    "mixture": "--mix",
    "policy": "--policy",
    "policy_settings": "--policy-set",
    "memory_settings": "--memory-set",
    "seed": "--seed",
    "steps": "--steps",
    "minutes": "--minutes",
    "batch": "--batch",
    "attention_weight": "--supervise-attention",
}


def run(args: Namespace) -> int:
    """Train, score at the settings it learned with and at those of --test, tell."""
    try:
        from robomem.policy.training.sharing import set_threads, shared
    except ImportError as err:
        raise MissingExtraError(f"no training ({err}): pip install 'robomem[train,sim]'") from err
    if args.threads is not None:
        set_threads(args.threads)
    dataset = _dataset(args)
    settings = _settings(args, dataset)
    _check_tests(args.test, settings)
    with shared(args.device) as share:
        trained = _trained(args, settings, share, _recorded(dataset))
        if share.is_first:
            if not args.quiet:
                print(f"robomem: scoring it in {args.episodes} new episodes", file=sys.stderr)
            _tell(args, trained, _scores(args, trained))
    return 0


def _dataset(args: Namespace) -> "Dataset | None":
    """Return the data set to learn from, of which no frame was read yet; None where an expert is asked."""
    if args.dataset is None:
        return None
    from robomem.policy.datasets.reading import read_dataset

    return read_dataset(Path(args.dataset))


def _recorded(dataset: "Dataset | None") -> "Recorded | None":
    if dataset is None:
        return None
    from robomem.policy.training.recorded import RecordedEpisodes

    return partial(RecordedEpisodes, dataset)


def _settings(args: Namespace, dataset: "Dataset | None" = None) -> "TrainingSettings":
    from robomem.policy.training.settings import settings_from

    given = {
        "task": args.task,
        "task_settings": joined(args.set),
        "mixture": args.mix,
        "policy": args.policy,
        "policy_settings": joined(args.policy_set),
        "memory": args.memory,
        "memory_settings": joined(args.memory_set),
        "seed": args.seed,
        "steps": args.steps,
        "minutes": args.minutes,
        "batch": args.batch,
        "attention_weight": args.supervise_attention,
    }
    of_set = {} if dataset is None else {"dataset": dataset.digest, "episodes": len(dataset)}
    return settings_from({**given, **of_set, **joined(args.learn)})


def _check_tests(tests: Sequence[Mapping[str, "Setting"]], settings: "TrainingSettings") -> None:
    """Raise ConfigError where what is trained could not be scored: now, not hours later."""
    from robomem.policy.training.tasks import make_task, shape_of

    shapes = [
        shape_of(make_task(settings.task, {**settings.task_settings, **test}))
        for test in ({}, *tests)
    ]
    for test, shape in zip(tests, shapes[1:], strict=True):
        if shape != shapes[0]:
            raise ConfigError(f"--test {_typed(test)} is {shape}, what is trained {shapes[0]}")


def command_of(settings: "TrainingSettings") -> str:
    """Return the command that trains with these settings; which folders it reads and writes it does not know."""
    usual = asdict(type(settings)(task=settings.task, memory=settings.memory))
    told = {name: value for name, value in asdict(settings).items() if value != usual[name]}
    words = ["robomem train", settings.task, f"--memory {settings.memory}"]
    if told.pop("dataset", ""):
        words.append("--dataset SET")
    for name, option in OPTIONS.items():
        if name in told:
            given = told.pop(name)
            for each in given if isinstance(given, tuple) else (given,):
                words.append(f"{option} {_typed(each) if isinstance(each, dict) else each}")
    return " ".join([*words, *([f"--learn {_typed(told)}"] if told else []), "-o DIR"])


def _typed(settings: Mapping[str, "Setting"]) -> str:
    return ",".join(
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in settings.items()
    )


def _trained(
    args: Namespace, settings: "TrainingSettings", share: "Share", recorded: "Recorded | None"
) -> "Imitation":
    from robomem.policy.training.runs import train

    line = None if args.quiet or not share.is_first else ProgressLine(sys.stderr)
    try:
        return train(
            settings,
            Path(args.out),
            recorded=recorded,
            share=share,
            resumes=args.resume,
            with_bf16=args.bf16,
            with_tensorboard=args.tensorboard,
            on_step=None if line is None else _told_to(line),
        )
    finally:
        if line is not None:
            line.finish()


def _told_to(line: ProgressLine) -> "OnStep":
    """Return what writes each step on a line."""
    from robomem.policy.training.runs import Told

    def on_step(told: Told) -> None:
        note = f"step {told.step:,}, loss {told.loss:.3g}, {told.agreement:.1%} as the expert"
        line(Progress(told.fraction, items=told.step, observed=told.step, rejected=0), note=note)

    return on_step


def _scores(args: Namespace, trained: "Imitation") -> dict[str, "Score"]:
    """Return the score at each setting of the task, by its words."""
    from robomem.policy.training.evaluation import evaluate

    settings = trained.settings
    return {
        _words(test) or "as trained": evaluate(
            trained.agent,
            settings.task,
            {**settings.task_settings, **test},
            episodes=args.episodes,
            seed=settings.seed,
        )
        for test in ({}, *args.test)
    }


def _tell(args: Namespace, trained: "Imitation", scores: Mapping[str, "Score"]) -> None:
    agent, done = trained.agent, trained.progressed
    parameters, state_bytes = sum(p.numel() for p in agent.parameters()), agent.state_bytes
    if args.json:
        print_json(
            {
                "settings": asdict(trained.settings),
                "progressed": asdict(done),
                "parameters": parameters,
                "state_bytes": state_bytes,
                "scores": {words: asdict(score) for words, score in scores.items()},
            }
        )
        return
    print_facts(
        [
            ("weights", str(Path(args.out) / "model.safetensors")),
            ("steps", f"{done.step:,}, {done.cpu_s / 60:.1f} CPU minutes"),
            ("parameters", f"{parameters:,}"),
            ("state", f"{state_bytes:,} bytes"),
            *((words, _score_words(score)) for words, score in scores.items()),
        ]
    )


def _score_words(score: "Score") -> str:
    return (
        f"{score.mean:.3f} ± {score.error:.3f} in {score.episodes} episodes; "
        f"oracle {score.oracle:.3f}, chance {score.chance:.3f}"
    )


def _words(settings: Mapping[str, "Setting"]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
