"""A language model behind an OpenAI-compatible endpoint, local or not: `POST {url}/chat/completions`.

One deadline for all of a request, a cap on what is read, no redirects, no proxies. The key is read from the
environment variable that the settings name, and never leaves over plain HTTP but to this machine.
"""

import http.client
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from robomem.ask.language_model import Message
from robomem.config import AskConfig
from robomem.errors import ConfigError, ModelError, ModelOutputError

CHUNK_BYTES = 65_536
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
        parts = urlsplit(config.model_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"ask.model_url is an http(s) URL, got {config.model_url!r}")
        self._config = config
        self._host, self._port = parts.hostname, parts.port
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
        """Return the status and the body of the answer, all of it before the deadline."""
        deadline_s = time.monotonic() + self._config.model_timeout_s
        connect = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = connect(self._host, self._port, timeout=self._config.model_timeout_s)
        try:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            connection.request("POST", self._path, body, headers)
            sock = connection.sock
            response = connection.getresponse()
            return response.status, self._read(response, sock, deadline_s)
        finally:
            connection.close()

    def _read(self, response: http.client.HTTPResponse, sock: Any, deadline_s: float) -> bytes:
        read = bytearray()
        while True:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"no whole answer within {self._config.model_timeout_s:g} s")
            sock.settimeout(left_s)
            chunk = response.read1(CHUNK_BYTES)
            if not chunk:
                return bytes(read)
            read += chunk
            if len(read) > self._config.model_reply_bytes:
                raise ModelOutputError(
                    f"{self._name} answered with more than {self._config.model_reply_bytes} bytes"
                )

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
