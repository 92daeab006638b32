//! Backups of PostgreSQL: names the tools of PostgreSQL and their arguments, and checks what they have written. Makes no backup
//! itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use sea_orm::sqlx::{self, Connection};
use url::Url;

use super::super::super::StoreError;
use super::super::refuse;

macro_rules! table_names {
    ($($table:ident),*) => { &[$(stringify!($table)),*] };
}

/// Every table whose rows a dump must have.
const TABLES: &[&str] = crate::for_all_entities!(table_names);

/// How much of a tool's complaint is shown.
const COMPLAINT_BYTES_MAX: usize = 400;

/// Checks that the file is a whole dump with the rows of every table. If there is no file, says how to make it.
pub(in crate::store) fn check_backup(url: &str, file: &Path) -> Result<u64, StoreError> {
    if !file.exists() {
        return refuse(format!(
            "nothing was written: PostgreSQL's own tool makes the backup. Run\n\n  pg_dump --format=custom --file={} {}\n\n\
             and then this command again, which checks the file.{PASSWORD}",
            quoted(&file.to_string_lossy()),
            quoted(&without_password(url))
        ));
    }
    check_dump(file)?;
    // A dump can also be a directory.
    Ok(std::fs::metadata(file).map_or(0, |found| found.len()))
}

/// Where the tools look for a password that is not in the URL.
const PASSWORD: &str = " The tools take the password from PGPASSWORD or ~/.pgpass";

/// Checks the dump and the database that it is to be restored into, then says how.
pub(in crate::store) async fn explain_restore(url: &str, file: &Path) -> Result<StoreError, StoreError> {
    if !file.exists() {
        return refuse(format!("there is no file {}", file.display()));
    }
    check_dump(file)?;
    let options = super::parse(url)?;
    let mut connection = super::trial::connect(&options).await?;
    let query = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    let tables: Result<i64, _> = sqlx::query_scalar(query).fetch_one(&mut connection).await;
    let _ = connection.close().await;
    let tables = tables.map_err(super::failed)?;
    let name = options.get_database().unwrap_or(options.get_username());
    if tables > 0 {
        return refuse(format!(
            "{} is whole, but the database `{name}` is not empty. Nothing was changed. Make another one with\n\n  \
             createdb --encoding=UTF8 --template=template0 NAME\n\nname it in the setting `database`, and run this command again",
            file.display()
        ));
    }
    Ok(StoreError::Refused(format!(
        "{} is whole. Nothing was changed: PostgreSQL's own tool restores it. With no server running, run\n\n  pg_restore \
         --exit-on-error --single-transaction --no-owner --dbname={} {}\n\nthen `headwater check` with the same `--database`, \
         and start the servers.{PASSWORD}",
        file.display(),
        quoted(&without_password(url)),
        quoted(&file.to_string_lossy())
    )))
}

/// Reads the whole dump. The table of contents at its beginning would be there in a file that was cut off, too.
fn check_dump(file: &Path) -> Result<(), StoreError> {
    let contents = pg_restore(&["--list".as_ref(), file.as_os_str()], file)?;
    let found: BTreeSet<&str> = contents.lines().filter_map(table_with_rows).collect();
    let missing: Vec<&str> = TABLES.iter().filter(|table| !found.contains(*table)).copied().collect();
    if !missing.is_empty() {
        return refuse(format!(
            "{} is no whole backup: it lacks the rows of {}. Dump the whole database, without `--schema-only` and `--table`",
            file.display(),
            missing.join(", ")
        ));
    }
    pg_restore(&["--file=/dev/null".as_ref(), file.as_os_str()], file).map(drop)
}

/// The table of a line such as `3423; 0 16401 TABLE DATA public account headwater`.
fn table_with_rows(line: &str) -> Option<&str> {
    let (_, entry) = line.split_once(" TABLE DATA ")?;
    entry.split(' ').nth(1)
}

fn pg_restore(arguments: &[&std::ffi::OsStr], file: &Path) -> Result<String, StoreError> {
    let Some(output) = programs().find_map(|program| Command::new(program).args(arguments).output().ok()) else {
        return refuse(format!(
            "{} cannot be checked, because there is no pg_restore in PATH. Install PostgreSQL's client programs",
            file.display()
        ));
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(COMPLAINT_BYTES_MAX).collect();
    refuse(format!(
        "{} is no whole backup in the form of `pg_dump --format=custom`: {complaint}. Make another one",
        file.display()
    ))
}

/// `pg_restore` in PATH, or where Debian installs it, the newest first.
fn programs() -> impl Iterator<Item = PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = folders.map(|folder| folder.path()).collect();
    folders.sort();
    let installed = folders.into_iter().rev().map(|folder| folder.join("bin/pg_restore"));
    std::iter::once(PathBuf::from("pg_restore")).chain(installed)
}

/// The URL for a command line, where everybody on the machine can read it.
fn without_password(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return "postgres://USER@HOST/DATABASE".to_owned() };
    let _ = parsed.set_password(None);
    let kept: Vec<(String, String)> = parsed.query_pairs().into_owned().filter(|(key, _)| key != "password").collect();
    match kept.is_empty() {
        true => parsed.set_query(None),
        false => {
            parsed.query_pairs_mut().clear().extend_pairs(kept);
        }
    }
    parsed.to_string()
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@=%+,".contains(letter);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_shows_no_password() {
        for (url, expected) in [
            ("postgres://me:hunter2@db/name", "postgres://me@db/name"),
            ("postgres://db/name?password=hunter2&user=me", "postgres://db/name?user=me"),
            ("postgres://me@db/name?password=hunter2", "postgres://me@db/name"),
            ("postgres://me@db:x/hunter2", "postgres://USER@HOST/DATABASE"),
        ] {
            assert_eq!(without_password(url), expected);
        }
        assert_eq!(quoted("postgres://db/name?user=me&x='1'"), r"'postgres://db/name?user=me&x='\''1'\'''");
        assert_eq!(quoted("/backups/a.dump"), "/backups/a.dump");
    }

    #[test]
    fn tables_are_read_from_a_table_of_contents() {
        assert_eq!(table_with_rows("3423; 0 16401 TABLE DATA public account_head headwater"), Some("account_head"));
        assert_eq!(table_with_rows("217; 1259 16401 TABLE public account headwater"), None);
        assert!(TABLES.contains(&"event_segment"));
    }
}
