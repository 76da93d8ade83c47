"""A simulated house, the robot that patrols it, and the truth to check a memory against."""
