"""Recordings in, observations out; no ROS needed."""
