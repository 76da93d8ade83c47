"""What can be typed. Imports nothing heavy, so that --help and usage errors are instant."""

import argparse
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Never

from robomem import __version__
from robomem.cli.command import Add, command, episodes, settings
from robomem.cli.policy_commands import add_dataset, add_export_policy, add_serve_policy

BENCHES = {
    "mapping": "this map, OctoMap and Open3D's on the same scans: speed, queries, bytes",
    "memories": "memories of policies: speed, bytes, how much a reversible token holds",
    "memory": "questions about lives of a day and a month, with baselines, against the truth",
    "policy": "milliseconds and memory of a chunk: torch, ONNX Runtime, CUDA and TensorRT",
    "recall-tasks": "tasks that need a memory, learned with each memory: scores, sizes, speed",
    "spatial": "correction, loops, rooms, routes, views and motion against the simulator's truth",
}
KINDS = (  # as QueryKind
    "where", "when", "near", "seen", "changes", "count", "visited", "told", "exists", "gone", "happened", "done",
    "teller", "room", "rooms", "fact",
)  # fmt: skip
QUESTIONS = """\
questions it understands, in many wordings (docs/ask.md has all):
  where did I last see the red mug?        when did you last see the mug?
  what is near the sofa?                   what is within 2 m of (1, -2)?
  what did you see between 9:10 and 9:30?  what changed in the kitchen since yesterday?
  how many chairs are in the bedroom?      how often did the mug move?
  when were you last near (1, 2)?          how long did you stay in the kitchen?
  what was I told about the keys?          who told me about the keys?
  is the mug still on the table?           which rooms have no chair?
  where was the mug before the guests came?

exit code: 0 answered, 1 nothing found, 2 not understood"""

EXPORT_SUFFIXES = (".bt", ".ot", ".ply", ".yaml")
EXPORTS = """\
the suffix of FILE says what is written:
  .bt    OctoMap, whether a voxel is occupied or free
  .ot    OctoMap, with log-odds
  .ply   the occupied voxels as points, with log_odds
  .yaml  a floor map for nav2, its .pgm beside it; of the heights that the memory plans routes in"""
CORRECTIONS = """\
without --poses it looks for places that were seen more than once, and closes the loops between
them; it needs the extra: pip install 'robomem[slam]'

exit code: 0 something moved, 1 nothing did"""
LEVELS = ("own", "known", "unknown", "untrusted")  # as Level
CLAIMS = ("event", "fact", "entity", "experience", "alias")  # as ClaimKind
RULINGS = """\
levels: own (the robot's sensors), known (people who were introduced), unknown, untrusted (the
web, what models write). What the unknown say waits until the robot sees it, or people it knows
say so too; what they said before is judged again when they are introduced."""
TRAININGS = """\
it leaves in DIR: model.safetensors, the weights; checkpoint.safetensors, what --resume goes on
from; log.csv, each step. Ctrl-C leaves a checkpoint, too. It needs: pip install 'robomem[train,sim]'

several GPUs: torchrun --nproc-per-node 4 -m robomem.cli train ... --device cuda"""
MAX_HEIGHT_M = 1e6


class _Parser(argparse.ArgumentParser):
    """A parser whose error is one line with the next step in it."""

    def error(self, message: str) -> Never:
        self.exit(2, f"robomem: {message}: see `{self.prog} --help`\n")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; exits with 0 after --help and --version, with 2 when they are wrong."""
    return _build().parse_args(_joined(argv))


def _joined(argv: Sequence[str]) -> list[str]:
    """Join "--near -1,2" to "--near=-1,2", which argparse would take for an unknown option."""
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] == "--near" and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _build() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="robomem",
        description="The memory of a robot: perceive, remember, ask.",
        epilog='start here: robomem replay RECORDING -o house.rmem; robomem ask house.rmem "..."',
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"robomem {__version__}")
    _add_common(parser)
    parser.set_defaults(debug=False, quiet=False, verbose=0)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        _add_replay,
        _add_ask,
        _add_recall,
        _add_info,
        _add_export,
        _add_correct,
        _add_forget,
        _add_held,
        _add_mcp,
        _add_doctor,
        _add_bench,
        _add_train,
        add_dataset,
        add_export_policy,
        add_serve_policy,
    ):
        made = add(commands.add_parser)
        made.add_argument("--json", action="store_true", help="print one JSON object")
        _add_common(made)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command, which may stand before or after it."""
    common = parser.add_argument_group("messages, on stderr")
    unset = argparse.SUPPRESS  # a command must not reset what was given before it
    common.add_argument("-q", "--quiet", action="store_true", default=unset, help="only errors")
    common.add_argument("-v", "--verbose", action="count", default=unset, help="more; -vv: all")
    common.add_argument("--debug", action="store_true", default=unset, help="tracebacks of errors")


