"""`robomem serve-policy`: serve an exported policy over websockets until Ctrl-C."""

import asyncio
import signal
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from robomem.cli.output import print_facts, print_json
from robomem.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from robomem.policy.runtime.policy import RuntimePolicy
    from robomem.policy.runtime.server import PolicyServer

OTHERS = 0o077  # bits of a file's mode


def run(args: Namespace) -> int:
    """Serve until SIGINT or SIGTERM, which is how it is meant to end."""
    try:
        from robomem.policy.runtime.server import PolicyServer, ServerOptions
    except ImportError as err:
        raise MissingExtraError(f"no server ({err}): pip install 'robomem[serve]'") from err
    options = ServerOptions(
        host=args.host,
        port=args.port,
        token=None if args.token_file is None else _token(Path(args.token_file)),
        max_clients=args.max_clients,
    )
    policy = _policy(args)
    server = PolicyServer(policy, options)
    asyncio.run(_serve(args, server, policy))
    _tell_counts(args, server)
    return 0


def _policy(args: Namespace) -> "RuntimePolicy":
    from robomem.policy.runtime.graphs import RuntimeOptions
    from robomem.policy.runtime.policy import RuntimePolicy

    options = RuntimeOptions(
        provider=args.provider,
        may_fall_back=args.fall_back,
        precision="int8" if args.int8 else "fp32",
        threads=args.threads,
        sampling_steps=args.sampling_steps,
    )
    return RuntimePolicy.from_pretrained(args.folder, options)


async def _serve(args: Namespace, server: "PolicyServer", policy: "RuntimePolicy") -> None:
    serving = asyncio.create_task(server.run(on_ready=lambda port: _tell_ready(args, policy, port)))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


def _tell_ready(args: Namespace, policy: "RuntimePolicy", port: int) -> None:
    host = f"[{args.host}]" if ":" in args.host else args.host
    url, runs_on = f"ws://{host}:{port}", ", ".join(sorted(set(policy.providers.values())))
    if args.json:
        print_json({"url": url, "providers": policy.providers, "policy": policy.describe()})
    else:
        print_facts([("policy", policy.manifest.name), ("at", url), ("runs on", runs_on)])
    print(end="", flush=True)  # whoever started this may wait for it


def _tell_counts(args: Namespace, server: "PolicyServer") -> None:
    counts = {str(name): count for name, count in sorted(server.counts.items())}
    if args.json:
        print_json({"counts": counts})
    elif counts:
        print_facts([(name, f"{count:,}") for name, count in counts.items()])


def _token(path: Path) -> str:
    """Return what a file holds that nobody else may read."""
    if path.stat().st_mode & OTHERS:
        raise ConfigError(f"others may read {path}, or write it: chmod 600 {path}")
    return path.read_text().strip()
