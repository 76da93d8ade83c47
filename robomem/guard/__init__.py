"""Which memories may steer the robot: where each came from, and who agrees."""
