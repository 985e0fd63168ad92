# Short names for the commands of CONTRIBUTING.md; `.venv/bin/just` comes with the `dev` extra.

python := ".venv/bin/python"

# List the recipes.
default:
    @{{just_executable()}} --list

# Make the virtual environment, with everything that the other recipes need.
setup:
    python3 -m venv .venv
    {{python}} -m pip install --quiet --disable-pip-version-check -e '.[dev]'

# Run the tests, or those that are named: `just test tests/outbox -x`.
test *which:
    {{python}} -m pytest -q -n auto {{which}}

# Look at style, format, spelling and import contracts.
lint:
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/codespell
    .venv/bin/lint-imports

# Check the types.
types:
    .venv/bin/mypy

# Build the reference pages of the public classes.
docs:
    {{python}} docs/build.py

# Measure, or list what can be measured: `just bench --help`.
bench *which:
    {{python}} -m benchmarks {{which}}

# Put the code into its format, and mend what ruff can mend.
format:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .

# Show the section that the pieces in changelog.d make of the next release.
changelog:
    .venv/bin/towncrier build --draft

# Run everything that CI runs.
gate:
    .ci/run
