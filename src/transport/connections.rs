//! The table of open connections. Its size is limited in all and for each address. A connection is known once a call with a key
//! that works has come over it. When there is no room, a new connection takes the place of the oldest unknown one of the address
//! that has the most of them. So nobody keeps others out with connections that do nothing, and nobody puts out newcomers from other
//! addresses by opening new ones all the time. Silent ones go before those over which a call came, such as the connection of a health
//! check, as long as these are few. The known ones are shared among the owners of the keys: one beyond its owner's share
//! works, but stays unknown.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::pace::{Pace, SlowedCount};
use crate::shares::{Share, Shares};

/// The owner of connections: an IPv4 address, or the /64 network of an IPv6 address, because a single host may have all of it.
pub type Network = IpAddr;

/// Up to this part of a network's unknown connections may stay because calls came over them: a quarter.
const CALLED_PART: usize = 4;

/// The network of an address.
pub fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

/// See the head of the file. Clones share one table.
#[derive(Clone)]
pub struct Connections(Arc<Table>);

struct Table {
    max: usize,
    /// The most connections of one network.
    per_network_max: usize,
    /// The known connections, by the owners of their keys.
    known: Shares<u128>,
    slowed_count: SlowedCount,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next_id: u64,
    open: HashMap<u64, CancellationToken>,
    /// How many of `open` each network has.
    counts: HashMap<Network, usize>,
    /// The unknown ones of `open` of each network.
    unknown: HashMap<Network, Unknown>,
}

/// The unknown connections of a network, the oldest first.
#[derive(Default)]
struct Unknown {
    silent: BTreeSet<u64>,
    /// A call came over each of these.
    called: BTreeSet<u64>,
}

impl Unknown {
    fn len(&self) -> usize {
        self.silent.len() + self.called.len()
    }

    /// The one that gives way first. If many have called, a call is no sign of a purpose, and newcomers that have not called yet must
    /// not give way to them.
    fn first(&self) -> Option<u64> {
        let are_many = self.called.len() * CALLED_PART > self.len();
        let [first, second] = if are_many { [&self.called, &self.silent] } else { [&self.silent, &self.called] };
        first.first().or_else(|| second.first()).copied()
    }
}

impl Connections {
    /// A table for `max` connections. A network may have `per_network_max`, and never more than two thirds of the table.
    pub fn new(max: usize, per_network_max: usize) -> Self {
        let per_network_max = per_network_max.min(max * 2 / 3).max(1);
        Self(Arc::new(Table {
            max,
            per_network_max,
            known: Shares::new(max as u64),
            slowed_count: SlowedCount::default(),
            entries: Mutex::default(),
        }))
    }

    /// Takes in a connection. `None` when it must be refused.
    pub fn admit(&self, address: SocketAddr) -> Option<Arc<Connection>> {
        let network = network(address.ip());
        let mut entries = self.entries();
        let has_many = entries.counts.get(&network).is_some_and(|count| *count >= self.0.per_network_max);
        let is_admitted = match has_many {
            true => entries.cut_oldest(Some(network)),
            false => entries.open.len() < self.0.max || entries.cut_oldest(None),
        };
        if !is_admitted {
            return None;
        }
        let id = entries.next_id;
        entries.next_id += 1;
        let cut = CancellationToken::new();
        entries.open.insert(id, cut.clone());
        *entries.counts.entry(network).or_default() += 1;
        entries.unknown.entry(network).or_default().silent.insert(id);
        drop(entries);
        Some(Arc::new(Connection {
            id,
            address,
            cut,
            has_called: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
            owner_share: OnceLock::new(),
            calls_working: AtomicUsize::new(0),
            parts: AtomicU32::new(0),
            pace: Pace::default(),
            table: self.clone(),
        }))
    }

    /// Closes an unknown connection. False if there is none.
    pub fn cut_oldest_unknown(&self) -> bool {
        self.entries().cut_oldest(None)
    }