def _add_replay(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "replay", "perceive and remember a recording")
    parser.add_argument("recording", metavar="PATH", help="a ROS bag or a data set folder")
    parser.add_argument(
        "-o", dest="memory", metavar="MEM", required=True, help="the memory to fill"
    )
    parser.add_argument("--config", metavar="FILE", help="settings, TOML")
    return parser


def _add_ask(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "ask", "answer a question in plain English", epilog=QUESTIONS)
    _add_memory(parser)
    parser.add_argument("question", metavar="QUESTION", nargs="+")
    parser.add_argument("--now", metavar="T", help="what ago counts from; else the newest stamp")
    _add_timezone(parser)
    return parser


def _add_recall(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "recall", "list what matches, as a typed query")
    _add_memory(parser)
    parser.add_argument("--kind", choices=KINDS, default="where", help="what to list (where)")
    parser.add_argument("--label", metavar="WORDS", help="the thing: every word is in its label")
    parser.add_argument("--near", metavar="X,Y[,Z]", type=_coordinates, help="metres in map")
    parser.add_argument("--radius", metavar="M", type=float, help="how near, metres")
    parser.add_argument("--since", metavar="T", help='such as "09:10", "5 minutes ago", "t=12.5s"')
    parser.add_argument("--until", metavar="T")
    parser.add_argument("--room", metavar="NAME", help='such as "kitchen"')
    parser.add_argument("--text", metavar="WORDS", help="words of what was told or happened")
    parser.add_argument("--limit", metavar="N", type=int, default=10, help="at most so many (10)")
    _add_timezone(parser)
    return parser


def _add_info(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "info", "tell what a memory holds")
    _add_memory(parser)
    return parser


def _add_export(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "export", "write the map as a file that others read", epilog=EXPORTS)
    _add_memory(parser)
    parser.add_argument(
        "-o", dest="file", metavar="FILE", required=True, type=_export_file, help="what to write"
    )
    parser.add_argument("--z-min", metavar="M", type=_height, help="only what is above, metres")
    parser.add_argument("--z-max", metavar="M", type=_height, help="only what is below, metres")
    return parser


def _add_correct(add: Add) -> argparse.ArgumentParser:
    does = "correct the robot's path, and move what is remembered along with it"
    parser = command(add, "correct", does, epilog=CORRECTIONS)
    _add_memory(parser)
    parser.add_argument("--poses", metavar="FILE", help="take poses of keyframes from a .g2o file")
    return parser


def _add_forget(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "forget", "erase things for good, with their events and images")
    _add_memory(parser)
    parser.add_argument("entity_ids", metavar="ENTITY_ID", type=int, nargs="+")
    parser.add_argument("--yes", action="store_true", help="do not ask first")
    return parser


def _add_held(add: Add) -> argparse.ArgumentParser:
    does = "list what is held back until something confirms it; introduce people, and rule"
    parser = command(add, "held", does, epilog=RULINGS)
    _add_memory(parser)
    for name, metavar, read, text in (
        ("--trust", "SOURCE=LEVEL", _trust, "say who a source is"),
        ("--release", "KIND:ID", _claim, "let it out: it is right"),
        ("--reject", "KIND:ID", _claim, "keep it back for good: it is wrong"),
    ):
        parser.add_argument(
            name, metavar=metavar, type=read, action="append", default=[], help=text
        )
    return parser


def _trust(text: str) -> tuple[str, str]:
    source, sign, level = text.rpartition("=")
    if not (source and sign and level in LEVELS):
        raise argparse.ArgumentTypeError(f"not SOURCE=LEVEL, with a level of {', '.join(LEVELS)}")
    return source, level


def _claim(text: str) -> tuple[str, int]:
    kind, _, number = text.partition(":")
    if kind not in CLAIMS or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"not KIND:ID, with a kind of {', '.join(CLAIMS)}")
    return kind, int(number)


def _add_mcp(add: Add) -> argparse.ArgumentParser:
    does = "serve the memory's tools to a language-model client (MCP), over stdin and stdout"
    parser = command(add, "mcp", does, epilog="needs the extra: pip install 'robomem[mcp]'")
    _add_memory(parser)
    parser.add_argument(
        "--write",
        action="store_true",
        help="also tell, learn and forget; the memory is then locked",
    )
    _add_timezone(parser)
    return parser


def _add_doctor(add: Add) -> argparse.ArgumentParser:
    parser = command(add, "doctor", "tell what is installed, what is missing and how to get it")
    parser.add_argument(
        "--warm",
        action="store_true",
        help="compile all kernels ahead, for the first frame and search; run it as the robot's user",
    )
    return parser


