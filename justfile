# The recipes of the house; `just` alone lists them. Everything is plain cargo, so that just itself is a comfort, not a need.

_default:
    @just --list

# All that must pass before a change goes in, without PostgreSQL being required.
check: lint test

# Formatting, the compiler's and clippy's warnings, the protos' style, the API documentation.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cd proto && buf lint
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# All tests; those on PostgreSQL say in one line if they cannot run.
test *arguments:
    cargo test --workspace {{arguments}}

# All tests, and a missing PostgreSQL is a failure.
test-postgres *arguments:
    HEADWATER_REQUIRE_POSTGRES=1 cargo test --workspace {{arguments}}

# The protos' style, and whether they break what this git reference has.
proto against="main":
    cd proto && buf lint
    cd proto && buf breaking --against '../.git#ref={{against}},subdir=proto'

# Writes the golden files anew; read the difference before you commit it.
golden:
    HEADWATER_UPDATE_GOLDEN=1 cargo test --workspace
    git diff --stat -- tests/it/golden

# Plants each bug of tests/planted and demands that the tests find it; takes a build for each.
planted *arguments:
    tests/planted/run {{arguments}}

# Licences, advisories and sources of everything in the build (needs cargo-deny).
deny:
    cargo deny check

# Serves on the embedded database.
run *arguments:
    cargo run --release -- {{arguments}}

# Plays a day through the public API and stays up.
demo *arguments:
    cargo run --release -- demo {{arguments}}
