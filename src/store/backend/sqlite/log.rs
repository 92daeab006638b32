//! Reads the write-ahead log of a SQLite database (`-wal`) as far as SQLite would: up to the last commit whose checksums are
//! right. Knows the format of the file, and no content but the marks.
//!
//! See the page "WAL-mode File Format" of SQLite.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use super::header::{Marks, number};

const HEADER_LENGTH: usize = 32;
const FRAME_HEADER_LENGTH: usize = 24;
/// The last bit says in which order checksums take the bytes of a word.
const MAGIC_LITTLE: i32 = 0x377f_0682;
const MAGIC_BIG: i32 = 0x377f_0683;
const PAGE_BYTES_MAX: usize = 65_536;

/// What the commits of a log change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    /// Whether there is a commit.
    pub(super) has_commits: bool,
    /// The marks in the newest first page, if a commit changes that page.
    pub(super) marks: Option<Marks>,
    /// Whether the commits change no other page.
    pub(super) has_only_marks: bool,
}

/// The running checksum.
#[derive(Clone, Copy)]
struct Checksum {
    is_big: bool,
    sums: (u32, u32),
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let word = |four: &[u8]| {
            let four: [u8; 4] = four.try_into().unwrap_or_default();
            if self.is_big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
        };
        let (mut first, mut second) = self.sums;
        for pair in bytes.chunks_exact(8) {
            let (left, right) = pair.split_at(4);
            first = first.wrapping_add(word(left)).wrapping_add(second);
            second = second.wrapping_add(word(right)).wrapping_add(first);
        }
        self.sums = (first, second);
    }

    /// Whether the two numbers at this place are the checksum.
    fn is_at(&self, bytes: &[u8], place: usize) -> bool {
        let sum = |place| number(bytes, place).map(i32::cast_unsigned);
        (sum(place), sum(place + 4)) == (Some(self.sums.0), Some(self.sums.1))
    }
}

impl Log {
    const EMPTY: Self = Self { has_commits: false, marks: None, has_only_marks: true };

    /// `None`: there is no log.
    pub(super) fn read(path: &Path) -> std::io::Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => Self::of(BufReader::with_capacity(1 << 20, file)).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(mut bytes: impl Read) -> std::io::Result<Self> {
        let mut header = [0; HEADER_LENGTH];
        if !fill(&mut bytes, &mut header)? {
            return Ok(Self::EMPTY);
        }
        let is_big = match number(&header, 0) {
            Some(MAGIC_BIG) => true,
            Some(MAGIC_LITTLE) => false,
            _ => return Ok(Self::EMPTY),
        };
        let mut checksum = Checksum { is_big, sums: (0, 0) };
        checksum.add(&header[..24]);
        let page_length = number(&header, 8).and_then(|length| usize::try_from(length).ok());
        let Some(page_length) = page_length.filter(|length| (512..=PAGE_BYTES_MAX).contains(length)) else {
            return Ok(Self::EMPTY);
        };
        if !checksum.is_at(&header, 24) {
            return Ok(Self::EMPTY);
        }
        let mut frame = vec![0; FRAME_HEADER_LENGTH + page_length];
        let (mut committed, mut open) = (Self::EMPTY, Self::EMPTY);
        while fill(&mut bytes, &mut frame)? {
            let (head, page) = frame.split_at(FRAME_HEADER_LENGTH);
            checksum.add(&head[..8]);
            checksum.add(page);
            if head[8..16] != header[16..24] || !checksum.is_at(head, 16) {
                break;
            }
            if number(head, 0) == Some(1) {
                open.marks = Marks::of_page(page);
            } else {
                open.has_only_marks = false;
            }
            // The last frame of a commit has the length of the database.
            if number(head, 4) != Some(0) {
                open.has_commits = true;
                committed = open;
            }
        }
        Ok(committed)
    }
}

/// Fills the buffer. False at the end of the file, also in the middle of the buffer.
fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match bytes.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A database with a log, as a killed process leaves them.
    fn database(folder: &Path) -> Connection {
        let connection = Connection::open(folder.join("database")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection
    }

    fn log(folder: &Path) -> Vec<u8> {
        std::fs::read(folder.join("database-wal")).unwrap()
    }

    #[test]
    fn the_marks_of_the_newest_commit_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let connection = database(folder.path());
        connection.execute_batch("PRAGMA user_version = 7; PRAGMA application_id = 6").unwrap();
        let expected = Log { has_commits: true, marks: Some(Marks { run: 7, before: 6 }), has_only_marks: true };
        assert_eq!(Log::of(&*log(folder.path())).unwrap(), expected);
        connection.execute_batch("CREATE TABLE one (id); PRAGMA user_version = -7").unwrap();
        let expected = Log { has_commits: true, marks: Some(Marks { run: -7, before: 6 }), has_only_marks: false };
        let bytes = log(folder.path());
        assert_eq!(Log::of(&*bytes).unwrap(), expected);

        // As SQLite, it does not take what is behind a wrong byte, or what is cut off.
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        for cut in [&bytes[..bytes.len() - 1], &changed] {
            assert_eq!(Log::of(cut).unwrap().marks, Some(Marks { run: 7, before: 6 }));
        }
        changed[20] ^= 1;
        assert_eq!(Log::of(&*changed).unwrap(), Log::EMPTY);
        assert_eq!(Log::of(&bytes[..31]).unwrap(), Log::EMPTY);
        assert_eq!(Log::of(&[][..]).unwrap(), Log::EMPTY);
    }

    #[test]
    fn frames_of_an_older_use_of_the_file_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let connection = database(folder.path());
        connection.execute_batch("CREATE TABLE one (id); CREATE TABLE two (id); PRAGMA user_version = 7").unwrap();
        let folded: i64 = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0)).unwrap();
        assert_eq!(folded, 0);
        // The file keeps its length, and its first frame is written anew.
        connection.execute_batch("INSERT INTO one VALUES (1)").unwrap();
        let expected = Log { has_commits: true, marks: None, has_only_marks: false };
        assert_eq!(Log::of(&*log(folder.path())).unwrap(), expected);
    }
}
