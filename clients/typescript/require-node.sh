# Sourced by the scripts of this folder. Ends the script with code 3 if Node 22 or later is missing, or one of the named tools.
require_node() {
    local tool script=clients/typescript/${0##*/}
    for tool in node "$@"; do
        if ! command -v "$tool" >/dev/null; then
            echo "$script: $tool is missing; install Node 22 or later" >&2
            exit 3
        fi
    done
    if ! node -e 'process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)'; then
        echo "$script: Node $(node --version) is too old; install Node 22 or later" >&2
        exit 3
    fi
}
