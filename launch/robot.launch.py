"""Remember what a robot perceives.

    ros2 launch robomem_bringup robot.launch.py path:=$HOME/robot.rmem

A recording instead of a robot: add use_sim_time:=true, and `ros2 bag play --clock` it.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

PARAMETERS = str(Path(__file__).with_name("robot.yaml"))


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("path", default_value="robot.rmem", description="the memory"),
            DeclareLaunchArgument("params_file", default_value=PARAMETERS),
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
        ]
    )
