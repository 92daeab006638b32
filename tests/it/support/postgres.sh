# Runs one temporary PostgreSQL cluster for as long as standard input stays open, then stops and removes it.
#
# usage: sh -c "$(cat postgres.sh)" postgres.sh BIN_DIRECTORY WORK_DIRECTORY PORT
#
# The test process holds the other end of standard input, so the cluster goes when the process goes, whether it
# returned, panicked or was killed. Prints "ready" once the cluster answers; anything printed before is its troubles.
exec 2>&1
set -eu
bin=$1 directory=$2 port=$3
as=
started=

# Started from inside the work directory, since the account below may not be able to see where we came from.
cd "$directory"

clean_up() {
    trap - EXIT
    if [ -n "$started" ]; then
        $as "$bin/pg_ctl" stop --pgdata="$directory/data" --mode=immediate >/dev/null 2>&1 || true
    fi
    cd /
    rm -rf "$directory"
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

# --no-sync spares only the creation: the cluster itself runs with fsync and synchronous_commit on, which Headwater
# insists on.
$as "$bin/initdb" --auth=trust --username=headwater --encoding=UTF8 --locale=C --no-sync \
    --pgdata="$directory/data" >"$directory/initdb.log" 2>&1 || { cat "$directory/initdb.log"; exit 1; }
started=yes
$as "$bin/pg_ctl" start --wait --timeout=60 --pgdata="$directory/data" --log="$directory/data/server.log" \
    --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300 -c shared_buffers=32MB" \
    >"$directory/start.log" 2>&1 || { cat "$directory/start.log" "$directory/data/server.log"; exit 1; }

echo ready
exec >/dev/null 2>&1
while read -r _; do :; done