    /// How many of them are slowed down.
    pub(super) fn slowed_count(&self) -> SlowedCount {
        self.0.slowed_count.clone()
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.entries().open.len()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Closes the oldest unknown connection of this network, or of the one that has the most. False if there is none.
    fn cut_oldest(&mut self, of: Option<Network>) -> bool {
        let largest = || self.unknown.iter().max_by_key(|(_, unknown)| unknown.len()).map(|(network, _)| *network);
        let Some(network) = of.or_else(largest) else { return false };
        let Some(id) = self.unknown.get(&network).and_then(Unknown::first) else { return false };
        if let Some(cut) = self.remove(id, network) {
            cut.cancel();
        }
        true
    }

    /// Takes a connection out. `None` if it was out already.
    fn remove(&mut self, id: u64, network: Network) -> Option<CancellationToken> {
        self.is_no_longer_unknown(id, network);
        let cut = self.open.remove(&id)?;
        if let Some(count) = self.counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
        Some(cut)
    }

    fn is_no_longer_unknown(&mut self, id: u64, network: Network) {
        if let Some(unknown) = self.unknown.get_mut(&network) {
            unknown.silent.remove(&id);
            unknown.called.remove(&id);
            if unknown.len() == 0 {
                self.unknown.remove(&network);
            }
        }
    }

    fn has_called(&mut self, id: u64, network: Network) {
        if let Some(unknown) = self.unknown.get_mut(&network)
            && unknown.silent.remove(&id)
        {
            unknown.called.insert(id);
        }
    }
}

/// An open connection. It leaves the table when it is dropped.
pub struct Connection {
    id: u64,
    address: SocketAddr,
    cut: CancellationToken,
    has_called: AtomicBool,
    is_known: AtomicBool,
    owner_share: OnceLock<Share<u128>>,
    calls_working: AtomicUsize,
    /// How many parts of answers the transport has taken.
    parts: AtomicU32,
    pace: Pace,
    table: Connections,
}

impl Connection {
    /// The address of the client.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says that a key that works came over the connection. It is not slowed down any more.
    pub fn shows_key(&self) {
        self.pace.becomes_free();
    }

    /// The same of a key that not everybody can have. The first owner of a key has the connection.
    pub fn becomes_known(&self, owner: u128) {
        if self.is_known.load(Ordering::Relaxed) {
            return;
        }
        // One beyond its owner's share tries again at its next call.
        if let Some(share) = self.table.0.known.take(owner, 1) {
            // A second call at the same time gives its share back.
            let _ = self.owner_share.set(share);
            self.is_known.store(true, Ordering::Relaxed);
            self.table.entries().is_no_longer_unknown(self.id, network(self.address.ip()));
        }
    }

