"""The agents by their names, for the command line and checkpoints."""

from robomem.policy.training.agent import Agent, DirectAgent
from robomem.policy.training.chunk_agent import ChunkAgent
from robomem.policy.training.settings import TrainingSettings
from robomem.policy.training.tasks import TaskShape


def make_agent(settings: TrainingSettings, shape: TaskShape) -> Agent:
    """Return an untrained agent.

    Raises:
        ConfigError: There is no such memory, or the settings do not fit the task.
    """
    kinds = {"direct": DirectAgent, "diffusion": ChunkAgent}
    return kinds[settings.policy](settings, shape)
