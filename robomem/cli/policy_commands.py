"""What can be typed of policies that are trained: data sets, exports, servers. Imports nothing heavy."""

import argparse

from robomem.cli.command import Add, command, episodes, settings

EXPORTED = """\
CKPT is what `robomem train` wrote, model.safetensors, or the folder of a diffusion policy.
With --int8-task the graphs are also written with weights of 8 bits, and kept only where the policy
scores as well with them in that task."""
SERVED = """\
Clients talk msgpack over websockets (robomem.policy.runtime.client). Without --host only this
machine can connect; others need the token, and an encrypted way to here, such as ssh -L."""
PROVIDERS = ("auto", "tensorrt", "cuda", "cpu")  # as robomem.policy.runtime.graphs


def add_dataset(add: Add) -> argparse.ArgumentParser:
    """Add `robomem dataset`."""
    does = "record demonstrations as a data set in the layout of LeRobot 3.0, or tell of one"
    parser = command(add, "dataset", does, epilog="needs the extra: pip install 'robomem[train]'")
    parser.add_argument("what", choices=("export", "info"), help="export a task, or tell of a DIR")
    parser.add_argument("subject", metavar="TASK|DIR", help="a gymnasium id, or a data set")
    parser.add_argument("-o", dest="folder", metavar="DIR", help="export: where it goes")
    parser.add_argument(
        "--episodes", metavar="N", type=episodes, default=50, help="export: how many (50)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="export: of the first (0)")
    parser.add_argument(
        "--noise",
        metavar="X",
        type=float,
        default=0.0,
        help="export: disturb the expert's motions, who shows how to come back (0)",
    )
    _add_task_settings(parser)
    parser.add_argument("--force", action="store_true", help="export: replace what is there")
    return parser


def add_export_policy(add: Add) -> argparse.ArgumentParser:
    """Add `robomem export-policy`."""
    does = "write a trained policy as ONNX graphs, for robots and servers without torch"
    parser = command(add, "export-policy", does, epilog=EXPORTED)
    parser.add_argument("checkpoint", metavar="CKPT", help="what was trained")
    parser.add_argument(
        "-o", dest="folder", metavar="DIR", required=True, help="the folder to make"
    )
    parser.add_argument("--name", help="what it is called; else as its folder")
    parser.add_argument("--licence", default="Apache-2.0", help="for its card (Apache-2.0)")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--int8-task", metavar="TASK", help="a gymnasium id to test int8 with")
    _add_task_settings(parser)
    parser.add_argument(
        "--episodes", metavar="N", type=episodes, default=100, help="of that test (100)"
    )
    parser.add_argument(
        "--int8-loss",
        metavar="X",
        type=float,
        default=0.01,
        help="int8 may score so much less (0.01)",
    )
    return parser


def add_serve_policy(add: Add) -> argparse.ArgumentParser:
    """Add `robomem serve-policy`."""
    does = "serve an exported policy over websockets, a memory for each client"
    parser = command(add, "serve-policy", does, epilog=SERVED)
    parser.add_argument("folder", metavar="DIR", help="made by `robomem export-policy`")
    parser.add_argument("--host", default="127.0.0.1", help="interface to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (8765)")
    parser.add_argument(
        "--token-file", metavar="FILE", help="what clients have to show; only you may read it"
    )
    parser.add_argument("--max-clients", metavar="N", type=int, default=8, help="at once (8)")
    parser.add_argument("--provider", choices=PROVIDERS, default="auto", help="what to run on")
    parser.add_argument(
        "--fall-back", action="store_true", help="run on the CPU where the provider is not there"
    )
    parser.add_argument("--int8", action="store_true", help="with weights of 8 bits")
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="of the CPU (1)")
    parser.add_argument(
        "--sampling-steps", metavar="N", type=int, help="of a chunk; else as was exported"
    )
    return parser


def _add_task_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=settings,
        action="append",
        default=[],
        help="a setting of the task; again for more",
    )
