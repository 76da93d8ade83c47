"""Run a command: arguments in, exit code out, errors as one line."""

import importlib
import logging
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence

from robomem.cli.parser import parse_arguments
from robomem.errors import RobomemError

EXIT_STORE = 4
EXIT_BUG = 70
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141  # as a program that the signal SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run `robomem` and return its exit code.

    0 done, 1 the answer is no, 2 usage or question, 3 data, 4 store, 5 something is not installed,
    6 no path, 7 no language model, 8 no policy, 70 a bug, 130 interrupted.
    """
    args = parse_arguments(sys.argv[1:] if argv is None else argv)
    level = logging.ERROR if args.quiet else max(logging.WARNING - 10 * args.verbose, logging.DEBUG)
    logging.basicConfig(level=level, format="robomem: %(message)s", stream=sys.stderr)
    try:
        return _run(args)
    except BrokenPipeError:  # the reader, such as `head`, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except (KeyboardInterrupt, Exception) as err:  # the one place where errors end
        if args.debug:
            traceback.print_exc()
        message, code = _verdict(err)
        print(f"robomem: {message}", file=sys.stderr)
        return code


def _run(args: Namespace) -> int:
    program = importlib.import_module(f"robomem.cli.{args.command.replace('-', '_')}")
    code: int = program.run(args)
    sys.stdout.flush()
    return code


def _verdict(err: BaseException) -> tuple[str, int]:
    """Return the line that tells of an error, and the exit code."""
    text = " ".join(str(err).split())
    match err:
        case RobomemError():
            return text, err.exit_code
        case KeyboardInterrupt():
            return "interrupted", EXIT_INTERRUPTED
        case OSError():
            return f"{text}: check the path, its permissions and the space left", EXIT_STORE
        case _:
            name = type(err).__name__
            return f"a bug, {name}: {text}: run again with --debug and report it", EXIT_BUG
