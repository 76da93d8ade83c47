"""Several processes that train one agent: `torchrun --nproc-per-node 2 -m robomem.cli train ...`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from robomem.errors import ConfigError

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many processes this one is; the first writes the files.

    Attributes:
        rank: From 0.
        ranks: How many there are.
        device: What this one computes on.
    """

    rank: int = 0
    ranks: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def cuda_devices(self) -> list[torch.device]:
        """The devices whose random numbers have to be kept apart, besides the CPU's."""
        return [self.device] if self.device.type == "cuda" else []

    def wrapped(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are the mean over all processes."""
        if self.ranks == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=True)

    def mean(self, *values: float) -> list[float]:
        """Return each number's mean over all processes, so that all decide alike."""
        if self.ranks == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(summed)
        return cast(list[float], (summed / self.ranks).tolist())


@contextmanager
def shared(device: str) -> Iterator[Share]:
    """Join the other processes, as torchrun's environment variables tell; alone where they tell of none.

    Raises:
        ConfigError: There is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("torch finds no GPU here: train with --device cpu")
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield Share(device=torch.device(device))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Share(distributed.get_rank(), ranks, chosen)
    finally:
        distributed.destroy_process_group()


def set_threads(count: int) -> None:
    """Compute with so many threads of the CPU.

    Raises:
        ConfigError: It is less than one.
    """
    if count < 1:
        raise ConfigError(f"threads are 1 or more, got {count}")
    torch.set_num_threads(count)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread meanwhile: small policies gain nothing from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
