"""Install the nodes where `ros2 run` finds them."""

from setuptools import find_packages, setup

NAME = "robomem_ros"

setup(
    name=NAME,
    version="0.1.0",
    description="RoboMem on ROS 2",
    maintainer="The RoboMem authors",
    maintainer_email="robomem@example.org",
    license="Apache-2.0",
    packages=find_packages(include=[NAME]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    entry_points={
        "console_scripts": [
            f"memory_node = {NAME}.memory_node:main",
            f"policy_node = {NAME}.policy_node:main",
            f"sim_node = {NAME}.sim_node:main",
        ]
    },
)
