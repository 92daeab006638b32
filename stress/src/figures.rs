//! Figures: ranges over rounds, latencies, processor time, the disk, the machine, and tables of them. Measures nothing of
//! Headwater itself.

use std::fmt::{self, Display};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use headwater::clock;

/// Ticks of processor time in a second, as `/proc` counts them on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// One figure over all rounds: median, minimum, maximum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// The median; for an even number, the mean of the middle two.
    pub(crate) median: f64,
    /// The minimum.
    pub(crate) least: f64,
    /// The maximum.
    pub(crate) most: f64,
}

impl Spread {
    /// `None` without values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let median = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
        Some(Self { median, least, most })
    }
}

impl Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{} ({} .. {})", number(self.median), number(self.least), number(self.most)))
    }
}

/// A readable number: thousands separated, three significant digits.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let digits = if value.abs() < 10.0 { 2 } else { 1 };
        return format!("{value:.digits$}");
    }
    let text = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (place, digit) in text.chars().enumerate() {
        if place > 0 && (text.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

/// Latencies in microseconds, to three significant digits.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u32>);

impl Latencies {
    pub(crate) fn new() -> Self {
        // It grows as values are recorded. Three digits are a valid setting.
        Self(Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed")))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_micros(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Records one value in microseconds.
    pub(crate) fn record_micros(&mut self, micros: u64) {
        // It grows as needed. Longer waits count as twelve days.
        let _ = self.0.record(micros.min(1 << 40));
    }

    /// Adds all values of another.
    pub(crate) fn add(&mut self, other: &Self) {
        // Both resize, so every value of one fits into the other.
        let _ = self.0.add(&other.0);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value that this share of all values does not exceed, in milliseconds.
    pub(crate) fn quantile_milliseconds(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1_000.0
    }

    /// The median in milliseconds.
    pub(crate) fn p50(&self) -> f64 {
        self.quantile_milliseconds(0.5)
    }

    /// The 99th percentile in milliseconds.
    pub(crate) fn p99(&self) -> f64 {
        self.quantile_milliseconds(0.99)
    }
}

/// The duration of a write and its sync on the disk of this folder, measured for about the given time.
pub(crate) fn sync_latencies(folder: &Path, time: Duration) -> anyhow::Result<Latencies> {
    const BLOCK: [u8; 4096] = [0x5a; 4096];
    // A name of its own, because other runs may measure the same disk.
    let mut file = tempfile::tempfile_in(folder)?;
    let mut latencies = Latencies::new();
    let begun = clock::monotonic_now();
    while begun.elapsed() < time {
        let before = clock::monotonic_now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        latencies.record(before.elapsed());
    }
    Ok(latencies)
}

/// The processor time of a process so far, including the children that it waited for, in seconds. 0 if the process has ended.
pub(crate) fn processor_seconds(pid: u32) -> f64 {
    let Some(fields) = stat_fields(pid) else { return 0.0 };
    let ticks: u64 = fields.get(11..15).unwrap_or_default().iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// The processor time that this process alone has used so far, in seconds.
pub(crate) fn own_processor_seconds() -> f64 {
    let fields = stat_fields(std::process::id()).unwrap_or_default();
    let ticks: u64 = fields.get(11..13).unwrap_or_default().iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// The processor time that a process and all its descendants have used so far, in seconds.
pub(crate) fn processor_seconds_of_tree(root: u32) -> f64 {
    tree(root).into_iter().map(processor_seconds).sum()
}

/// A process and all its descendants.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let parents: Vec<(u32, u32)> =
        pids.into_iter().filter_map(|pid| Some((pid, stat_fields(pid)?.get(1)?.parse().ok()?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// The fields of `/proc/PID/stat` from the third on. The second may contain spaces.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// The resident memory of a process, in MiB. 0 if the process has ended.
pub(crate) fn resident_mebibytes(pid: u32) -> f64 {
    status_mebibytes(pid, "VmRSS:")
}

/// The most resident memory that a process ever had, in MiB. 0 if the process has ended.
pub(crate) fn peak_resident_mebibytes(pid: u32) -> f64 {
    status_mebibytes(pid, "VmHWM:")
}

fn status_mebibytes(pid: u32, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kibibytes| kibibytes.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// The date, the machine and the commit of the figures, for the top of every report.
pub(crate) fn head(seed: u64, disk: &Path) -> anyhow::Result<String> {
    let sync = sync_latencies(disk, Duration::from_secs(1))?;
    Ok(format!(
        "{}, commit {}, seed {seed}\n{}\ndisk of {}: write and sync of 4 KiB {} ms in the median, {} ms at p99",
        date(),
        commit().as_deref().unwrap_or("unknown"),
        machine(),
        disk.display(),
        number(sync.p50()),
        number(sync.p99())
    ))
}

/// The machine, in one line.
pub(crate) fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gibibytes = kibibytes.and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() / (1024.0 * 1024.0);
    format!(
        "{}, {} cores, {gibibytes:.0} GiB",
        model.map_or("unknown processor", |(_, name)| name),
        std::thread::available_parallelism().map_or(0, usize::from)
    )
}

/// The commit checked out in the working directory, if any.
pub(crate) fn commit() -> Option<String> {
    let output = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The current time in readable form, in UTC.
pub(crate) fn date() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output
        .map_or_else(|_| "unknown date".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Rows of text in aligned columns.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
            writeln!(formatter, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median_in_the_middle() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
    }

    #[test]
    fn numbers_are_read_by_people() {
        assert_eq!(number(1_234_567.4), "1,234,567");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.567), "0.57");
    }

    #[test]
    fn a_quantile_is_among_what_was_recorded() {
        let mut latencies = Latencies::new();
        for micros in 1..=1_000 {
            latencies.record_micros(micros);
        }
        assert_eq!((latencies.count(), latencies.p50(), latencies.p99()), (1_000, 0.5, 0.99));
        let mut slow = Latencies::new();
        slow.record(Duration::from_secs(5));
        slow.add(&latencies);
        assert_eq!((slow.count(), slow.p50()), (1_001, 0.501));
        assert!(slow.quantile_milliseconds(1.0) >= 5_000.0);
    }

    #[test]
    fn processor_time_is_that_of_the_children_too() {
        let before = processor_seconds(std::process::id());
        let own = own_processor_seconds();
        let work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("sh").args(["-c", work]).status().unwrap().success());
        assert!(processor_seconds(std::process::id()) > before);
        assert!(own_processor_seconds() >= own);
        assert!(tree(std::process::id()).contains(&std::process::id()));
    }
}
