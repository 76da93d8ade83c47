# RoboMem beside ROS 2 Jazzy, x86-64 or arm64: docker build -f docker/ros.Dockerfile -t robomem-ros .
# Not built in CI, which has no Docker; .ci/setup is what CI runs too.
FROM ros:jazzy-ros-base
SHELL ["/bin/bash", "-c"]
WORKDIR /robomem
COPY . .
RUN . /opt/ros/jazzy/setup.bash && .ci/setup
ENTRYPOINT ["/ros_entrypoint.sh"]
CMD ["bash", "-c", ". ros_ws/env.sh && exec bash"]
