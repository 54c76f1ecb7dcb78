# The shortest names of what is done daily; everything here also works without `just`.

# Everything that CI runs
test:
    scripts/test

# The quick part: format, lints, tests
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# The service on a laptop, with the stand-in cloud
serve:
    set -a; . events/local.env; set +a; cargo run -- serve --config sharehook.local.toml --sandbox

# One event file through the real path, as in: just invoke events/http-jira-approved.json
invoke event:
    set -a; . events/local.env; set +a; cargo run -- invoke --config sharehook.local.toml {{event}}

# The benchmarks
bench:
    cargo bench

# What is deployed: target/package/bootstrap.zip
package:
    scripts/package

# Licences, sources and duplicates of the dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources
