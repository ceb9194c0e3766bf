# Two commands do everything from a fresh clone, installation into .venv included: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Options for pip, such as an index that holds builds of torch without CUDA.
PIP_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test fuzz soak lint docs web format bench gpu mutants audit zoo clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed  ## install the package and its tools into .venv

.venv/installed: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	@touch $@

demo: install  ## train a generator on real digits for at most three minutes of one core and look at it
	OMP_NUM_THREADS=1 $(BIN)/energy-gans fit --config configs/demo.yaml
	$(BIN)/energy-gans report --run runs/demo
	@printf '%s\n' '' \
		'Look at samples.png in the folder that the last lines name: most digits should be readable. curves.png shows the run.' \
		'In the table, the energy distance of samples should be far below that of noise; that of real digits is about 0.' \
		'Next:' \
		'  $(BIN)/energy-gans sample --ckpt_path runs/demo --n 400     more samples' \
		'  $(BIN)/energy-gans interpolate --ckpt_path runs/demo        digits between digits' \
		'  $(BIN)/energy-gans fit --config coulomb/folder --data.root FOLDER    your own pictures'

test: install  ## run the whole test suite, a process for each of up to eight cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

soak: install  ## kill runs of all methods at random moments, and watch the memory of long ones: hours
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak

# The factor on the number of examples in the suite: 40 take about ten minutes on two cores.
FUZZ ?= 40

fuzz: install  ## draw random examples for properties and damaged files, about ten minutes
	ENERGY_GANS_FUZZ=$(FUZZ) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 8 \
		tests/readers $$(find tests -name 'test_properties*.py')

lint: install  ## check style, types of arguments, docstrings and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_docstrings.py

docs: install  ## build the site, docs/_build/html/index.html, without the network
	OMP_NUM_THREADS=1 PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m sphinx -b html -W --keep-going -q -j auto docs docs/_build/html

web: install  ## add the page that runs the models of zoo/ in a browser to the site, docs/_build/html/web (needs npm)
	OMP_NUM_THREADS=1 $(BIN)/python docs/web/build_page.py

format: install  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install  ## measure the hot paths against plain PyTorch, as ratios
	$(BIN)/python -m benchmarks.potential
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.field_step
	$(BIN)/python -m benchmarks.data
	$(BIN)/python -m benchmarks.measures
	$(BIN)/python -m benchmarks.eieg
	$(BIN)/python -m benchmarks.langevin
	$(BIN)/python -m benchmarks.vapo

gpu:  ## on a machine with a GPU: its tests, then the large configs for eight minutes, into results/gpu.md
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m benchmarks.gpu

mutants: install  ## change the code in one place at a time and list changes that no test notices, in hours
	$(BIN)/pip install -q --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[mutants]"
	$(BIN)/python -m benchmarks.mutants

# The tools are not among the packages that they list.
audit: install  ## write a bill of materials, build/bom.json, and look up known vulnerabilities of its packages
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install -q --disable-pip-version-check $(PIP_ARGS) "cyclonedx-bom>=7" "pip-audit>=2.9"
	build/audit/bin/cyclonedx-py environment --of JSON --pyproject pyproject.toml -o build/bom.json $(BIN)/python
	build/audit/bin/pip-audit --skip-editable --path $$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")

zoo: install  ## train a model of zoo/ again, NAME=coulomb-ring, from the config in its folder
	$(BIN)/energy-gans fit --config zoo/$(NAME)/config.yaml --trainer.logger.save_dir runs \
	  --trainer.logger.name zoo/$(NAME) --trainer.logger.version null
	test ! -f zoo/$(NAME)/metrics.json || $(BIN)/energy-gans evaluate --ckpt_path runs/zoo/$(NAME) $(EVALUATE)
	$(BIN)/energy-gans export --ckpt_path runs/zoo/$(NAME) --out zoo/$(NAME) --overwrite $(EXPORT)

clean:  ## remove the environment and what tools leave behind, but no runs
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .import_linter_cache docs/_build docs/examples docs/reference/python docs/results
