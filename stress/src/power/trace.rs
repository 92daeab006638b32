//! Parses strace's output: which system calls began and ended, in which order, on which files, with which bytes. Knows nothing of
//! databases.
//!
//! strace writes one line per call, or two when another event interrupts it, in the order in which it sees events. All texts are
//! in hexadecimal, and descriptors are printed with their files (`-xx -y`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The traced calls: all that change a file or send through a socket.
pub(super) const CALLS: &str = "openat,write,pwrite64,writev,pwritev,sendto,sendmsg,fsync,fdatasync,ftruncate,fallocate,\
                                unlink,unlinkat,rename,renameat,renameat2";

/// The strace flags that this parser needs.
pub(super) const FLAGS: [&str; 6] = ["-f", "-y", "-xx", "-q", "-s", "2000000"];

/// A system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A file was opened, and created if it did not exist.
    Open { path: PathBuf, creates: bool, truncates: bool },
    /// Bytes written at an offset of a file.
    Write { path: PathBuf, offset: u64, bytes: Vec<u8> },
    /// Bytes to a socket. strace names it by its addresses, `TCP:[FROM->TO]`, or by a number.
    Send { socket: String, bytes: Vec<u8> },
    /// A sync of a file, or of the names in a folder.
    Sync { path: PathBuf },
    /// A file's new length.
    Truncate { path: PathBuf, length: u64 },
    /// Space allocated for a file.
    Allocate { path: PathBuf },
    /// A name was removed.
    Remove { path: PathBuf },
    /// A name was changed.
    Rename { from: PathBuf, to: PathBuf },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A call began. None of its effect may have happened yet.
    Began(Call),
    /// A call succeeded. All of its effect has happened.
    Ended(Call),
}

/// The steps of a trace, in order.
pub(super) struct Trace {
    lines: BufReader<File>,
    line: Vec<u8>,
    /// Calls that have begun, by thread.
    unfinished: HashMap<u32, Call>,
    /// The second step of the last line.
    next: Option<Step>,
}

impl Trace {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            lines: BufReader::with_capacity(1 << 20, file),
            line: Vec::new(),
            unfinished: HashMap::new(),
            next: None,
        })
    }

    /// The next step; none at the end.
    pub(super) fn step(&mut self) -> anyhow::Result<Option<Step>> {
        if let Some(step) = self.next.take() {
            return Ok(Some(step));
        }
        loop {
            self.line.clear();
            if self.lines.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            let line = std::str::from_utf8(&self.line)?.trim_end();
            // Process ids above 99,999 are not padded.
            let Some((thread, rest)) = line.trim_start().split_once(' ') else { continue };
            let Ok(thread) = thread.parse() else { continue };
            let rest = rest.trim_start();
            if let Some(resumed) = rest.strip_prefix("<... ") {
                if let Some(call) = self.unfinished.remove(&thread)
                    && let Some(call) = ended(call, resumed)
                {
                    return Ok(Some(Step::Ended(call)));
                }
                continue;
            }
            let Some(call) =
                parse(rest).with_context(|| format!("not understood: {}", &rest[..rest.len().min(200)]))?
            else {
                continue;
            };
            if rest.ends_with("<unfinished ...>") {
                self.unfinished.insert(thread, call.clone());
            } else {
                self.next = ended(call.clone(), rest).map(Step::Ended);
            }
            return Ok(Some(Step::Began(call)));
        }
    }
}

/// The call in a line; `None` for other lines and irrelevant calls.
fn parse(line: &str) -> anyhow::Result<Option<Call>> {
    let Some((name, arguments)) = line.split_once('(') else { return Ok(None) };
    let texts = texts(arguments)?;
    let call = match name {
        "write" | "writev" | "sendto" | "sendmsg" | "pwrite64" | "pwritev" => {
            let (path, bytes) = (file(arguments)?, texts.concat());
            let name_of_file = path.to_string_lossy();
            if name_of_file.starts_with("socket:") || name_of_file.starts_with("TCP") {
                Call::Send { socket: name_of_file.into_owned(), bytes }
            } else if name.starts_with("pwrite") {
                Call::Write { path, offset: last_number(arguments)?, bytes }
            } else {
                // A write without an offset goes to a pipe, an event or a terminal. It is ignored, because databases write to
                // files at explicit offsets.
                return Ok(None);
            }
        }
        "fsync" | "fdatasync" => Call::Sync { path: file(arguments)? },
        "ftruncate" => Call::Truncate { path: file(arguments)?, length: last_number(arguments)? },
        "openat" => {
            let has = |flag| arguments.contains(flag);
            Call::Open { path: path(texts.first())?, creates: has("O_CREAT"), truncates: has("O_TRUNC") }
        }
        "unlink" | "unlinkat" => Call::Remove { path: path(texts.first())? },
        "rename" | "renameat" | "renameat2" => Call::Rename { from: path(texts.first())?, to: path(texts.get(1))? },
        "fallocate" => Call::Allocate { path: file(arguments)? },
        _ => return Ok(None),
    };
    Ok(Some(call))
}

