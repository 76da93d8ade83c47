# RoboMem without ROS 2: docker build -f docker/core.Dockerfile -t robomem .
# Not built in CI, which has no Docker; .ci/setup is what CI runs too.
FROM python:3.12-slim-bookworm
WORKDIR /robomem
COPY . .
RUN .ci/setup --no-ros --no-train
ENV PATH=/robomem/.venv/bin:$PATH
ENTRYPOINT ["robomem"]
CMD ["--help"]
