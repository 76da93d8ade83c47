"""Tasks of others, observed and scored like ours; each says what to install where it is not there."""

from importlib import import_module
from typing import Any

from robomem.errors import MissingExtraError


def third_party(module: str, *, install: str) -> Any:
    """Import what is nobody's dependency.

    Args:
        module: its name.
        install: the arguments of pip that bring it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as err:
        raise MissingExtraError(f"{module} is not there ({err}): pip install {install}") from err
