"""Tasks that need a memory, as gymnasium environments: `gymnasium.make("robomem/Ballet-v0")`."""


def register_tasks() -> None:
    """Tell gymnasium of the tasks; it calls this itself, as the entry point `gymnasium.envs`."""
