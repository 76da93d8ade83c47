"""A policy server answers who asks rightly, and survives who does not."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from robomem.errors import ConfigError, FormatError, PolicyServerError, Reason
from robomem.policy.runtime import wire
from robomem.policy.runtime.client import Patience, PolicyClient
from robomem.policy.runtime.server import PolicyServer, ServerOptions, serving

TOKEN = "correct horse battery"
STATE = {"observation.state": np.array([1.0, 2.0], np.float32)}
WAIT_S = 60.0  # nobody waits so long, but where something is wrong
PATIENT = Patience(answer_s=WAIT_S, connect_s=WAIT_S, attempts=3)


class CountingPolicy:
    """Answers with the sum of what it saw and the number of times it looked; waits where it is told to."""

    def __init__(self, may_answer: Event) -> None:
        self._may_answer = may_answer
        self._looks = 0

    def describe(self):
        return {"name": "counting", "horizon": 3}

    def predict_action_chunk(self, observation):
        assert self._may_answer.wait(WAIT_S)
        state = observation.get("observation.state")
        if state is None:
            raise FormatError("no observation.state", reason=Reason.OBSERVATION_KEYS)
        if not np.isfinite(state).all():
            raise FormatError("NaN in observation.state", reason=Reason.VALUE_INVALID)
        self._looks += 1
        return np.full((1, 3, 2), [state.sum(), self._looks], np.float32)

    def reset(self):
        self._looks = 0

    def fork(self):
        return CountingPolicy(self._may_answer)


@pytest.fixture
def may_answer() -> Event:
    event = Event()
    event.set()
    return event


@pytest.fixture
def server(may_answer: Event) -> Iterator[PolicyServer]:
    options = ServerOptions(port=0, max_clients=2, max_rate_hz=10_000, max_bytes=1 << 16)
    with serving(CountingPolicy(may_answer), options) as server:
        yield server


def url(server: PolicyServer) -> str:
    return f"ws://127.0.0.1:{server.port}"


def client_of(server: PolicyServer, **settings) -> PolicyClient:
    return PolicyClient(url(server), patience=PATIENT, pause=lambda _: None, **settings)


def looks(client: PolicyClient) -> float:
    return client.predict_action_chunk(STATE)[0, 0, 1]


@contextmanager
def raw(server: PolicyServer, **headers: str) -> Iterator[ClientConnection]:
    with connect(url(server), additional_headers=headers, compression=None) as connection:
        assert isinstance(wire.unpack(connection.recv(WAIT_S)), wire.Hello)
        yield connection


def answer(connection: ClientConnection, data: bytes | str) -> wire.Message:
    connection.send(data)
    return wire.unpack(connection.recv(WAIT_S))


def is_alive(server: PolicyServer) -> bool:
    with client_of(server) as client:
        return bool(client.predict_action_chunk(STATE)[0, 0, 0] == 3.0)


def test_a_question_is_answered(server):
    with client_of(server) as client:
        actions = client.predict_action_chunk(STATE)

    np.testing.assert_array_equal(actions, np.full((1, 3, 2), [3.0, 1.0]))
    assert client.policy == {"name": "counting", "horizon": 3}
    assert server.counts["answered"] == 1


def test_each_client_has_a_memory_of_its_own_and_can_begin_anew(server):
    with client_of(server) as one, client_of(server) as other:
        seen = [looks(one), looks(one), looks(other)]
        one.reset()
        seen.append(looks(one))

    assert seen == [1, 2, 1, 1]


def test_only_the_newest_observation_waits(server, may_answer):
    may_answer.clear()
    with raw(server) as connection:
        for message_id in range(4):
            connection.send(wire.pack(wire.Ask(message_id, STATE)))
            if message_id == 0:  # it is being answered once another one can be replaced
                _wait_until_taken(connection)
        replies = [wire.unpack(connection.recv(WAIT_S)) for _ in range(2)]
        may_answer.set()
        replies += [wire.unpack(connection.recv(WAIT_S)) for _ in range(2)]

    assert [(type(r).__name__, r.id) for r in replies] == [
        ("Refusal", 1),
        ("Refusal", 2),
        ("Chunk", 0),
        ("Chunk", 3),
    ]
    assert server.counts["superseded"] == 2


def _wait_until_taken(connection: ClientConnection) -> None:
    """Return when the server has read all that was sent before."""
    assert isinstance(answer(connection, b"\xc1"), wire.Refusal)


def test_a_lost_connection_is_made_again_and_the_memory_is_still_there(server):
    with client_of(server) as client:
        before = looks(client)
        client._connection.socket.close()
        after = looks(client)

    assert (before, after) == (1, 2)
    assert (client.reconnects, client.memory_losses) == (1, 0)


def test_a_server_that_was_restarted_has_forgotten_and_the_client_says_so(may_answer):
    policy = CountingPolicy(may_answer)
    with serving(policy, ServerOptions(port=0)) as server:
        client = client_of(server)
        first, port = looks(client), server.port
    with serving(policy, ServerOptions(port=port)), client:
        second = looks(client)

    assert (first, second) == (1, 1)
    assert (client.reconnects, client.memory_losses) == (1, 1)


def test_nobody_takes_the_session_of_another_by_guessing(server):
    with client_of(server) as client:
        looks(client)
        with raw(server, **{wire.SESSION_HEADER: "guess"}) as other:
            reply = answer(other, wire.pack(wire.Ask(0, STATE)))

    assert reply.actions[0, 0, 1] == 1


def test_a_server_that_is_not_there_is_said_to_be_so():
    with serving(CountingPolicy(Event()), ServerOptions(port=0)) as server:
        client = client_of(server)

    with pytest.raises(PolicyServerError, match="cannot be reached") as caught:
        client.predict_action_chunk(STATE)
    assert caught.value.reason == "connection"


def test_an_answer_that_does_not_come_is_a_timeout(server, may_answer):
    may_answer.clear()
    client = PolicyClient(url(server), patience=Patience(answer_s=0.05))

    with client, pytest.raises(PolicyServerError) as caught:
        client.predict_action_chunk(STATE)
    may_answer.set()

    assert caught.value.reason == "timeout"


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        ({}, "observation_keys"),
        ({"observation.state": np.array([np.nan], np.float32)}, "value_invalid"),
    ],
)
def test_a_bad_observation_is_refused_by_name_and_not_remembered(server, observation, reason):
    with client_of(server) as client:
        with pytest.raises(PolicyServerError) as caught:
            client.predict_action_chunk(observation)
        seen = looks(client)

    assert caught.value.reason == reason
    assert server.counts[reason] == 1
    assert seen == 1


def _ask_with(**array) -> bytes:
    packed = {"dtype": "float32", "shape": [2], "data": b"\0" * 8} | array
    return msgpack.packb({"kind": "ask", "id": 1, "observation": {"observation.state": packed}})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("text", "message_corrupt"),
        (b"", "message_corrupt"),
        (b"\xc1", "message_corrupt"),
        (b"\x91" * 4000, "message_corrupt"),
        (wire.pack(wire.Ask(1, STATE))[:-1], "message_corrupt"),
        (wire.pack(wire.Ask(1, STATE)) + b"\0", "message_corrupt"),
        (b"\xdf\xff\xff\xff\xff", "message_corrupt"),
        (msgpack.packb(msgpack.ExtType(4, b"x")), "message_corrupt"),
        (msgpack.packb({"kind": "ask", "id": -1, "observation": {}}), "message_corrupt"),
        (msgpack.packb({"kind": "ask", "id": True, "observation": {}}), "message_corrupt"),
        (msgpack.packb({"kind": "ask", "id": 1, "observation": [], "x": 1}), "message_corrupt"),
        (wire.pack(wire.Done(1)), "message_corrupt"),
        (_ask_with(dtype="object"), "message_corrupt"),
        (_ask_with(dtype="<M8[ns]"), "message_corrupt"),
        (_ask_with(dtype="float16"), "message_corrupt"),
        (_ask_with(data="text"), "message_corrupt"),
        (_ask_with(shape=[2**40]), "observation_shape"),
        (_ask_with(shape=[2**31 - 1] * 5), "observation_shape"),
        (_ask_with(shape=[-1, -2]), "observation_shape"),
        (_ask_with(shape=[2.0]), "observation_shape"),
        (_ask_with(shape=[True, 2]), "observation_shape"),
        (_ask_with(shape=[1] * 9 + [2]), "observation_shape"),
        (_ask_with(shape=[3]), "observation_shape"),
    ],
)
def test_garbage_is_refused_by_name_and_the_next_question_answered(server, data, reason):
    with raw(server) as connection:
        refusal = answer(connection, data)
        reply = answer(connection, wire.pack(wire.Ask(7, STATE)))

    assert isinstance(refusal, wire.Refusal)
    assert refusal.reason == reason
    assert server.counts[reason] == 1
    assert reply.id == 7


def test_a_message_too_long_ends_the_connection_and_is_counted(server):
    huge = wire.pack(wire.Ask(1, {"observation.state": np.zeros(1 << 16, np.float32)}))

    with pytest.raises(ConnectionClosed), raw(server) as connection:
        answer(connection, huge)

    assert is_alive(server)
    assert server.counts["message_size"] == 1


def test_a_client_that_sends_only_garbage_is_sent_away(server):
    with raw(server) as connection:
        for _ in range(ServerOptions().max_strikes):
            answer(connection, b"\xc1")
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(WAIT_S)

    assert caught.value.rcvd.code == 1008
    assert is_alive(server)
    assert server.counts["sent_away"] == 1


def flood(connection) -> None:
    """Send far more than is allowed, then read: either may find the connection closed."""
    for _ in range(100):
        connection.send(wire.pack(wire.Reset(1)))
    deque(iter(connection.recv, None), maxlen=0)


def test_a_flood_is_refused_before_it_is_read(may_answer):
    options = ServerOptions(port=0, max_rate_hz=0.01)  # the second message would have to wait long
    with serving(CountingPolicy(may_answer), options) as server:
        with raw(server) as connection, pytest.raises(ConnectionClosed):
            flood(connection)
        assert is_alive(server)

    assert server.counts["flood"] >= options.max_strikes


def test_clients_beyond_the_bound_are_turned_away(server):
    with raw(server), raw(server):
        with connect(url(server)) as third, pytest.raises(ConnectionClosed) as caught:
            third.recv(WAIT_S)
        assert caught.value.rcvd.code == 1013

    assert server.counts["full"] == 1


def test_who_comes_back_when_there_is_no_room_is_remembered_still(server):
    with connect(url(server)) as lost:
        session = wire.unpack(lost.recv(WAIT_S)).session
        answer(lost, wire.pack(wire.Ask(0, STATE)))

    with raw(server):
        with (
            raw(server),
            connect(url(server), additional_headers={wire.SESSION_HEADER: session}) as turned_away,
            pytest.raises(ConnectionClosed),
        ):
            turned_away.recv(WAIT_S)
        with raw(server, **{wire.SESSION_HEADER: session}) as again:
            reply = answer(again, wire.pack(wire.Ask(1, STATE)))

    assert reply.actions[0, 0, 1] == 2


def test_a_page_in_a_browser_cannot_connect(server):
    with pytest.raises(InvalidStatus, match="403"):
        connect(url(server), origin="http://evil.example").close()


@pytest.mark.parametrize("shown", [None, "wrong horse battery!"])
def test_who_does_not_show_the_token_stays_outside(may_answer, shown):
    with serving(CountingPolicy(may_answer), ServerOptions(port=0, token=TOKEN)) as server:
        with pytest.raises(PolicyServerError):
            client_of(server, token=shown).predict_action_chunk(STATE)
        with client_of(server, token=TOKEN) as client:
            assert looks(client) == 1


def test_a_client_is_told_what_cannot_be_an_address_or_a_token():
    for wrong in (PolicyClient("http://x"), PolicyClient("ws://x", token="é" * 20)):
        with pytest.raises(ConfigError):
            wrong.reset()


def test_a_port_that_is_taken_is_an_error_with_its_name(server, may_answer):
    with (
        pytest.raises(PolicyServerError, match=f"cannot listen at .*{server.port}") as caught,
        serving(CountingPolicy(may_answer), ServerOptions(port=server.port)),
    ):
        pass

    assert caught.value.reason == "listen"


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "0.0.0.0"},
        {"host": "robot.local"},
        {"token": "short"},
        {"token": "é" * 20},
        {"token": "correct horse\nbattery"},
        {"port": 70_000},
        {"max_clients": 0},
    ],
)
def test_an_unsafe_server_is_refused(wrong):
    with pytest.raises(ConfigError):
        ServerOptions(**wrong)
    ServerOptions(host="0.0.0.0", token=TOKEN)
    ServerOptions(host="::1")


def test_the_token_is_not_in_what_is_logged():
    assert TOKEN not in repr(ServerOptions(token=TOKEN))
    assert TOKEN not in repr(PolicyClient("ws://x", token=TOKEN))


wire_arrays = st.builds(
    lambda kind, shape: (np.arange(math.prod(shape)) % 2).reshape(shape).astype(kind),
    st.sampled_from(wire.DTYPES),
    st.lists(st.integers(0, 4), max_size=4),
)


@given(st.dictionaries(st.text(max_size=10), wire_arrays, max_size=4), st.integers(0, 2**63 - 1))
def test_what_is_packed_comes_out_as_it_was(observation, message_id):
    message = wire.unpack(wire.pack(wire.Ask(message_id, observation)))

    assert message.id == message_id
    assert message.observation.keys() == observation.keys()
    for key, value in observation.items():
        np.testing.assert_array_equal(message.observation[key], value, strict=True)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["kind", "id", "observation", "dtype", "shape"]), inner)
    ),
    max_leaves=12,
)
garbage = st.one_of(
    st.binary(max_size=200),
    values.map(msgpack.packb),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["ask", "reset", "chunk"]), "id": values, "observation": values}
    ).map(msgpack.packb),
)


@given(data=garbage)
def test_any_bytes_are_a_message_or_a_format_error(data):
    with suppress(FormatError):
        assert wire.pack(wire.unpack(data))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=garbage)
def test_the_server_survives_any_bytes(server, data):
    with raw(server) as connection:
        connection.send(data)
        connection.send(wire.pack(wire.Ask(2**40, STATE)))
        replies = iter(lambda: wire.unpack(connection.recv(WAIT_S)), None)
        assert any(isinstance(r, wire.Chunk) and r.id == 2**40 for r in replies)
