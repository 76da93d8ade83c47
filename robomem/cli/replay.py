"""`robomem replay`: perceive and remember a recording."""

import sys
from argparse import Namespace
from pathlib import Path

from robomem.cli.output import print_facts, print_json
from robomem.cli.progress import ProgressLine
from robomem.config import Config
from robomem.io import Recording, open_recording
from robomem.memory import Memory
from robomem.replay import ReplayReport, replay

EXIT_DATA = 3


def run(args: Namespace) -> int:
    """Fill the memory; 3 when nothing of the recording could be used."""
    config = Config.from_toml(Path(args.config)) if args.config else None
    recording = open_recording(args.recording, config=config.io if config else None)
    if not args.quiet:
        _tell_streams(recording)
    with Memory.open(args.memory, "w", config=config) as memory:
        progress = None if args.quiet else ProgressLine(sys.stderr)
        try:
            report = replay(recording, memory, on_progress=progress)
        finally:
            if progress:
                progress.finish()
        keyframes, entities = len(memory.keyframes()), len(memory.entities())
    if report.damage:
        print(
            f"robomem: the recording is damaged, all before is kept: {report.damage}",
            file=sys.stderr,
        )
    _print(args, recording, report, held={"keyframes": keyframes, "entities": entities})
    return 0 if report.observed or report.skipped else EXIT_DATA


def _tell_streams(recording: Recording) -> None:
    """Say what of the recording is used, what is not, and what is wanting."""
    lines = [f"reads {recording.kind}"]
    for stream in sorted(
        recording.streams, key=lambda stream: (stream.role == "ignored", stream.name)
    ):
        counted = f"({stream.message_type}, {stream.count:,})"
        is_used = stream.role != "ignored"
        use = f"uses {stream.name} as {stream.role}" if is_used else f"ignores {stream.name}"
        lines.append(f"{use} {counted}")
    lines += [f"lacks {what}" for what in recording.lacks]
    print("\n".join(lines), file=sys.stderr)


def _print(
    args: Namespace, recording: Recording, report: ReplayReport, *, held: dict[str, int]
) -> None:
    rejected = {reason.value: count for reason, count in sorted(report.rejected.items())}
    if args.json:
        print_json(
            {
                "recording": args.recording,
                "kind": recording.kind,
                "memory": args.memory,
                "items": report.items,
                "observed": report.observed,
                "rejected": sum(rejected.values()),
                "rejections": rejected,
                "skipped": report.skipped,
                "duration_s": report.duration_s,
                "damage": report.damage,
                **held,
            }
        )
        return
    facts = [
        ("memory", args.memory),
        ("observed", f"{report.observed:,}, {report.duration_s:.1f} s"),
    ]
    facts += [("rejected", f"{count:,} {reason}") for reason, count in rejected.items()]
    if report.skipped:
        facts.append(("skipped", f"{report.skipped:,} known from before"))
    print_facts([*facts, *((name, f"{count:,}") for name, count in held.items())])
