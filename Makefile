# One word per chore. Everything else is `.venv/bin/neocog …`.
.PHONY: demo test test-all lectures docs lint audit-pins bench clean
OK := .venv/.ok
# A torch process uses every core by itself; two test processes with one thread each fill two cores.
PYTEST := OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $${NEOCOG_TEST_PROCESSES:-2} --dist worksteal

$(OK): pyproject.toml constraints.txt scripts/setup.sh
	scripts/setup.sh

demo: $(OK)  ## Train on the built-in digits, audit, fix, audit again, explain, in two minutes; a report of each step.
	.venv/bin/neocog train digits --size 32 --epochs 12 --out runs/demo --overwrite
	.venv/bin/neocog audit runs/demo digits --report runs/demo/audit.html
	.venv/bin/neocog fix runs/demo digits --padding circular --shift circular,crop --budget 45s \
		--out runs/demo-fixed --overwrite
	.venv/bin/neocog audit runs/demo-fixed digits --baseline runs/demo \
		--report runs/demo-fixed/audit.html
	.venv/bin/neocog explain runs/demo-fixed digits --samples 4 --out runs/demo-fixed/explain
	@echo
	@echo 'See inside both networks:'
	@echo '    .venv/bin/neocog explore runs/demo digits --baseline runs/demo-fixed'

test: $(OK)  ## The whole suite but what is marked slow.
	scripts/browser.sh
	$(PYTEST) -m "not slow"

test-all: $(OK)  ## The whole suite.
	scripts/browser.sh
	$(PYTEST)

lectures: $(OK)  ## Every claim of the lectures, measured; a page with the figures in runs/lectures.html.
	mkdir -p runs
	.venv/bin/neocog lectures --report runs/lectures.html

docs: build/docs-env/.ok  ## The documentation as a site in build/site, built strictly and checked; needs some minutes.
	NO_MKDOCS_2_WARNING=1 build/docs-env/bin/mkdocs build --quiet
	build/docs-env/bin/python scripts/check_site.py build/site

build/docs-env/.ok: pyproject.toml constraints.txt
	scripts/browser.sh
	python3 -m venv build/docs-env
	build/docs-env/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]' playwright
	touch $@

lint: $(OK)  ## Style, types, floors.
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

audit-pins: $(OK)  ## Bounds and pins against the list of known holes; before a release and every three months.
	.venv/bin/python scripts/audit_pins.py

bench: $(OK)  ## The quick benchmarks; see benchmarks/README.md for the long ones.
	.venv/bin/python benchmarks/run.py quick

clean:
	rm -rf .venv runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
