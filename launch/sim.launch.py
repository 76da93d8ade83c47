"""Remember a simulated house.

ros2 launch robomem_bringup sim.launch.py seed:=0
ros2 service call /sim/first_patrol std_srvs/srv/Trigger
ros2 service call /robomem/ask robomem_msgs/srv/Ask "{question: 'where is the red mug?'}"
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

PARAMETERS = str(Path(__file__).with_name("sim.yaml"))


def generate_launch_description():
    return LaunchDescription(
        [
            DeclareLaunchArgument("path", default_value="house.rmem", description="the memory"),
            DeclareLaunchArgument("seed", default_value="0", description="of the house"),
            Node(
                package="robomem_ros",
                executable="memory_node",
                name="robomem",
                parameters=[PARAMETERS, {"path": LaunchConfiguration("path")}],
                output="screen",
            ),
            Node(
                package="robomem_ros",
                executable="sim_node",
                name="sim",
                parameters=[{"seed": LaunchConfiguration("seed")}],
                output="screen",
            ),
        ]
    )
