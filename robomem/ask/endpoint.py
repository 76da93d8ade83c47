"""A language model behind an OpenAI-compatible endpoint, local or not: `POST {url}/chat/completions`.

One deadline for connecting and one for the whole reply, a cap on what is read, no redirects, no proxies. The key is
read from the environment variable that the settings name, and never leaves over plain HTTP but to this machine.
"""

import http.client
import json
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from robomem.ask.language_model import Message
from robomem.config import AskConfig
from robomem.errors import ConfigError, ModelError, ModelOutputError

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
BUSY = {429, 500, 502, 503, 504}


class _Said(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Said


class _Completion(BaseModel):
    choices: list[_Choice]


class Endpoint:
    """A model on a server.

    Raises:
        ConfigError: The URL is none, a key would leave in the clear, or its variable is not set.
    """

    def __init__(self, config: AskConfig) -> None:
        if config.model_url is None:
            raise ConfigError("ask.model_url is not set")
        wrong = f"ask.model_url is an http(s) URL, got {config.model_url!r}"
        try:
            parts = urlsplit(config.model_url)
            self._port = parts.port
        except ValueError as err:
            raise ConfigError(wrong) from err
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(wrong)
        self._config, self._host = config, parts.hostname
        self._is_secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/") + "/chat/completions"
        self._key = self._read_key()

    def complete(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> str:
        """Return the reply; see `LanguageModel`. A server that is busy is asked again."""
        body = json.dumps(
            {
                "model": self._config.model_name,
                "messages": [{"role": m.role, "content": m.text} for m in messages],
                "temperature": 0,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "query", "schema": schema},
                },
            }
        ).encode()
        failure = "it was not asked"
        for _ in range(self._config.model_attempts):
            try:
                status, reply = self._post(body)
            except (OSError, http.client.HTTPException) as err:
                failure = f"{type(err).__name__}: {err}"
                continue
            if status in BUSY:
                failure = f"it answered with status {status}"
                continue
            if status != 200:
                raise ModelError(f"{self._name} answered with status {status}: check ask.model_url")
            return self._content(reply)
        raise ModelError(f"{self._name} cannot be asked: {failure}")

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer; at the deadline the connection is cut."""
        timeout_s = self._config.model_timeout_s
        connect = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = connect(self._host, self._port, timeout=timeout_s)
        connection.connect()
        is_late = threading.Event()
        watch = threading.Timer(timeout_s, _cut, (connection.sock, is_late))
        watch.start()
        try:
            connection.request("POST", self._path, body, self._headers())
            response = connection.getresponse()
            read = response.read(self._config.model_reply_bytes + 1)
        finally:
            watch.cancel()
            connection.close()
        if is_late.is_set():
            raise TimeoutError(f"no whole answer within {timeout_s:g} s")
        if len(read) > self._config.model_reply_bytes:
            raise ModelOutputError(
                f"{self._name} answered with more than {self._config.model_reply_bytes} bytes"
            )
        return response.status, read

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def _content(self, reply: bytes) -> str:
        try:
            choices = _Completion.model_validate_json(reply).choices
        except ValidationError as err:
            raise ModelOutputError(f"{self._name} answered with no completion: {err}") from err
        if not choices:
            raise ModelOutputError(f"{self._name} answered with no choice")
        return choices[0].message.content

    def _read_key(self) -> str | None:
        name = self._config.model_key_variable
        if name is None:
            return None
        if not self._is_secure and self._host not in LOOPBACK:
            raise ConfigError(
                f"the key of {name} would leave unencrypted: use https in ask.model_url"
            )
        key = os.environ.get(name)
        if not key:
            raise ConfigError(f"ask.model_key_variable names {name}, which is not set")
        return key

    @property
    def _name(self) -> str:
        return f"the language model at {self._host}"


def _cut(sock: socket.socket, is_late: threading.Event) -> None:
    """End a connection that another thread waits for."""
    is_late.set()
    with suppress(OSError):  # it has just ended by itself
        sock.shutdown(socket.SHUT_RDWR)
