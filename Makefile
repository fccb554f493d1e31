# `make help` lists the targets. Everything sets its environment up by itself (see tools/setup_env.py).

ROBOT ?= ur5e
TASK ?= reach
SECONDS ?= 30
PYTEST ?= pytest -q
TESTS ?= test/unit test/ros test/hil test/launch

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit lint mutants clean distclean

help:  ## list the targets
	@echo 'make TARGET [ROBOT=$(ROBOT)] [TASK=$(TASK)] [SECONDS=$(SECONDS)]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1	\2/p' Makefile | expand -t 14
	@echo 'More: ./gen --help'

setup:  ## install and build what is missing (every other target does it too)
	@./gen exec true

demo:  ## a robot reaches for what it is told to: ROBOT=ur5e|franka_fr3|openarm_bimanual TASK=reach|track
	@./gen demo --robot $(ROBOT) --task $(TASK) --seconds $(SECONDS)

test: lint  ## style, then all tests: unit, ROS, closed loop, launch
	@./gen exec $(PYTEST) $(wildcard $(TESTS))

test-unit:  ## the tests that need no ROS graph
	@./gen exec $(PYTEST) test/unit

lint:  ## ruff
	@./gen exec ruff check .

mutants:  ## mutation testing of the envelope and the stop logic; goes on where it was interrupted
	@./gen python tools/mutants.py

clean:  ## remove what was built and recorded: out, build, install, log
	@rm -rf out build install log .pytest_cache .ruff_cache .hypothesis

distclean: clean  ## clean, and the environment too
	@rm -rf .venv
