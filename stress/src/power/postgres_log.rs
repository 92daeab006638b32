//! Reads PostgreSQL's write-ahead log as it is written, record by record. It finds the sales whose transaction has a written
//! commit record, and the position up to which the log is synced. The layout is that of PostgreSQL's `access/xlogrecord.h` and
//! `access/xlog_internal.h`, unchanged since version 9.5.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::order::{Log, Pattern};
use super::trace::{Call, Step};

const SEGMENT_BYTES: u64 = 16 << 20;
const PAGE_BYTES: u64 = 8_192;
/// Header sizes of a page, and of the first page of a segment.
const PAGE_HEADER_BYTES: u64 = 24;
const LONG_PAGE_HEADER_BYTES: u64 = 40;
/// The offset in a page's header of the remaining length of a record that began earlier.
const REMAINING_AT: usize = 16;
const RECORD_HEADER_BYTES: usize = 24;
const CHECKSUM_AT: usize = 20;
/// Record types for the end of a transaction, and those among them that commit.
const TRANSACTION_RECORDS: u8 = 1;
const OPERATION_MASK: u8 = 0x70;
const COMMIT: u8 = 0x00;

/// PostgreSQL's log, followed through a trace.
pub(super) struct PostgresLog {
    pattern: Pattern,
    /// The written part of each page, by its position in the log.
    pages: BTreeMap<u64, Vec<u8>>,
    /// The position of the next record; `None` before the first page.
    position: Option<u64>,
    known: BTreeSet<String>,
    /// Event_ids in records of uncommitted transactions, by transaction.
    open: HashMap<u32, Vec<String>>,
    /// The end position of the commit record, by event_id.
    written: BTreeMap<String, u64>,
    /// The end of the records when the current sync began.
    under_way: Option<u64>,
    /// Everything up to here is synced.
    synced: u64,
    commits: usize,
    syncs: usize,
}

impl PostgresLog {
    pub(super) fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            pages: BTreeMap::new(),
            position: None,
            known: BTreeSet::new(),
            open: HashMap::new(),
            written: BTreeMap::new(),
            under_way: None,
            synced: 0,
            commits: 0,
            syncs: 0,
        }
    }

    /// One or more whole pages.
    fn write(&mut self, place: u64, bytes: &[u8]) {
        for (page, bytes) in (place / PAGE_BYTES..).zip(bytes.chunks(PAGE_BYTES as usize)) {
            self.pages.insert(page * PAGE_BYTES, bytes.to_vec());
        }
        if self.position.is_none() {
            self.position = self.first_record(place);
        }
        while let Some((end, record)) = self.position.and_then(|position| self.record(position)) {
            self.take_in(end, &record);
            self.position = Some(end.next_multiple_of(8));
        }
    }

    /// The position of the first record that begins on this page.
    fn first_record(&self, page: u64) -> Option<u64> {
        let remaining = self.pages.get(&page)?.get(REMAINING_AT..REMAINING_AT + 4)?;
        let remaining = u64::from(u32::from_le_bytes(remaining.try_into().ok()?));
        let begin = page + page_header_bytes(page);
        let (end, _) = self.read(begin, usize::try_from(remaining).ok()?)?;
        Some(end.next_multiple_of(8))
    }

    /// The record at this position and its end; `None` until it is written completely.
    fn record(&self, position: u64) -> Option<(u64, Vec<u8>)> {
        let (_, length) = self.read(position, 4)?;
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        if length < RECORD_HEADER_BYTES {
            return None;
        }
        let (end, record) = self.read(position, length)?;
        let (header, body) = record.split_at(RECORD_HEADER_BYTES);
        let expected = u32::from_le_bytes(header.get(CHECKSUM_AT..)?.try_into().ok()?);
        let checksum = !crc32c(crc32c(u32::MAX, body), header.get(..CHECKSUM_AT)?);
        (checksum == expected).then_some((end, record))
    }

    /// This many bytes from a position on, without page headers, and the end position.
    fn read(&self, mut place: u64, length: usize) -> Option<(u64, Vec<u8>)> {
        let mut bytes = Vec::with_capacity(length.min(1 << 20));
        loop {
            let page = place / PAGE_BYTES * PAGE_BYTES;
            if place == page && bytes.len() < length {
                place += page_header_bytes(page);
            }
            let from = usize::try_from(place - page).ok()?;
            let rest = self.pages.get(&page).and_then(|page| page.get(from..)).unwrap_or_default();
            let taken = rest.len().min(length - bytes.len());
            bytes.extend_from_slice(&rest[..taken]);
            place += taken as u64;
            if bytes.len() == length {
                return Some((place, bytes));
            }
            if taken == 0 {
                return None;
            }
        }
    }

    fn take_in(&mut self, end: u64, record: &[u8]) {
        let Some(transaction) = record.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes) else {
            return;
        };
        for event_id in self.pattern.occurrences(record) {
            if self.known.insert(event_id.clone()) {
                self.open.entry(transaction).or_default().push(event_id);
            }
        }
        let is_commit = record.get(17) == Some(&TRANSACTION_RECORDS)
            && record.get(16).is_some_and(|operation| operation & OPERATION_MASK == COMMIT);
        if is_commit && let Some(event_ids) = self.open.remove(&transaction) {
            self.commits += 1;
            self.written.extend(event_ids.into_iter().map(|event_id| (event_id, end)));
        }
    }
}

