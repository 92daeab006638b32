//! A control group that limits the server's memory, in version 1 or 2 of control groups. Knows nothing of the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The memory that the server may use, in bytes.
pub(super) const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How often and after which pauses the removal of a group is tried. An empty group that stays does no harm.
const REMOVAL_ATTEMPTS: u32 = 40;
const REMOVAL_PAUSE: Duration = Duration::from_millis(25);

/// The files of one version of control groups.
struct Version {
    parent: &'static str,
    /// Exists only if this version can limit memory here.
    evidence: &'static str,
    limit: &'static str,
    /// Has a line with the number of processes that were killed for want of memory.
    kills: &'static str,
}

const VERSIONS: [Version; 2] = [
    Version { parent: "/sys/fs/cgroup", evidence: "cgroup.controllers", limit: "memory.max", kills: "memory.events" },
    Version {
        parent: "/sys/fs/cgroup/memory",
        evidence: "memory.limit_in_bytes",
        limit: "memory.limit_in_bytes",
        kills: "memory.oom_control",
    },
];

/// A control group of its own, which is removed when it is dropped.
pub(super) struct Cage {
    folder: PathBuf,
    kills: PathBuf,
}

impl Cage {
    /// `None` if this process may not make control groups, or the machine has none.
    pub(super) fn new() -> Option<Self> {
        VERSIONS.iter().find_map(Self::of)
    }

    fn of(version: &Version) -> Option<Self> {
        let parent = Path::new(version.parent);
        if !parent.join(version.evidence).is_file() {
            return None;
        }
        let folder = parent.join(format!("headwater-attack-{}-{:08x}", std::process::id(), fastrand::u32(..)));
        std::fs::create_dir(&folder).ok()?;
        let cage = Self { kills: folder.join(version.kills), folder };
        // On an error the folder is removed again.
        std::fs::write(cage.folder.join(version.limit), MEMORY_BYTES_MAX.to_string()).ok()?;
        Some(cage)
    }

    /// The file that takes the ids of processes.
    pub(super) fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// The number of processes that were killed for want of memory.
    pub(super) fn kills(&self) -> u64 {
        killed(&std::fs::read_to_string(&self.kills).unwrap_or_default())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // It fails as long as a process is in the group, and a server that was just killed takes a moment to end.
        for _ in 0..REMOVAL_ATTEMPTS {
            if std::fs::remove_dir(&self.folder).is_ok() {
                break;
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
    }
}

fn killed(text: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_read_in_both_versions() {
        assert_eq!(killed("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(killed("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n"), 1);
        assert_eq!(killed(""), 0);
    }
}
