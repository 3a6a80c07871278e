# Everything a person types here. `make help` lists it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Wheels only: no compiler is needed, and nothing unpinned is fetched to build one.
PIP    := $(BIN)/python -m pip --disable-pip-version-check -qq --no-input
LOCK   := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

.DEFAULT_GOAL := help
# Every role is a process of its own: without bytecode on disk each would compile the same modules again at its start.
unexport PYTHONDONTWRITEBYTECODE
.DELETE_ON_ERROR:
.PHONY: help demo up test scenarios check lint bench format lock clean

help: ## この一覧 / this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## 架空の住民一万人で最初から最後まで動かす / the whole job on 10,000 synthetic residents (ARGS="--residents 1000")
	@$(BIN)/sekisho demo $(ARGS)

up: $(VENV)/.runtime ## すべてのサーバーを起動する。Ctrl-C で止まる / start every role; Ctrl-C stops them
	@$(BIN)/sekisho up $(ARGS)

test: $(VENV)/.dev ## テスト / run the tests (T=tests/keys picks some)
	@command -v softhsm2-util >/dev/null || \
	    echo 'SoftHSM2 がないので HSM の試験は飛ばします / tests of the security module are skipped: sudo apt-get install softhsm2' >&2
	$(BIN)/pytest -n 3 --dist loadfile $(T)

scenarios: $(VENV)/.runtime ## すべてのシナリオを動かす / play every scenario, as it is shipped
	@$(BIN)/sekisho scenario run scenarios/*.yaml

check: lint test ## 変更を出す前に / everything that must pass before a change lands

lint: $(VENV)/.dev ## 書式・静的検査・型・依存の向き / formatter, ruff, mypy, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.dev ## 性能測定 / measure, beside what the same run shows as the limit of the parts
	$(BIN)/python -m benchmarks $(ARGS)

format: $(VENV)/.dev ## 書式を直す / rewrite the sources in house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.dev ## 依存を固定し直す / pin dependencies anew (needs uv: .venv/bin/pip install uv)
	echo setuptools | $(BIN)/uv pip compile $(LOCK) --upgrade pyproject.toml - --output-file requirements.txt
	printf 'setuptools\nwheel\n' | $(BIN)/uv pip compile $(LOCK) --upgrade --extra dev --constraint requirements.txt \
	    pyproject.toml - --output-file requirements-dev.txt

clean: ## 仮想環境と作業用ファイルを消す。var/ のデータは残す / remove what can be made again; data under var/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps. .runtime is enough to run; .dev adds what the checks need.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'Python 3.11 以上が要ります / Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { echo 'venv がありません / the venv module is missing. Debian: sudo apt-get install python3-venv' >&2; exit 1; }
	@echo '仮想環境を作ります / making $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.txt pyproject.toml
	@echo '依存をハッシュ照合して入れます / installing hash-checked dependencies'
	@$(PIP) install --only-binary :all: --require-hashes --requirement requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo '検査の道具を入れます / installing the checking tools'
	@$(PIP) install --only-binary :all: --require-hashes --requirement requirements-dev.txt
	@touch $@
