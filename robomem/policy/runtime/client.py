"""Ask a policy server for actions; a lost connection is made again, and the server still remembers."""

import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from robomem.errors import ConfigError, FormatError, PolicyServerError
from robomem.policy.runtime import wire

UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client waits, in seconds.

    Attributes:
        answer_s: For an answer.
        connect_s: For a connection.
        attempts: How often it connects before it gives up.
        pause_s: Between the first two attempts; then twice as long each time.
    """

    answer_s: float = 5.0
    connect_s: float = 5.0
    attempts: int = 5
    pause_s: float = 0.1


@dataclass(slots=True)
class PolicyClient:
    """A policy that runs elsewhere, asked as one that runs here.

    Attributes:
        url: Such as "ws://127.0.0.1:8765".
        token: What the server wants to see.
        patience: How long to wait.
        pause: Waits that many seconds.
        policy: What the server's policy wants and gives.
        reconnects: How often the connection was made again.
        memory_losses: How often the server had forgotten this client by then.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=Patience)
    pause: Callable[[float], None] = time.sleep
    policy: Mapping[str, Any] = field(default_factory=dict, init=False)
    reconnects: int = field(default=0, init=False)
    memory_losses: int = field(default=0, init=False)
    _connection: ClientConnection | None = field(default=None, init=False)
    _opened: ExitStack = field(default_factory=ExitStack, init=False)
    _session: str = field(default="", init=False)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count, init=False)

    def predict_action_chunk(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return actions (B, T, A) for an observation.

        Raises:
            PolicyServerError: The server refuses, or cannot be reached.
            ConfigError: The url or the token cannot be one.
        """
        answer = self._exchange(wire.Ask(next(self._ids), dict(observation)))
        if not isinstance(answer, wire.Chunk):
            raise PolicyServerError(f"no actions came, but {answer}", reason="protocol")
        return answer.actions

    def reset(self) -> None:
        """Begin anew: the server forgets what it saw of this client; raises PolicyServerError."""
        self._exchange(wire.Reset(next(self._ids)))

    def close(self) -> None:
        """Hang up."""
        self._connection = None
        self._opened.close()

    def __enter__(self) -> Self:
        self._connected()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _exchange(self, message: wire.Ask | wire.Reset) -> wire.Message:
        """Send a message and return its answer, over a new connection where the old one breaks meanwhile."""
        lost: ConnectionClosed | None = None
        for _ in range(self.patience.attempts):
            connection = self._connected()
            try:
                connection.send(wire.pack(message))
                return self._answer(connection, message.id)
            except ConnectionClosed as err:
                self.close()
                lost = err
        raise PolicyServerError(f"{self.url} hangs up: {lost}", reason="connection") from lost

    def _answer(self, connection: ClientConnection, message_id: int) -> wire.Message:
        """Return the answer to a message; answers to older ones, which nobody waits for, are dropped."""
        deadline_s = time.monotonic() + self.patience.answer_s
        while True:
            try:
                data = connection.recv(max(0.0, deadline_s - time.monotonic()))
            except TimeoutError as err:
                raise PolicyServerError(
                    f"{self.url} did not answer within {self.patience.answer_s} s", reason="timeout"
                ) from err
            answer = _unpacked(data)
            if isinstance(answer, wire.Refusal) and answer.id in (message_id, -1):
                raise PolicyServerError(answer.message, reason=answer.reason)
            if isinstance(answer, wire.Chunk | wire.Done) and answer.id == message_id:
                return answer

    def _connected(self) -> ClientConnection:
        """Return the connection, made now where there is none."""
        if self._connection is not None:
            return self._connection
        last: Exception | None = None
        for attempt in range(self.patience.attempts):
            if attempt:
                self.pause(self.patience.pause_s * 2 ** (attempt - 1))
            try:
                self._connection = self._connect()
            except (ConnectionClosed, InvalidHandshake, OSError) as err:  # TimeoutError is one
                last = err
            else:
                return self._connection
        raise PolicyServerError(
            f"{self.url} cannot be reached: {last}", reason="connection"
        ) from last

    def _connect(self) -> ClientConnection:
        headers = {} if self.token is None else {wire.TOKEN_HEADER: wire.shown_token(self.token)}
        if self._session:
            headers[wire.SESSION_HEADER] = self._session
        try:
            connecting = connect(
                self.url,
                additional_headers=headers,
                open_timeout=self.patience.connect_s,
                compression=None,
                max_size=wire.MAX_BYTES,
                proxy=None,
            )
        except InvalidStatus as err:
            if err.response.status_code == UNAUTHORIZED:
                raise PolicyServerError(f"{self.url} wants another token", reason="token") from err
            raise
        except InvalidURI as err:
            raise ConfigError(f"{self.url!r} is no address such as ws://127.0.0.1:8765") from err
        with ExitStack() as opened:  # closed again where the server does not greet
            connection = opened.enter_context(connecting)
            self._greet(_unpacked(connection.recv(self.patience.connect_s)))
            self._opened = opened.pop_all()
        return connection

    def _greet(self, hello: wire.Message) -> None:
        if not isinstance(hello, wire.Hello) or hello.protocol != wire.PROTOCOL:
            raise PolicyServerError(
                f"{self.url} does not speak protocol {wire.PROTOCOL}: {hello}", reason="protocol"
            )
        if self._session:
            self.reconnects += 1
            self.memory_losses += not hello.is_resumed
        self._session, self.policy = hello.session, hello.policy


def _unpacked(data: bytes | str) -> wire.Message:
    try:
        return wire.unpack(data)
    except FormatError as err:
        raise PolicyServerError(f"the server said {err}", reason="protocol") from err