impl Log for PostgresLog {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Ended(Call::Write { path, offset, bytes }) => {
                if let Some(segment) = segment(path) {
                    self.write(segment + offset, bytes);
                }
            }
            Step::Began(Call::Sync { path }) if segment(path).is_some() => self.under_way = self.position,
            Step::Ended(Call::Sync { path }) if segment(path).is_some() => {
                self.syncs += 1;
                self.synced = self.synced.max(self.under_way.take().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn is_synced(&self, event_id: &str) -> bool {
        self.written.get(event_id).is_some_and(|end| *end <= self.synced)
    }

    fn counts(&self) -> (usize, usize) {
        (self.commits, self.syncs)
    }
}

fn page_header_bytes(page: u64) -> u64 {
    if page.is_multiple_of(SEGMENT_BYTES) { LONG_PAGE_HEADER_BYTES } else { PAGE_HEADER_BYTES }
}

/// The log position at which a segment begins, from its file name: `pg_wal/TTTTTTTTHHHHHHHHLLLLLLLL`.
fn segment(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    if path.parent()?.file_name()? != "pg_wal" || name.len() != 24 {
        return None;
    }
    let part = |from: usize| u64::from_str_radix(name.get(from..from + 8)?, 16).ok();
    Some((part(8)? << 32) + part(16)? * SEGMENT_BYTES)
}

/// The Castagnoli checksum, without the final inversion.
fn crc32c(mut checksum: u32, bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    for byte in bytes {
        checksum ^= u32::from(*byte);
        for _ in 0..8 {
            checksum = if checksum & 1 == 1 { checksum >> 1 ^ POLYNOMIAL } else { checksum >> 1 };
        }
    }
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as PostgreSQL writes it, padded to where the next may begin.
    fn record(transaction: u32, manager: u8, body: &[u8]) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(u32::try_from(RECORD_HEADER_BYTES + body.len()).unwrap().to_le_bytes());
        record.extend(transaction.to_le_bytes());
        record.extend([0; 8]);
        record.extend([0, manager, 0, 0]);
        let checksum = !crc32c(crc32c(u32::MAX, body), &record);
        record.extend(checksum.to_le_bytes());
        record.extend(body);
        record.resize(record.len().next_multiple_of(8), 0);
        record
    }

    fn pages(records: &[Vec<u8>]) -> Vec<u8> {
        let mut pages = vec![0; usize::try_from(LONG_PAGE_HEADER_BYTES).unwrap()];
        for byte in records.concat() {
            if pages.len() % 8_192 == 0 {
                pages.extend([0; 24]);
            }
            pages.push(byte);
        }
        pages.resize(pages.len().next_multiple_of(8_192), 0);
        pages
    }

    fn path() -> std::path::PathBuf {
        "/d/pg_wal/000000010000000000000002".into()
    }

    fn write(bytes: Vec<u8>) -> Step {
        Step::Ended(Call::Write { path: path(), offset: 0, bytes })
    }

    fn sync() -> [Step; 2] {
        [Step::Began(Call::Sync { path: path() }), Step::Ended(Call::Sync { path: path() })]
    }

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(!crc32c(u32::MAX, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_sale_is_synced_with_its_commit_record_and_not_before() {
        let mut log = PostgresLog::new(Pattern { prefix: b"sale-".to_vec(), length: 6 });
        // The row reaches into the second page.
        let row = record(7, 10, &[&[b'.'; 9_000][..], b"sale-1"].concat());
        let commit = record(7, TRANSACTION_RECORDS, b"when");
        log.apply(&write(pages(std::slice::from_ref(&row))));
        sync().iter().for_each(|step| log.apply(step));
        assert!(!log.is_synced("sale-1"), "only its row is");
        log.apply(&write(pages(&[row, commit])));
        assert!(!log.is_synced("sale-1"), "only written");
        sync().iter().for_each(|step| log.apply(step));
        assert!(log.is_synced("sale-1"));
        assert_eq!(log.counts(), (1, 2));
    }
}
