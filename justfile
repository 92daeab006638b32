# The project's recipes; `just` alone lists them. All are plain cargo commands, so just itself is not needed.

_default:
    @just --list

# Runs every check that must pass before a change is merged, without requiring PostgreSQL.
check: lint test

# Checks formatting, compiler and clippy warnings, the protos' style, and the API documentation.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cd proto && buf lint && buf format --diff --exit-code
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Runs all tests. Without PostgreSQL, one line says which are skipped.
test *arguments:
    cargo test --workspace {{arguments}}

# Runs all tests; fails without PostgreSQL.
test-postgres *arguments:
    HEADWATER_REQUIRE_POSTGRES=1 cargo test --workspace {{arguments}}

# Checks the protos' style and format, and that they do not break the API of the last release.
proto:
    cd proto && buf lint && buf format --diff --exit-code
    .ci/breaking

# Makes the generated code of all clients from the protos.
generate *arguments:
    clients/generate {{arguments}}

# Runs the clients, or some of them, against one server that is restarted.
clients *arguments:
    clients/test {{arguments}}

# Rewrites the golden files; read the diff before you commit it.
golden:
    HEADWATER_UPDATE_GOLDEN=1 cargo test --workspace
    git diff --stat -- tests/it/golden

# Compares the engine that prices with slow models of it, on a million random programs and events and on histories in proportion.
price factor="50":
    HEADWATER_CASES_FACTOR={{factor}} cargo test --profile fuzz --test it -- --nocapture properties::pricing

# Times the price of one sale under terms with many rules.
bench *arguments:
    cargo bench --bench price {{arguments}}

# Plants each bug of tests/planted and fails unless the tests find it. Builds once for each bug.
planted *arguments:
    tests/planted/run {{arguments}}

# The whole domain takes hours: `just mutants --file src/domain/rule/refund.rs` is for one file, `--in-diff` for a change.
# Changes the rules of the domain one at a time, and lists the changes that no test notices (needs cargo-mutants).
mutants *arguments:
    cargo mutants {{arguments}}

# Checks licences, versions, sources and advisories of all dependencies (needs cargo-deny).
deny:
    .ci/deny

# Runs the fuzz targets, by default for an hour: `just fuzz --minutes 5 history wire`.
fuzz *arguments:
    fuzz/run {{arguments}}

# Runs the server on the embedded database.
run *arguments:
    cargo run --release -- {{arguments}}

# Plays a day through the public API and keeps running.
demo *arguments:
    cargo run --release -- demo {{arguments}}
