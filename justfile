# Short names for daily commands. Each also works without `just`.

# Runs everything that CI runs
test:
    scripts/test

# Runs the quick part: format, lints, Rust tests
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace

# Serves on a laptop, with the stand-in cloud
serve:
    set -a; . events/local.env; set +a; cargo run -- serve --config sharehook.local.toml --sandbox

# Processes one event file: just invoke events/http-jira-approved.json
invoke event:
    set -a; . events/local.env; set +a; cargo run -- invoke --config sharehook.local.toml {{event}}

# Attacks the service over loopback and measures honest deliveries: just attack --seconds 5 --only slow-heads
attack *options:
    cargo build --release
    tests/attack/attack.py {{options}}

# Sends traffic while service, cloud, disk and clock fail, then compares answers, journal and cloud: just soak [--minutes 3 | --hour] [--seed N]
soak *options:
    cargo build --release
    tests/attack/soak.py {{options}}

# Runs the benchmarks (20 minutes), which write benches/results and docs/performance.md: just bench [--only warm | --quick]
bench *options:
    scripts/bench {{options}}

# Builds the documentation as a site: target/site/index.html
docs:
    scripts/peers docs
    .peers/docs/bin/mkdocs build --strict

# Draws docs/demo.svg, the README's picture of the demo
picture:
    scripts/peers lint
    cargo build
    scripts/demo-picture

# Builds the deployment package: target/package/bootstrap.zip
package:
    scripts/package

# Checks licences, sources and duplicates of the dependencies (needs cargo-deny)
deny:
    cargo deny check licenses bans sources

# Fuzzes each target, or one, for so many seconds: just fuzz 60 maps
fuzz seconds target="":
    scripts/fuzz {{seconds}} {{target}}
