"""Serve a policy over websockets: a memory for each client, the newest observation wins, nothing is unpickled.

An answer is computed by one thread, in turn. Meanwhile a client may send newer observations: only the newest
waits, the others are refused as `superseded` and never reach the memory; stamps tell it of the gap. A client
that lost its connection finds its memory again for a while, by the session that the server named it.
"""

import asyncio
import hmac
import ipaddress
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Thread
from typing import Any, Protocol, Self

from numpy.typing import NDArray
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from robomem.errors import (
    ConfigError,
    DataError,
    FormatError,
    PolicyServerError,
    Reason,
    RobomemError,
)
from robomem.policy.runtime import wire

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
MIN_TOKEN = 16  # characters
CLOSE_S = 1.0  # for a client to agree that it is sent away
VIOLATION, TOO_BIG, FULL = 1008, 1009, 1013  # RFC 6455, and IANA


class ServedPolicy(Protocol):
    """What can be served."""

    def describe(self) -> Mapping[str, Any]:
        """Return what it wants and gives, of types that msgpack knows."""

    def predict_action_chunk(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return actions (B, T, A); raises DataError where the observation is not as described."""

    def reset(self) -> None:
        """Forget what was observed."""

    def fork(self) -> Self:
        """Return one that shares the weights and remembers nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a policy is served.

    Attributes:
        host: Interface to listen at; any but the loopback needs a token.
        port: 0 takes a free one.
        token: What clients have to show, as `Authorization: Bearer TOKEN`.
        max_clients: At once; sessions that are kept for lost ones are no more than that besides.
        max_bytes: Of a message.
        max_rate_hz: Messages of a client; it may be a second's worth ahead, and one message at least.
        max_strikes: Messages in a row that are garbage or too many before a client is sent away.
        keep_s: How long a lost client's memory is kept.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = field(default=None, repr=False)
    max_clients: int = 8
    max_bytes: int = wire.MAX_BYTES
    max_rate_hz: float = 100.0
    max_strikes: int = 20
    keep_s: float = 60.0

    def __post_init__(self) -> None:
        if self.token is None and not _is_loopback(self.host):
            raise ConfigError(f"others can reach {self.host}: serving there needs a token")
        if self.token is not None and len(self.token) < MIN_TOKEN:
            raise ConfigError(f"a token has at least {MIN_TOKEN} characters")
        if self.token is not None:
            wire.shown_token(self.token)  # or no client could show it
        if not 0 <= self.port < 2**16:
            raise ConfigError(f"a port lies in [0, 65535], got {self.port}")
        if min(self.max_clients, self.max_bytes, self.max_rate_hz, self.max_strikes) <= 0:
            raise ConfigError("the limits of a server are above 0")


class PolicyServer:
    """Serves one policy to many clients.

    Attributes:
        counts: What was answered and what refused, by name.
        port: Where it listens, once it does.
    """

    def __init__(
        self,
        policy: ServedPolicy,
        options: ServerOptions | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._policy = policy
        self._options = options or ServerOptions()
        self._clock = clock
        self._clients: dict[str, _Client] = {}
        self._lost: OrderedDict[str, tuple[ServedPolicy, float]] = OrderedDict()

    async def run(self, *, on_ready: Callable[[int], None] | None = None) -> None:
        """Serve until cancelled; `on_ready` is told the port.

        Raises:
            PolicyServerError: It cannot listen there.
        """
        with ThreadPoolExecutor(1, "policy") as self._thread:
            async with AsyncExitStack() as opened:
                try:
                    server = await opened.enter_async_context(self._listening())
                except OSError as err:
                    options = self._options
                    raise PolicyServerError(
                        f"cannot listen at {options.host}, port {options.port}: {err.strerror}",
                        reason="listen",
                    ) from err
                self.port = server.sockets[0].getsockname()[1]
                if on_ready:
                    on_ready(self.port)
                await server.serve_forever()

    def _listening(self) -> AbstractAsyncContextManager[Server]:
        options = self._options
        return serve(
            self._attend,
            options.host,
            options.port,
            process_request=self._refused_handshake,
            origins=[None],  # pages in a browser name theirs: none may talk to a robot
            compression=None,
            max_size=options.max_bytes,
            max_queue=4,
            close_timeout=CLOSE_S,
            server_header=None,
        )

    def _refused_handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the response to a client without the token; None lets it in."""
        if self._options.token is None:
            return None
        shown = request.headers.get(wire.TOKEN_HEADER, "").encode(errors="replace")
        if hmac.compare_digest(shown, wire.shown_token(self._options.token).encode()):
            return None
        self.counts["unauthorized"] += 1
        return connection.respond(HTTPStatus.UNAUTHORIZED, "this server wants a token\n")

    async def _attend(self, connection: ServerConnection) -> None:
        """Listen to a client until it leaves."""
        shown = (
            connection.request.headers.get(wire.SESSION_HEADER, "") if connection.request else ""
        )
        if len(self._clients) >= self._options.max_clients and shown not in self._clients:
            self.counts["full"] += 1
            await connection.close(FULL, "there are too many clients")
            return
        session, policy = self._resumed(shown)
        hello = wire.Hello(
            wire.PROTOCOL, session, policy is not None, dict(self._policy.describe())
        )
        client = _Client(connection, policy or self._policy.fork(), self._options, self._clock())
        self._clients[session] = client
        self.counts["clients"] += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                await connection.send(wire.pack(hello))
                answering = tasks.create_task(self._answer(client))
                await self._listen(client)
                answering.cancel()
        except* ConnectionClosed as group:
            if any(_is_too_big(err) for err in group.exceptions):
                self.counts[Reason.MESSAGE_SIZE] += 1
        finally:
            if self._clients.get(session) is client:
                del self._clients[session]
                self._keep(session, client.policy)

    def _resumed(self, session: str) -> tuple[str, ServedPolicy | None]:
        """Return a session, and its policy where it is one that was kept or is still believed to be there."""
        half_open = self._clients.pop(session, None)
        if half_open is not None:
            half_open.connection.transport.abort()
            return session, half_open.policy
        policy, left_s = self._lost.pop(session, (None, 0.0))
        if policy is None or self._clock() - left_s > self._options.keep_s:
            return secrets.token_urlsafe(16), None
        return session, policy

    def _keep(self, session: str, policy: ServedPolicy) -> None:
        self._lost[session] = policy, self._clock()
        while len(self._lost) > self._options.max_clients:
            self._lost.popitem(last=False)

    async def _listen(self, client: "_Client") -> None:
        """Read what a client sends; only what is newest waits to be answered."""
        async for data in client.connection:
            try:
                message = self._read(client, data)
            except DataError as err:
                await self._refuse(client, -1, err.reason, str(err))
                if client.is_struck():
                    self.counts["sent_away"] += 1
                    await client.connection.close(VIOLATION, str(err.reason))
                    return
                continue
            client.strikes = 0
            for replaced in client.put(message):
                await self._refuse(client, replaced.id, "superseded", "a newer message came")

    def _read(self, client: "_Client", data: bytes | str) -> wire.Ask | wire.Reset:
        if not client.may_send(self._clock()):
            raise FormatError("more messages than the server reads", reason=Reason.FLOOD)
        message = wire.unpack(data, max_bytes=self._options.max_bytes)
        if not isinstance(message, wire.Ask | wire.Reset):
            raise FormatError("that is for a server to say", reason=Reason.MESSAGE_CORRUPT)
        return message

    async def _answer(self, client: "_Client") -> None:
        """Answer what waits, one after the other."""
        loop = asyncio.get_running_loop()
        while True:
            message = await client.newest()
            try:
                reply = await loop.run_in_executor(self._thread, _reply, client.policy, message)
            except RobomemError as err:
                reason = err.reason if isinstance(err, DataError) else "policy_failed"
                await self._refuse(client, message.id, reason, str(err))
                continue
            self.counts["answered"] += 1
            await client.connection.send(wire.pack(reply))

    async def _refuse(self, client: "_Client", message_id: int, reason: str, text: str) -> None:
        self.counts[reason] += 1
        refusal = wire.Refusal(message_id, str(reason), text[:500])
        await client.connection.send(wire.pack(refusal))


@contextmanager
def serving(policy: ServedPolicy, options: ServerOptions | None = None) -> Iterator[PolicyServer]:
    """Serve from another thread while entered; raises PolicyServerError where it cannot listen."""
    server, started, loop = PolicyServer(policy, options), Future[int](), asyncio.new_event_loop()
    running = loop.create_task(server.run(on_ready=started.set_result))

    def tell_end(task: "asyncio.Task[None]") -> None:
        if not (started.done() or task.cancelled()):
            started.set_exception(task.exception())

    def run() -> None:
        with suppress(asyncio.CancelledError, PolicyServerError):  # whoever started it is told
            loop.run_until_complete(running)

    running.add_done_callback(tell_end)
    thread = Thread(target=run, name="policy server", daemon=True)
    thread.start()
    try:
        started.result()
        yield server
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(running.cancel)
        thread.join()
        loop.close()


class _Client:
    """One that is connected: its policy, and what it sent that waits."""

    def __init__(
        self,
        connection: ServerConnection,
        policy: ServedPolicy,
        options: ServerOptions,
        now_s: float,
    ) -> None:
        self.connection = connection
        self.policy = policy
        self.strikes = 0
        self._max_strikes = options.max_strikes
        self._rate_hz = options.max_rate_hz
        self._allowance = self._most_ahead = max(options.max_rate_hz, 1.0)
        self._counted_s = now_s
        self._reset: wire.Reset | None = None
        self._ask: wire.Ask | None = None
        self._arrived = asyncio.Event()

    def may_send(self, now_s: float) -> bool:
        """Take one message off its allowance, which fills at the rate that is allowed."""
        grown = self._allowance + (now_s - self._counted_s) * self._rate_hz
        self._counted_s = now_s
        self._allowance = min(grown, self._most_ahead)
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def is_struck(self) -> bool:
        """Count a strike; returns whether it was one too many."""
        self.strikes += 1
        return self.strikes >= self._max_strikes

    def put(self, message: wire.Ask | wire.Reset) -> list[wire.Ask | wire.Reset]:
        """Let a message wait; returns those that it replaces. A reset replaces all, a question only questions."""
        replaced: list[wire.Ask | wire.Reset] = [] if self._ask is None else [self._ask]
        if isinstance(message, wire.Reset):
            replaced += [] if self._reset is None else [self._reset]
            self._reset, self._ask = message, None
        else:
            self._ask = message
        self._arrived.set()
        return replaced

    async def newest(self) -> wire.Ask | wire.Reset:
        """Return what is to be answered next, once there is something."""
        await self._arrived.wait()
        message: wire.Ask | wire.Reset | None
        if self._reset is not None:
            message, self._reset = self._reset, None
        else:
            message, self._ask = self._ask, None
        if self._ask is None:
            self._arrived.clear()
        assert message is not None
        return message


def _reply(policy: ServedPolicy, message: wire.Ask | wire.Reset) -> wire.Message:
    if isinstance(message, wire.Reset):
        policy.reset()
        return wire.Done(message.id)
    return wire.Chunk(message.id, policy.predict_action_chunk(message.observation))


def _is_too_big(err: BaseException) -> bool:
    """Tell whether a connection was ended over a message that was too long to be read."""
    return isinstance(err, ConnectionClosed) and err.sent is not None and err.sent.code == TOO_BIG


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may be anybody's
        return False
