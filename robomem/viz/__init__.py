"""Pictures of a memory."""

from robomem.errors import MissingExtraError


def check_matplotlib() -> None:
    """Raise MissingExtraError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as err:
        raise MissingExtraError("drawing needs matplotlib: pip install 'robomem[viz]'") from err
