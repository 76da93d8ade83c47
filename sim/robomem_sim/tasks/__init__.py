"""Tasks that need a memory, as gymnasium environments.

task            what all of them share: the observation, the score, what `info` tells     start here
script          tasks in which everything is shown, then asked: no action changes what is seen
                ballet, cards, colours, shells
t_maze, rooms   tasks in which one has to go and look
table           tasks of a gripper over a table: cups, drawers
gripper, raster how it moves, how it is drawn
third_party     what needs more than gymnasium: cups_mujoco; tasks of others: popgym_cards, minigrid_memory, mikasa

Gymnasium knows them once this module is imported, or after `register_tasks`:

    import gymnasium
    import robomem_sim.tasks

    env = gymnasium.make("robomem/Ballet-v0", dancers=8, delay_steps=48)
"""

import gymnasium

NAMESPACE = "robomem"
TASKS = {
    "Ballet-v0": "ballet:Ballet",
    "RememberColour-v0": "colours:RememberColour",
    "ChainOfColours-v0": "colours:ChainOfColours",
    "ShellGame-v0": "shells:ShellGame",
    "RepeatBack-v0": "cards:RepeatBack",
    "TMaze-v0": "t_maze:TMaze",
    "HiddenObject-v0": "rooms:HiddenObject",
    "ShellReach-v0": "cups:ShellReach",
    "DrawerSearch-v0": "drawers:DrawerSearch",
}

THIRD_PARTY = {
    "ShellReachMujoco-v0": "cups_mujoco:MujocoShellReach",
    "PopgymRepeatPrevious-v0": "popgym_cards:PopgymRepeatPrevious",
    "PopgymConcentration-v0": "popgym_cards:PopgymConcentration",
    "MiniGridMemory-v0": "minigrid_memory:MiniGridMemory",
    "MikasaRememberColor-v0": "mikasa:MikasaRememberColor",
}  # made where what they are of is installed; else they say how to


def register_tasks() -> None:
    """Tell gymnasium of the tasks, once; nothing of theirs is imported before one is made.

    It is the entry point `gymnasium.envs`, which gymnasium itself reads no more since its version 1.0.
    """
    for name, place in (TASKS | THIRD_PARTY).items():
        if (task_id := f"{NAMESPACE}/{name}") not in gymnasium.registry:
            gymnasium.register(task_id, entry_point=f"{__name__}.{place}")


register_tasks()
