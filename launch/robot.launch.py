"""Remember what a robot perceives, and let a policy act on it.

    ros2 launch robomem_bringup robot.launch.py path:=$HOME/robot.rmem
    ros2 launch robomem_bringup robot.launch.py policy:=exported policy_params_file:=my_policy.yaml

A recording instead of a robot: add use_sim_time:=true, and `ros2 bag play --clock` it.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

PARAMETERS = str(Path(__file__).with_name("robot.yaml"))
POLICY_PARAMETERS = str(Path(__file__).with_name("policy.yaml"))


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("path", default_value="robot.rmem", description="the memory"),
            DeclareLaunchArgument("params_file", default_value=PARAMETERS),
            DeclareLaunchArgument(
                "policy", default_value="", description="an exported policy; none acts without it"
            ),
            DeclareLaunchArgument("policy_params_file", default_value=POLICY_PARAMETERS),
            DeclareLaunchArgument("namespace", default_value=""),
            DeclareLaunchArgument("use_sim_time", default_value="false"),
            Node(
                package="robomem_ros",
                executable="memory_node",
                name="robomem",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    LaunchConfiguration("params_file"),
                    {
                        "path": LaunchConfiguration("path"),
                        "use_sim_time": LaunchConfiguration("use_sim_time"),
                    },
                ],
                respawn=True,
                respawn_delay=2.0,
                output="screen",
            ),
            OpaqueFunction(function=policy_nodes),
        ]
    )


def policy_nodes(context):
    policy = LaunchConfiguration("policy").perform(context)
    if not policy:
        return []
    return [
        Node(
            package="robomem_ros",
            executable="policy_node",
            name="robomem_policy",
            namespace=LaunchConfiguration("namespace"),
            parameters=[
                LaunchConfiguration("policy_params_file"),
                {"path": policy, "use_sim_time": LaunchConfiguration("use_sim_time")},
            ],
            output="screen",
        )
    ]
