"""RoboMem on ROS 2: a memory node, a node that simulates a robot in a house, and a demonstration."""
