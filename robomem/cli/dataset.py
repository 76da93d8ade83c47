"""`robomem dataset`: record demonstrations in the layout of LeRobot 3.0, or tell of a data set."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from robomem.cli.command import joined
from robomem.cli.output import print_facts, print_json
from robomem.cli.progress import ProgressLine
from robomem.errors import ConfigError, MissingExtraError
from robomem.replay import Progress

if TYPE_CHECKING:
    from robomem.policy.datasets.layout import Episode
    from robomem.policy.datasets.reading import Dataset


def run(args: Namespace) -> int:
    """Record a data set, and tell of it."""
    try:
        from robomem.policy.datasets.reading import read_dataset
    except ImportError as err:
        raise MissingExtraError(f"no data sets ({err}): pip install 'robomem[train]'") from err
    if args.what == "info":
        _tell(args, read_dataset(Path(args.subject)))
        return 0
    if args.folder is None:
        raise ConfigError("where should it go? robomem dataset export TASK -o DIR")
    _record(args, Path(args.folder))
    _tell(args, read_dataset(Path(args.folder)))
    return 0


def _record(args: Namespace, folder: Path) -> None:
    from robomem.policy.datasets.recording import frames_a_second, recorded
    from robomem.policy.datasets.writing import write_dataset

    if not 0 <= args.noise < float("inf"):
        raise ConfigError(f"--noise is 0 or more, got {args.noise}")
    episodes = recorded(
        args.subject,
        joined(args.set),
        episodes=args.episodes,
        seed=args.seed,
        noise=args.noise,
    )
    first, rest = _peeked(episodes)
    line = None if args.quiet else ProgressLine(sys.stderr)
    try:
        write_dataset(
            folder,
            _counted(rest, args.episodes, line),
            fps=frames_a_second(first),
            robot_type=args.subject,
            force=args.force,
        )
    finally:
        if line is not None:
            line.finish()


def _peeked(episodes: Iterator["Episode"]) -> tuple["Episode", Iterator["Episode"]]:
    from itertools import chain

    first = next(episodes)
    return first, chain([first], episodes)


def _counted(
    episodes: Iterable["Episode"], count: int, line: ProgressLine | None
) -> Iterator["Episode"]:
    for done, episode in enumerate(episodes, 1):
        yield episode
        if line is not None:
            line(Progress(done / count, items=done, observed=done, rejected=0))


def _tell(args: Namespace, found: "Dataset") -> None:
    features = {key: str(each) for key, each in found.features.items()}
    if args.json:
        told = {"episodes": len(found), "frames": found.frames, "fps": found.fps}
        print_json(
            {**told, "tasks": found.tasks, "features": features, "unread": list(found.unread)}
        )
        return
    print_facts(
        [
            ("data set", str(found.path)),
            ("episodes", f"{len(found):,}"),
            ("frames", f"{found.frames:,}, {found.fps:g} a second"),
            ("tasks", "; ".join(found.tasks)),
            *features.items(),
            *((key, f"{each}, not read") for key, each in found.unread.items()),
        ]
    )
