"""Data sets of demonstrations in the layout of LeRobot 3.0: written, read and checked, without depending on it."""
