# Every target makes .venv by itself: git, make and Python >= 3.11 are all a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# make bench: how many of the newest commits without results, or a range such as HEAD~9..HEAD;
# FULL=1 for every benchmark, RETRY=1 to try again what failed, MACHINE= to name this machine.
# DENSE=1 for what is cheap of each commit that changes the core; QUIET=1 with it for the whole suite
# at the newest and at tags, too. Of all commits, or of a range.
COMMITS ?= 5
FULL ?=
RETRY ?=
DENSE ?=
QUIET ?=
MACHINE ?=
QUICK ?=
# make gate: the commits to compare, how long it may take, and which benchmarks.
BASE ?= main
HEAD ?= HEAD
BUDGET ?= 10m
ONLY ?= *
# make continuous: which benchmarks, as asv matches them.
BENCH ?=
# make alerts: CONFIRM=1 measures suspects again; WEBHOOK= is told what is new.
CONFIRM ?=
WEBHOOK ?=
PORT ?= 8080
# make history: where other results lie: a remote of git, or a folder, a clone, an archive. By default
# the branch of origin that the nights push to, where there is one; else what the repository keeps.
FROM ?=
# make sim: how many seeds; or one SEED, with its SCENARIO if it is not the drawn one, and TRACE=1.
SEEDS ?= 200
SEED ?=
TRACE ?=
# make load, too: a shipped scenario (python -m perflab load --list) or a TOML file.
SCENARIO ?=
# Half of the tests wait for something: a worker per processor takes two thirds of the time.
IN_PARALLEL := -n logical --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help bench gate continuous alerts history load sim site report preview test pytest coverage docs package news check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What publishes is there in seconds; it is part of the whole environment.
PUBLISHER := $(VENV)/$(if $(wildcard $(VENV)/.ready),.ready,.publisher)

$(VENV)/.ready: pyproject.toml
	$(call environment,dev,half a minute)

$(VENV)/.publisher: pyproject.toml
	$(call environment,site,ten seconds)

define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "p2pcore needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12" >&2; exit 2; }
	@echo "== environment: $(VENV) (about $(2))"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(1)]'
	@touch $@
endef

bench: $(VENV)/.ready ## measure the newest commits and build the site (COMMITS=5|A..B FULL=1 RETRY=1 DENSE=1 MACHINE=)
	@$(BIN)/python -m perflab bench --commits '$(COMMITS)' $(if $(filter-out 0,$(FULL)),--full) \
		$(if $(filter-out 0,$(RETRY)),--retry-failed) $(if $(filter-out 0,$(DENSE)),--dense) \
		$(if $(filter-out 0,$(QUIET)),--quiet-machine) $(if $(MACHINE),--machine '$(MACHINE)')

load: $(VENV)/.ready ## offer a swarm a load and file what came of it (SCENARIO=sustained-100, or a TOML file)
	@$(BIN)/python -m perflab load '$(or $(SCENARIO),sustained-100)'

gate: $(VENV)/.ready ## is HEAD slower than BASE? (BASE=main HEAD=HEAD BUDGET=10m ONLY=*)
	@$(BIN)/python -m perflab gate '$(BASE)' '$(HEAD)' --budget '$(BUDGET)' --only '$(ONLY)'

continuous: $(VENV)/.ready ## what asv itself says of the two (BASE=main HEAD=HEAD BENCH= MACHINE=)
	@PATH="$(abspath $(BIN)):$$PATH" && export PATH && \
		asv machine --yes $(if $(MACHINE),--machine '$(MACHINE)') > /dev/null && \
		asv continuous '$(BASE)' '$(HEAD)' $(if $(BENCH),--bench '$(BENCH)') \
			$(if $(MACHINE),--machine '$(MACHINE)')

alerts: $(VENV)/.ready ## has anything become slower in the results there are? (CONFIRM=1 WEBHOOK= MACHINE=)
	@$(BIN)/python -m perflab alerts $(if $(filter-out 0,$(CONFIRM)),--confirm) \
		$(if $(MACHINE),--machine '$(MACHINE)') $(if $(WEBHOOK),--webhook '$(WEBHOOK)')

site: $(PUBLISHER) ## build the site from the results there are, without measuring
	@$(BIN)/python -m perflab site

history: $(PUBLISHER) ## bring in the results of other machines (FROM=a remote, a clone, a folder, an archive)
	@if [ -n '$(FROM)' ]; then \
		$(BIN)/python -m perflab history $(if $(wildcard $(FROM)),merge,fetch) '$(FROM)'; \
	elif git ls-remote --exit-code --heads origin benchmark-results >/dev/null 2>&1; then \
		$(BIN)/python -m perflab history fetch; \
	else \
		echo "== origin has no branch benchmark-results: this is what the repository keeps; FROM= names more"; \
		$(BIN)/python -m perflab history unpack; \
	fi

report: $(VENV)/.ready ## is it ready? measure, judge, report (QUICK=1 for two minutes)
	@$(BIN)/python -m perflab readiness $(if $(filter-out 0,$(QUICK)),--quick)

preview: $(PUBLISHER) ## serve the site on this machine alone (PORT=8080)
	@$(BIN)/python -m perflab preview --port '$(PORT)'

sim: $(VENV)/.ready ## play the simulated scenarios of many seeds (SEEDS=200), or of one (SEED=17 SCENARIO=partition TRACE=1)
	@$(BIN)/python -m p2pcore.sim $(if $(SEED),replay --seed '$(SEED)' \
		$(if $(filter-out 0,$(TRACE)),--trace),sweep --seeds '$(SEEDS)') $(if $(SCENARIO),--scenario '$(SCENARIO)')

docs: $(VENV)/.ready ## build the documentation as a site, build/docs/index.html; a dead link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict -f .mkdocs.yml
	@echo "== build/docs/index.html; to search in it, too: $(BIN)/python -m http.server -d build/docs 8000"

# With nothing but what builds: this is also for systems that the suite's own packages are not for.
package: ## build the sdist and the wheels in dist/, install each by itself and use it
	@rm -rf dist build/packager
	@$(PYTHON) -m venv build/packager
	@build/packager/bin/python -m pip install --quiet --disable-pip-version-check \
		"$$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')"
	@build/packager/bin/python -m hatchling build -d dist
	@cd packaging/perflab && ../../build/packager/bin/python -m hatchling build -t wheel -d ../../dist
	@build/packager/bin/python -m tests.package dist

check: $(VENV)/.ready ## lint, imports and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/mypy
	$(BIN)/mypy --strict examples

test: check pytest ## lint, imports, types and the tests; with P2PCORE_NIGHTLY=1 those, too, that take long

# Some tests call make themselves: nothing of how this one was called is theirs.
pytest: $(VENV)/.ready
	MAKEFLAGS= $(BIN)/python -m pytest $(IN_PARALLEL)

coverage: $(VENV)/.ready ## which lines of p2pcore the quick tests reach, in this process alone
	$(BIN)/python -m pytest $(IN_PARALLEL) -m 'not slow' --cov=p2pcore --cov-report=term:skip-covered

news: $(VENV)/.ready ## what the next release will say, of the files in news/
	@$(BIN)/towncrier build --draft

clean: ## remove the environment and everything measured
	rm -rf $(VENV) .venv-* .asv build dist
