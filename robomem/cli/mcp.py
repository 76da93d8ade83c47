"""`robomem mcp`: serve a memory's tools to a language-model client, over standard input and output."""

from argparse import Namespace
from pathlib import Path

from robomem.cli.opening import open_to_read
from robomem.errors import MissingExtraError
from robomem.memory import Memory
from robomem.store import folder


def run(args: Namespace) -> int:
    """Serve until the client hangs up."""
    try:
        from robomem.cli.mcp_server import server_of
    except ImportError as err:
        raise MissingExtraError("there is no MCP server: pip install 'robomem[mcp]'") from err
    with _open(args) as memory:
        server_of(memory, can_write=args.write).run("stdio")
    return 0


def _open(args: Namespace) -> Memory:
    if not args.write:
        return open_to_read(args.memory, timezone=args.timezone)
    folder.read_manifest(Path(args.memory))  # opening to write would make a memory
    return Memory.open(args.memory, "w")
