# Runs one PostgreSQL cluster and follows commands on standard input until it closes. Then stops the cluster, and removes it unless it is
# kept. A cluster that was kept is started again.
#
# usage: sh -c "$(cat postgres.sh)" postgres.sh BIN_DIRECTORY WORK_DIRECTORY PORT SETTINGS [keep]
#
# Lines on standard input: "start", "stop fast", "stop immediate". Each is answered by "ready" or "stopped"; any other output is
# an error message. When the process that holds the other end of standard input ends, the cluster is stopped or removed.
exec 2>&1
set -eu
bin=$1 directory=$2 port=$3 settings=$4 keep=${5:-}
as=
running=

# PostgreSQL starts from the work directory, because the account below may not be able to read our current one.
cd "$directory"

clean_up() {
    trap - EXIT
    mode=immediate
    if [ -n "$keep" ]; then mode=fast; fi
    if [ -n "$running" ]; then
        $as "$bin/pg_ctl" stop --pgdata="$directory/data" --mode=$mode >/dev/null 2>&1 || true
    fi
    cd /
    if [ -z "$keep" ]; then rm -rf "$directory"; fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT PIPE TERM

# PostgreSQL refuses to run as root.
if [ "$(id -u)" = 0 ]; then
    account=nobody
    if id -u postgres >/dev/null 2>&1; then account=postgres; fi
    chown "$account" "$directory"
    if command -v setpriv >/dev/null 2>&1; then
        as="setpriv --reuid=$(id -u "$account") --regid=$(id -g "$account") --clear-groups --"
    else
        as="runuser -u $account --"
    fi
fi

# Settings that affect durability and speed keep PostgreSQL's defaults, unless the caller sets others.
start() {
    $as "$bin/pg_ctl" start --wait --timeout=120 --pgdata="$directory/data" --log="$directory/data/server.log" \
        --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 $settings" \
        >"$directory/start.log" 2>&1 || { cat "$directory/start.log" "$directory/data/server.log"; exit 1; }
    running=yes
    echo ready
}

if [ ! -e "$directory/data" ]; then
    # --no-sync applies only to the creation of the cluster.
    $as "$bin/initdb" --auth=trust --username=headwater --encoding=UTF8 --locale=C --no-sync \
        --pgdata="$directory/data" >"$directory/initdb.log" 2>&1 || { cat "$directory/initdb.log"; exit 1; }
fi
start
while read -r command mode; do
    case $command in
    start) start ;;
    stop)
        $as "$bin/pg_ctl" stop --wait --timeout=120 --pgdata="$directory/data" --mode="$mode" >"$directory/stop.log" 2>&1 ||
            { cat "$directory/stop.log"; exit 1; }
        running=
        echo stopped
        ;;
    *) echo "unknown command: $command" ;;
    esac
done
