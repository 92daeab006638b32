//! The limit of open files of the process. Each connection needs one of them, and so do the database and the log.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Settings;
use crate::transport::connections::Connections;

/// The descriptors that are kept for everything but connections: the log, the listeners, the runtime, and connections that were
/// closed a moment ago.
const RESERVE: u64 = 40;

/// The descriptors of one connection to a SQLite file: the file, its log, and its shared memory.
const DATABASE_DESCRIPTORS: u64 = 3;

/// The tables of connections for gRPC and for HTTP.
pub(super) struct Tables {
    pub(super) grpc: Connections,
    pub(super) http: Connections,
}

/// The tables of connections that the settings ask for, or as many as the limit of open files allows. Raises the limit first, as
/// far as the process may.
pub(super) fn connections(settings: &Settings) -> Tables {
    let grpc_wanted = u64::from(settings.listen.connections_max);
    let http_wanted = settings.http.http_address.as_ref().map_or(0, |_| u64::from(settings.http.http_connections_max));
    let wanted = grpc_wanted + http_wanted;
    // The readers, the two that look up keys, the writers, and the probes.
    let database_connections = u64::from(settings.database.read_connections_max) + 6;
    let reserve = RESERVE + DATABASE_DESCRIPTORS * database_connections;
    let limit = raise(wanted + reserve);
    let max = limit.map_or(wanted, |limit| wanted.min(limit.saturating_sub(reserve).max(1)));
    // Where there is not enough for both, HTTP has at most a quarter, because payouts go on without callbacks.
    let http_max = if max < wanted { http_wanted.min(max / 4) } else { http_wanted };
    if max < wanted {
        tracing::info!(
            connections_max = max - http_max,
            http_connections_max = http_max,
            open_files = limit,
            "fewer connections than connections_max are taken, because the process may open too few files"
        );
    }
    let table = |max: u64| Connections::new(max.max(1) as usize, settings.listen.connections_per_address_max as usize);
    Tables { grpc: table(max - http_max), http: table(http_max) }
}

/// How many files the process may open, after it has asked for so many. `None` for no limit.
fn raise(wanted: u64) -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let raised = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if raised > current && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok() {
        return Some(raised);
    }
    Some(current)
}