    /// Completes when the connection must be closed at once.
    pub(super) async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// Says that a call has come.
    pub(super) fn called(&self) {
        // Most calls are not the first one, and a read costs less than an exchange.
        if !self.has_called() && !self.has_called.swap(true, Ordering::Relaxed) {
            self.table.entries().has_called(self.id, network(self.address.ip()));
        }
        self.pace.called();
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    pub(super) fn has_called(&self) -> bool {
        self.has_called.load(Ordering::Relaxed)
    }

    pub(super) fn begin_work(&self) {
        self.calls_working.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_work(&self) {
        self.calls_working.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn takes_part(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes with each part of an answer that the transport takes.
    pub(super) fn parts(&self) -> u32 {
        self.parts.load(Ordering::Relaxed)
    }

    /// Whether the server is working on a call of this connection.
    pub(super) fn is_working(&self) -> bool {
        self.calls_working.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.table.entries().remove(self.id, network(self.address.ip()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    fn is_cut(connection: &Connection) -> bool {
        connection.cut.is_cancelled()
    }

    fn known(table: &Connections, from: &str, owner: u128) -> Option<Arc<Connection>> {
        table.admit(address(from)).inspect(|connection| connection.becomes_known(owner))
    }

    #[test]
    fn one_address_leaves_a_third_of_the_table() {
        let table = Connections::new(90, 1_000);
        let held: Vec<_> = (0..60).map(|owner| known(&table, "10.0.0.1", owner).unwrap()).collect();
        assert!(table.admit(address("10.0.0.1")).is_none());
        assert!(table.admit(address("10.0.0.2")).is_some() && held.len() == 60);
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_oldest_unknown_one() {
        let table = Connections::new(6, 1_000);
        let first = known(&table, "10.0.0.1", 1).unwrap();
        let unknown: Vec<_> = (0..3).map(|_| table.admit(address("10.0.0.1")).unwrap()).collect();
        let again = table.admit(address("10.0.0.1")).unwrap();
        assert!(!is_cut(&first) && is_cut(&unknown[0]) && !is_cut(&unknown[1]) && !is_cut(&again));
        let others: Vec<_> = (0..3).map(|last| known(&table, &format!("10.0.1.{last}"), 2 + last).unwrap()).collect();
        assert!(is_cut(&unknown[1]), "the table is full, and this address has the most unknown ones");
        drop((unknown, again));
        let last: Vec<_> = (5..7).map(|last| known(&table, &format!("10.0.1.{last}"), 2 + last).unwrap()).collect();
        assert!(table.admit(address("10.0.0.9")).is_none(), "all are known");
        drop(others);
        assert!(table.admit(address("10.0.0.9")).is_some() && last.len() == 2);
    }

    #[test]
    fn newcomers_come_in_though_many_addresses_fill_the_table() {
        let table = Connections::new(170, 1_000);
        let shop: Vec<_> = (0..4).map(|owner| known(&table, "10.0.0.1", owner).unwrap()).collect();
        let flood = |round: usize| table.admit(address(&format!("10.0.1.{}", round % 32))).unwrap();
        let mut held: Vec<_> = (0..300).map(flood).collect();
        for round in 0..100 {
            let newcomer = table.admit(address("10.0.0.1")).unwrap();
            held.extend((0..500).map(|more| flood(round + more)));
            assert!(!is_cut(&newcomer));
        }
        assert!(shop.iter().all(|connection| !is_cut(connection)));
    }

    #[test]
    fn a_network_that_opens_new_ones_all_the_time_puts_out_its_own() {
        let table = Connections::new(20, 1_000);
        let newcomer = table.admit(address("10.0.0.1")).unwrap();
        let flood: Vec<_> =
            (0..1_000).filter_map(|round| table.admit(address(&format!("10.0.1.{}", round % 5)))).collect();
        assert!(flood.len() == 1_000 && !is_cut(&newcomer));
    }

    #[test]
    fn a_connection_with_calls_stays_while_silent_ones_come_and_go() {
        let table = Connections::new(12, 1_000);
        let health = table.admit(address("10.0.0.1")).unwrap();
        health.called();
        let silent: Vec<_> = (0..100).map(|_| table.admit(address("10.0.0.1")).unwrap()).collect();
        assert!(!is_cut(&health) && is_cut(&silent[0]));
        // If all call once, they are like silent ones.
        let calling: Vec<_> = (0..100).map(|_| table.admit(address("10.0.0.1")).unwrap()).collect();
        for connection in &calling {
            connection.called();
        }
        let newcomer = table.admit(address("10.0.0.1")).unwrap();
        let _more: Vec<_> = (0..3).map(|_| table.admit(address("10.0.0.1")).unwrap()).collect();
        assert!(is_cut(&health) && !is_cut(&newcomer));
    }

    #[test]
    fn connections_beyond_the_share_of_their_owner_stay_unknown() {
        let table = Connections::new(9, 1_000);
        let connections: Vec<_> = (1..=9).map(|last| known(&table, &format!("10.0.0.{last}"), 7).unwrap()).collect();
        let _newcomers: Vec<_> = (1..=3).map(|last| known(&table, &format!("10.0.1.{last}"), 8).unwrap()).collect();
        let cut = connections.iter().filter(|connection| is_cut(connection)).count();
        assert_eq!(cut, 3, "one owner has two thirds of the table");
    }

    #[test]
    fn a_network_has_its_own_limit() {
        let table = Connections::new(100, 2);
        let held: Vec<_> = (0..2).map(|owner| known(&table, "2001:db8::1", owner).unwrap()).collect();
        assert!(table.admit(address("2001:db8::2")).is_none(), "of the same /64");
        assert!(table.admit(address("2001:db8:0:1::1")).is_some());
        drop(held);
        assert!(table.admit(address("2001:db8::2")).is_some());
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), network("10.0.0.1".parse().unwrap()));
        assert_eq!(table.count(), 0);
    }
}
