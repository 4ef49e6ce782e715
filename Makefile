# make demo   teach and patrol a simulated route through real ROS 2 nodes, and write demo/report.html
# make test   every test
# Both make .venv when it is not there. Where a ROS 2 environment is sourced, its rclpy is used and no wheels.
#   PYTHON=python3.12   the interpreter to build .venv with (3.10 to 3.13)
#   PIP_ARGS=...        options for pip, such as an index of CPU-only torch wheels

PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

ifdef ROS_DISTRO
VENV_ARGS := --system-site-packages
REQUIREMENTS := -r requirements.txt
else
REQUIREMENTS := -r requirements.txt -r requirements-base.txt -r requirements-ros.txt
endif

.PHONY: demo test venv clean

demo: $(VENV)/.ready
	$(BIN)/umad-patrol demo --out demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest test -q

venv: $(VENV)/.ready

$(VENV)/.ready: Makefile setup.py setup.cfg requirements.txt requirements-base.txt requirements-ros.txt requirements-test.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.10 to 3.13 found; install one or say make PYTHON=/path/to/python3"; exit 2; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (about 2 GB; a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV_ARGS) $(VENV) || { echo "No venv module; try: sudo apt-get install python3-venv"; exit 2; }
	$(BIN)/python -m pip install -q $(PIP_ARGS) $(REQUIREMENTS) -r requirements-test.txt
	@# pip before 23.1 would run setup.py by itself, and put the commands where setup.cfg has them for colcon
	$(BIN)/python -m pip install -q $(PIP_ARGS) --no-deps --no-build-isolation --use-pep517 -e .
	@touch $@

clean:
	rm -rf $(VENV) demo build install log *.egg-info .pytest_cache .hypothesis
