# Runs before the commands of a page, and makes them work in a test: other ports, servers in the background.
# PORT and CLOUD are free ports. The file CALLS gets the exit code and the arguments of each call of sharehook.
set -eu
trap 'builtin kill $(jobs -p) 2>/dev/null || true' EXIT

# Waits until an address answers, for at most ten seconds.
wait_for() {
  for _ in $(seq 100); do
    command curl -s --max-time 2 "$1" >/dev/null && return
    sleep 0.1
  done
  echo "nothing answers at $1" >&2
  cat serve.log >&2
  exit 1
}

# Runs `serve` and `sandbox` in the background on the free ports, and records the exit code 0 for
# them in CALLS. Runs every other command to its end.
sharehook() {
  local arguments=() argument listen=yes code=0 address==127.0.0.1:$CLOUD
  # These commands only read the journal of the stand-in cloud.
  case $1 in requests | grants | explain | notify | report | audit) address= ;; esac
  for argument in "$@"; do
    case $argument in
      --sandbox) argument=--sandbox$address ;;
      127.0.0.1:8080) argument=127.0.0.1:$PORT listen=no ;;
    esac
    arguments+=("$argument")
  done
  case " $* " in
    *" serve "*)
      [ $listen = no ] || arguments+=(--listen "127.0.0.1:$PORT")
      command sharehook "${arguments[@]}" >>serve.log 2>&1 &
      SERVER=$!
      wait_for "http://127.0.0.1:$PORT/readyz"
      ;;
    *" sandbox "*)
      [ -z "${STAND_IN:-}" ] || builtin kill "$STAND_IN"
      command sharehook "${arguments[@]}" --listen "127.0.0.1:$CLOUD" >>serve.log 2>&1 &
      STAND_IN=$!
      wait_for "http://127.0.0.1:$CLOUD/"
      ;;
    *) command sharehook "${arguments[@]}" || code=$? ;;
  esac
  echo "$code $*" >>"$CALLS"
}

# `cargo run -- ARGUMENTS` runs the built program. Other cargo commands do nothing.
cargo() {
  while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
  if [ $# -gt 1 ]; then shift; sharehook "$@"; fi
}

curl() {
  local arguments=("${@//127.0.0.1:8080/127.0.0.1:$PORT}")
  command curl --fail-with-body --max-time 20 "${arguments[@]//127.0.0.1:18300/127.0.0.1:$CLOUD}"
}
# Signals the server instead of the process that the page names.
kill() { builtin kill "$1" "${SERVER:?no server is running}"; }

