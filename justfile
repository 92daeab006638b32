# The project's recipes; `just` alone lists them. All are plain cargo commands, so just itself is optional.

_default:
    @just --list

# Every check that must pass before a change is merged, without requiring PostgreSQL.
check: lint test

# Formatting, compiler and clippy warnings, the protos' style, the API documentation.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cd proto && buf lint
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# All tests. Without PostgreSQL, one line says which are skipped.
test *arguments:
    cargo test --workspace {{arguments}}

# All tests; fails without PostgreSQL.
test-postgres *arguments:
    HEADWATER_REQUIRE_POSTGRES=1 cargo test --workspace {{arguments}}

# The protos' style, and whether they break the API of this git reference.
proto against="main":
    cd proto && buf lint
    cd proto && buf breaking --against '../.git#ref={{against}},subdir=proto'

# Rewrites the golden files; read the diff before you commit it.
golden:
    HEADWATER_UPDATE_GOLDEN=1 cargo test --workspace
    git diff --stat -- tests/it/golden

# Plants each bug of tests/planted and fails unless the tests find it; builds once for each.
planted *arguments:
    tests/planted/run {{arguments}}

# Changes the rules of the domain a little, one change at a time, and lists the changes that no test notices (needs cargo-mutants).
# Takes hours for the whole domain: `just mutants --file src/domain/rule/refund.rs` for one file, `--in-diff` for a change.
mutants *arguments:
    cargo mutants {{arguments}}

# Checks licences, advisories and sources of all dependencies (needs cargo-deny).
deny:
    cargo deny check

# Runs the server on the embedded database.
run *arguments:
    cargo run --release -- {{arguments}}

# Plays a day through the public API and keeps running.
demo *arguments:
    cargo run --release -- demo {{arguments}}
