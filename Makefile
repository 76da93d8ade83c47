.DEFAULT_GOAL := help
.PHONY: help demo test lint setup clean

help:  ## say what there is to make
	@awk -F ':  ## ' '/^[a-z]+:  ## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo:  ## a robot remembers a simulated house; results go to out/
	@.ci/run demo

test:  ## run the tests; ARGS="-k octree" goes to pytest
	@.ci/run test $(ARGS)

lint:  ## check format, style, types and imports
	@.ci/run lint

setup:  ## make .venv: packages, ROS 2, messages (the other targets do it too)
	@.ci/run setup

clean:  ## remove .venv, out/ and every cache
	rm -rf .venv out dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
