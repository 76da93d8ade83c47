"""Every error robomem raises on purpose; the class carries the exit code of the command line.

RobomemError                      exit 70
├── ConfigError                   exit 2   a setting is unknown or out of range
├── QueryError                    exit 2   the question cannot be turned into a query
├── DataError                     exit 3   the input is wrong; `reason` names how
│   ├── FormatError                        a recording or a message cannot be parsed
│   ├── FrameError                         no pose, or no transform between two frames
│   └── StampError                         a stamp is negative or went backwards
├── StoreError                    exit 4   the memory on disk is wrong
│   ├── StoreLockedError                   another process writes it
│   ├── StoreReadOnlyError                 a write to a memory opened with mode="r"
│   ├── StoreVersionError                  written by a newer robomem
│   └── StoreCorruptError                  not a memory, or its checksum differs
├── MissingExtraError             exit 5   an optional dependency is not installed
├── UnreachableError              exit 6   no collision-free path
├── ModelError                    exit 7   a language model cannot be asked
│   └── ModelOutputError                   what it said is not what it may say
└── PolicyError                   exit 8   a policy cannot act
    ├── PolicyFolderError                  its folder is incomplete, altered or of another version
    ├── ProviderError                      what it was to run on is not there
    └── PolicyServerError                  its server refuses, or cannot be reached
"""

from enum import StrEnum
from typing import ClassVar


class Reason(StrEnum):
    """Why an observation or a happening was rejected; counted by this name, as in `robomem info`."""

    DEPTH_EMPTY = "depth_empty"
    DEPTH_SHAPE = "depth_shape"
    EMBEDDING_SIZE = "embedding_size"
    FLOOD = "flood"
    IMAGE_CORRUPT = "image_corrupt"
    INTRINSICS_INVALID = "intrinsics_invalid"
    MESSAGE_CORRUPT = "message_corrupt"
    MESSAGE_SIZE = "message_size"
    NO_TRANSFORM = "no_transform"
    OBSERVATION_EMPTY = "observation_empty"
    OBSERVATION_KEYS = "observation_keys"
    OBSERVATION_SHAPE = "observation_shape"
    OUT_OF_BOUNDS = "out_of_bounds"
    POINTS_EMPTY = "points_empty"
    POSE_INVALID = "pose_invalid"
    RECORDING_TRUNCATED = "recording_truncated"
    STAMP_BACKWARDS = "stamp_backwards"
    STAMP_INVALID = "stamp_invalid"
    STAMP_JUMP = "stamp_jump"
    STAMP_SKEW = "stamp_skew"
    TEXT_INVALID = "text_invalid"
    TEXT_LENGTH = "text_length"
    VALUE_INVALID = "value_invalid"


class RobomemError(Exception):
    """Base of all errors raised on purpose."""

    exit_code: ClassVar[int] = 70


class ConfigError(RobomemError):
    """A setting is unknown or out of range."""

    exit_code = 2


class QueryError(RobomemError):
    """The question cannot be turned into a query."""

    exit_code = 2


class DataError(RobomemError):
    """The input is wrong; a stream counts it under `reason` and goes on."""

    exit_code = 3

    def __init__(self, message: str, *, reason: Reason = Reason.VALUE_INVALID) -> None:
        super().__init__(message)
        self.reason = reason


class FormatError(DataError):
    """A recording or a message cannot be parsed."""


class FrameError(DataError):
    """There is no pose, or no transform between two frames at that stamp."""


class StampError(DataError):
    """A stamp is negative, went backwards or jumped."""


class StoreError(RobomemError):
    """The memory on disk is wrong."""

    exit_code = 4


class StoreLockedError(StoreError):
    """Another process writes this memory."""


class StoreReadOnlyError(StoreError):
    """A write was tried on a memory opened for reading."""


class StoreVersionError(StoreError):
    """The memory was written by a newer robomem."""


class StoreCorruptError(StoreError):
    """The folder is no memory, or a checksum in it differs."""


class MissingExtraError(RobomemError):
    """An optional dependency is not installed."""

    exit_code = 5


class UnreachableError(RobomemError):
    """There is no collision-free path."""

    exit_code = 6


class ModelError(RobomemError):
    """A language model cannot be asked."""

    exit_code = 7


class ModelOutputError(ModelError):
    """What a language model said is not what it may say."""


class PolicyError(RobomemError):
    """A policy cannot act."""

    exit_code = 8


class PolicyFolderError(PolicyError):
    """The folder of a policy is incomplete, altered since it was written, or of another version."""


class ProviderError(PolicyError):
    """The execution provider that was asked for is not there."""


class PolicyServerError(PolicyError):
    """A policy server refuses, or cannot be reached; `reason` names how."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