def _add_bench(add: Add) -> argparse.ArgumentParser:
    does = "measure robomem on this machine: against its peers, against the truth"
    parser = command(add, "bench", does, epilog="without a name it lists what can be measured")
    parser.add_argument("name", metavar="NAME", nargs="?", choices=tuple(BENCHES))
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="mapping: a recording instead of the simulated flat; spatial: a folder of graphs, "
        "touchdown/, matterport_connectivity/ and posegraphs/",
    )
    parser.add_argument(
        "--frames", metavar="N", type=int, help="mapping: depth images into each map (20)"
    )
    parser.add_argument(
        "--pictures", metavar="DIR", help="spatial, memory: draw what there is to see into a folder"
    )
    parser.add_argument(
        "--cells",
        metavar="DIR",
        help="recall-tasks: keep each trained cell there, and train none that it has",
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        action="append",
        default=[],
        help='recall-tasks: only cells with that in their name, such as "ballet" or "/hcam/"',
    )
    parser.add_argument(
        "--minutes", metavar="M", type=float, help="recall-tasks: CPU time of each cell (5)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="another scene (0)")
    parser.add_argument(
        "--quick", action="store_true", help="less of everything, in a minute or two"
    )
    parser.add_argument("--markdown", action="store_true", help="print it for a document")
    return parser


def _add_train(add: Add) -> argparse.ArgumentParser:
    does = "train a policy that remembers, by imitation of a task's expert or of a data set"
    parser = command(add, "train", does, epilog=TRAININGS)
    parser.add_argument("task", metavar="TASK", help="a gymnasium id, such as robomem/Ballet-v0")
    parser.add_argument(
        "--dataset", metavar="SET", help="learn from its episodes: a folder in LeRobot 3.0 layout"
    )
    parser.add_argument("--memory", metavar="NAME", default="hcam", help="what remembers (hcam)")
    parser.add_argument(
        "--policy",
        choices=("direct", "diffusion"),
        default="direct",
        help="how it acts: one action at a time, or, where it moves, chunks of them (direct)",
    )
    parser.add_argument("-o", "--out", metavar="DIR", required=True, help="where its files go")
    for name, metavar, text in (
        ("--set", "KEY=VALUE", "a setting of the task; again for more"),
        ("--mix", "KEY=VALUE[,...]", "learn from the task with these settings, too"),
        ("--policy-set", "KEY=VALUE", "a setting of the diffusion policy, such as horizon=16"),
        ("--memory-set", "KEY=VALUE", "a setting of the memory"),
        ("--learn", "KEY=VALUE", "a setting of the training, such as learning_rate=3e-4"),
        ("--test", "KEY=VALUE[,...]", "score it at other settings of the task, too"),
    ):
        parser.add_argument(
            name, metavar=metavar, type=settings, action="append", default=[], help=text
        )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="another run (0)")
    parser.add_argument("--steps", metavar="N", type=int, default=2000, help="batches (2000)")
    parser.add_argument("--minutes", metavar="M", type=float, help="of CPU time, at most")
    parser.add_argument("--batch", metavar="N", type=int, default=32, help="episodes a step (32)")
    parser.add_argument(
        "--episodes", metavar="N", type=episodes, default=100, help="to score it (100)"
    )
    parser.add_argument(
        "--supervise-attention",
        metavar="W",
        type=float,
        default=0.0,
        help="weight of the loss of attention to what actions depend on (0)",
    )
    parser.add_argument("--resume", action="store_true", help="go on where it was")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    parser.add_argument("--threads", metavar="N", type=int, help="of the CPU; else as torch likes")
    parser.add_argument("--tensorboard", action="store_true", help="write for it, too")
    return parser


def _add_memory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="MEM", help="the .rmem folder")


def _add_timezone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timezone", metavar="NAME", help="of clock times; else the memory's")


def _coordinates(text: str) -> tuple[float, ...]:
    try:
        point = tuple(float(part) for part in text.split(","))
    except ValueError:
        point = ()
    if len(point) not in (2, 3):
        raise argparse.ArgumentTypeError(f"expected x,y or x,y,z in metres, got {text!r}")
    return point


def _export_file(text: str) -> str:
    if PurePath(text).suffix not in EXPORT_SUFFIXES:
        raise argparse.ArgumentTypeError(
            f"expected a file called {', '.join(EXPORT_SUFFIXES)}, got {text!r}"
        )
    return text


def _height(text: str) -> float:
    try:
        height_m = float(text)
    except ValueError:
        height_m = float("nan")
    if not abs(height_m) <= MAX_HEIGHT_M:  # nor NaN
        raise argparse.ArgumentTypeError(f"expected metres in map, got {text!r}")
    return height_m