/// The call as it ended; `None` if it failed.
fn ended(call: Call, line: &str) -> Option<Call> {
    let (_, result) = line.rsplit_once(" = ")?;
    let result: i64 =
        result.split(|character: char| !character.is_ascii_digit() && character != '-').next()?.parse().ok()?;
    let length = usize::try_from(result).ok()?;
    Some(match call {
        // The write was partial. Another call will write the rest.
        Call::Write { path, offset, mut bytes } => {
            bytes.truncate(length);
            Call::Write { path, offset, bytes }
        }
        other => other,
    })
}

/// The file of the descriptor in the first argument: `12<\x2f...>`.
fn file(arguments: &str) -> anyhow::Result<PathBuf> {
    let (_, rest) = arguments.split_once('<').context("a descriptor without a file")?;
    let (name, _) = rest.split_once('>').context("a descriptor whose file does not end")?;
    Ok(PathBuf::from(String::from_utf8(bytes(name)?)?))
}

fn path(text: Option<&Vec<u8>>) -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(String::from_utf8(text.context("a path is missing")?.clone())?))
}

/// All quoted texts.
fn texts(arguments: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    arguments.split('"').skip(1).step_by(2).map(bytes).collect()
}

/// Decodes `\x2f\x74` and so on; other characters are literal.
fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'\\' {
            let digit = |place: usize| text.get(place).and_then(|digit| char::from(*digit).to_digit(16));
            let (high, low) = digit(at + 2).zip(digit(at + 3)).context("a text that is not in hexadecimal")?;
            bytes.push(u8::try_from(high * 16 + low)?);
            at += 4;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    Ok(bytes)
}

/// The number before the closing bracket, or before `<unfinished ...>`.
fn last_number(arguments: &str) -> anyhow::Result<u64> {
    let arguments = arguments.rsplit_once(" = ").map_or(arguments, |(arguments, _)| arguments);
    let arguments = arguments.trim_end_matches("<unfinished ...>").trim_end().trim_end_matches(')');
    let number = arguments.rsplit(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
    number.parse().with_context(|| format!("no number at the end of {arguments}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn steps(lines: &str) -> Vec<Step> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        let mut trace = Trace::open(file.path()).unwrap();
        std::iter::from_fn(|| trace.step().unwrap()).collect()
    }

    #[test]
    fn a_call_that_others_interrupt_ends_after_them() {
        let steps = steps(
            r#"7 fdatasync(5<\x2f\x61> <unfinished ...>
8 sendto(9<socket:[1]>, "\x68\x69", 2, MSG_NOSIGNAL, NULL, 0) = 2
7 <... fdatasync resumed>) = 0
8 +++ exited with 0 +++
"#,
        );
        let sync = Call::Sync { path: "/a".into() };
        let send = Call::Send { socket: "socket:[1]".to_owned(), bytes: b"hi".to_vec() };
        assert_eq!(steps, [Step::Began(sync.clone()), Step::Began(send.clone()), Step::Ended(send), Step::Ended(sync)]);
    }

    #[test]
    fn a_failed_call_is_skipped_and_a_partial_write_is_cut() {
        let steps = steps(
            r#"7 fsync(5<\x2f\x61>) = -1 EIO (Input/output error)
7 pwrite64(5<\x2f\x61>, "\x01\x02\x03", 3, 4096) = 2
"#,
        );
        let write = |bytes: &[u8]| Call::Write { path: "/a".into(), offset: 4096, bytes: bytes.to_vec() };
        assert_eq!(
            steps,
            [
                Step::Began(Call::Sync { path: "/a".into() }),
                Step::Began(write(&[1, 2, 3])),
                Step::Ended(write(&[1, 2]))
            ]
        );
    }
}
