"""`robomem export-policy`: write a trained policy as ONNX graphs."""

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robomem.cli.command import joined
from robomem.cli.output import print_facts, print_json
from robomem.cli.train import command_of
from robomem.errors import MissingExtraError, PolicyFolderError

if TYPE_CHECKING:
    from robomem.policy.export.card import Told
    from robomem.policy.export.folder import Exported, Policy
    from robomem.policy.export.int8 import SuccessTest
    from robomem.policy.training.settings import TrainingSettings


def run(args: Namespace) -> int:
    """Export it, and tell what was written."""
    try:
        from robomem.policy.export.folder import ExportOptions, export_policy
    except ImportError as err:
        raise MissingExtraError(f"no export ({err}): pip install 'robomem[train,serve]'") from err
    policy, told = _policy(Path(args.checkpoint), licence=args.licence)
    options = ExportOptions(
        name=args.name, told=told, force=args.force, int8=_int8(args), on_graph=_teller(args)
    )
    _tell(args, export_policy(policy, Path(args.folder), options))
    return 0


def _policy(path: Path, *, licence: str) -> tuple["Policy", "Told"]:
    """Return what was trained, and what is known of it."""
    from robomem.policy.export.card import Told
    from robomem.policy.export.folder import exportable
    from robomem.policy.policy import DiffusionPolicy
    from robomem.policy.training.runs import load_agent

    if path.is_dir():
        return DiffusionPolicy.from_pretrained(path), Told(licence=licence)
    if not path.is_file():
        raise PolicyFolderError(f"{path} is not there: make one with `robomem train`")
    agent, settings = load_agent(path)
    return exportable(agent), _told(settings, licence)


def _told(settings: "TrainingSettings", licence: str) -> "Told":
    from robomem.policy.export.card import Told

    task = ", ".join(f"{name} {value}" for name, value in settings.task_settings.items())
    shown = (
        f"data set {settings.dataset} of" if settings.dataset else "demonstrations of the expert of"
    )
    return Told(
        data=f"{shown} {settings.task}" + (f" ({task})" if task else ""),
        seed=str(settings.seed),
        command=command_of(settings),
        licence=licence,
    )


def _int8(args: Namespace) -> "SuccessTest | None":
    if args.int8_task is None:
        return None
    from robomem.policy.export.success import holds_up

    settings = joined(args.set)
    return holds_up(args.int8_task, settings, episodes=args.episodes, may_lose=args.int8_loss)


def _teller(args: Namespace) -> Callable[[str], None]:
    def tell(role: str) -> None:
        if not args.quiet:
            print(f"robomem: writing the graph {role}", file=sys.stderr)

    return tell


def _tell(args: Namespace, exported: "Exported") -> None:
    size = sum(file.stat().st_size for file in exported.path.iterdir())
    kept = {None: "nobody asked", True: "kept", False: "not kept: it did not succeed"}
    if args.json:
        print_json(
            {
                "path": str(exported.path),
                "graphs": dict(exported.manifest.graphs),
                "bytes": size,
                "kept_int8": exported.kept_int8,
            }
        )
        return
    print_facts(
        [
            ("policy", str(exported.path)),
            ("graphs", ", ".join(exported.manifest.graphs)),
            ("size", f"{size / 1e6:.1f} MB"),
            ("int8", kept[exported.kept_int8]),
        ]
    )
