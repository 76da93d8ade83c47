"""Messages between a policy server and its clients: msgpack maps with numpy arrays in them, checked before they are used.

An array is `{"dtype": "float32", "shape": [2, 3], "data": bytes}`, little-endian and in C order. Nothing is ever
unpickled, no class is named by a message, and every size is bounded before memory is taken.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.errors import ConfigError, FormatError, MissingExtraError, Reason

PROTOCOL = 1
SESSION_HEADER, TOKEN_HEADER = "X-Robomem-Session", "Authorization"  # of the handshake
DTYPES = ("bool", "float32", "float64", "int32", "int64", "uint8")
MAX_BYTES = 16 << 20  # of a message: four colour images of 1280x960, uncompressed
MAX_ARRAYS = 32
MAX_DIMENSIONS = 5
MAX_NAME = 128  # characters of a key

Arrays = dict[str, NDArray[Any]]


def shown_token(token: str) -> str:
    """Return what a client shows in the header `TOKEN_HEADER`; raises ConfigError where no header can hold it."""
    if not (token.isascii() and token.isprintable()):
        raise ConfigError("a token is one line of printable ASCII")
    return f"Bearer {token}"


@dataclass(frozen=True, slots=True)
class Ask:
    """A client shows an observation and wants actions.

    Attributes:
        id: Names the question; the answer bears it too.
        observation: Arrays by their keys.
    """

    id: int
    observation: Arrays


@dataclass(frozen=True, slots=True)
class Reset:
    """A client begins anew: nothing of before is remembered."""

    id: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The server's answer: actions (B, T, A)."""

    id: int
    actions: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The server began anew."""

    id: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """The server did not follow a message: why, in one word and in a sentence. Id -1: nobody could read which."""

    id: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Hello:
    """What a server says first.

    Attributes:
        protocol: Which this is.
        session: Whoever shows it when connecting again is remembered, for a while.
        is_resumed: Whether this client was.
        policy: What it wants and gives.
    """

    protocol: int
    session: str
    is_resumed: bool
    policy: Mapping[str, Any]


_HELLO = ("protocol", "session", "is_resumed", "policy")
Message = Ask | Reset | Chunk | Done | Refusal | Hello


def pack(message: Message) -> bytes:
    """Return a message as bytes."""
    packed: bytes = _msgpack().packb(_fields(message))
    return packed


def unpack(data: bytes | str, *, max_bytes: int = MAX_BYTES) -> Message:
    """Return the message that bytes hold.

    Raises:
        FormatError: They hold none; its reason says how.
    """
    if isinstance(data, str):
        raise FormatError("a message is binary, got text", reason=Reason.MESSAGE_CORRUPT)
    if len(data) > max_bytes:
        raise FormatError(
            f"a message of {len(data)} bytes is longer than {max_bytes}", reason=Reason.MESSAGE_SIZE
        )
    fields = _unpacked(data, max_bytes)
    match fields:
        case {"kind": "ask", "id": int(id), "observation": dict(arrays), **rest} if not rest:
            return Ask(_checked_id(id), _arrays(arrays))
        case {"kind": "reset", "id": int(id), **rest} if not rest:
            return Reset(_checked_id(id))
        case {"kind": "chunk", "id": int(id), "actions": actions, **rest} if not rest:
            return Chunk(_checked_id(id), _array("actions", actions))
        case {"kind": "done", "id": int(id), **rest} if not rest:
            return Done(_checked_id(id))
        case {"kind": "refusal", "id": int(id), "reason": str(reason), "message": str(text)}:
            return Refusal(id, reason, text)
        case {
            "kind": "hello",
            "protocol": int(protocol),
            "session": str(session),
            "is_resumed": bool(is_resumed),
            "policy": dict(policy),
        }:
            return Hello(protocol, session, is_resumed, policy)
    raise FormatError(
        f"no message of protocol {PROTOCOL}: {str(fields)[:80]}", reason=Reason.MESSAGE_CORRUPT
    )


def _fields(message: Message) -> dict[str, Any]:
    match message:
        case Ask(id, observation):
            arrays = {key: _packed(value) for key, value in observation.items()}
            return {"kind": "ask", "id": id, "observation": arrays}
        case Reset(id):
            return {"kind": "reset", "id": id}
        case Chunk(id, actions):
            return {"kind": "chunk", "id": id, "actions": _packed(actions)}
        case Done(id):
            return {"kind": "done", "id": id}
        case Refusal(id, reason, text):
            return {"kind": "refusal", "id": id, "reason": reason, "message": text}
        case Hello():
            return {"kind": "hello", **{key: getattr(message, key) for key in _HELLO}}


def _unpacked(data: bytes, max_bytes: int) -> Any:
    msgpack = _msgpack()
    try:
        return msgpack.unpackb(
            data,
            strict_map_key=True,
            max_str_len=4096,
            max_bin_len=max_bytes,
            max_array_len=1024,
            max_map_len=256,
            max_ext_len=0,
        )
    except (ValueError, TypeError, msgpack.exceptions.UnpackException, RecursionError) as err:
        raise FormatError(f"no msgpack: {err}", reason=Reason.MESSAGE_CORRUPT) from err


def _checked_id(id: int) -> int:  # noqa: A002 - the name on the wire
    if isinstance(id, bool) or not 0 <= id < 2**63:
        raise FormatError(f"an id lies in [0, 2**63), got {id}", reason=Reason.MESSAGE_CORRUPT)
    return id


def _arrays(packed: Mapping[Any, Any]) -> Arrays:
    if len(packed) > MAX_ARRAYS:
        raise FormatError(
            f"an observation has at most {MAX_ARRAYS} arrays, got {len(packed)}",
            reason=Reason.MESSAGE_SIZE,
        )
    return {_checked_name(key): _array(key, value) for key, value in packed.items()}


def _checked_name(key: object) -> str:
    if not isinstance(key, str) or len(key) > MAX_NAME:
        raise FormatError("a key is a short text", reason=Reason.MESSAGE_CORRUPT)
    return key


def _array(key: object, packed: object) -> NDArray[Any]:
    match packed:
        case {"dtype": str(dtype), "shape": list(shape), "data": bytes(data), **rest} if not rest:
            pass
        case _:
            raise FormatError(
                f"{key!s:.40} is no array of dtype, shape and data", reason=Reason.MESSAGE_CORRUPT
            )
    if dtype not in DTYPES:
        raise FormatError(
            f"{key!s:.40} is one of {', '.join(DTYPES)}, got {dtype[:20]!r}",
            reason=Reason.MESSAGE_CORRUPT,
        )
    kind = np.dtype(dtype).newbyteorder("<")
    if not _is_shape(shape) or math.prod(shape) * kind.itemsize != len(data):
        raise FormatError(
            f"{key!s:.40} of shape {str(shape)[:60]} does not have {len(data)} bytes",
            reason=Reason.OBSERVATION_SHAPE,
        )
    return np.frombuffer(data, kind).reshape(shape).astype(dtype)


def _is_shape(shape: list[Any]) -> bool:
    return len(shape) <= MAX_DIMENSIONS and all(
        type(size) is int and 0 <= size < 2**31 for size in shape
    )


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    if array.dtype.name not in DTYPES:
        raise FormatError(
            f"an array is one of {', '.join(DTYPES)}, got {array.dtype}",
            reason=Reason.MESSAGE_CORRUPT,
        )
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": little.tobytes()}


def _msgpack() -> ModuleType:
    try:
        import msgpack
    except ImportError as err:
        raise MissingExtraError("there is no msgpack: pip install 'robomem[serve]'") from err
    module: ModuleType = msgpack
    return module
