//! Settings: any command line and any settings file is read or refused with an error that can be printed, and what was read is
//! printed as a file that is read as the same.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::str::FromStr;
use std::sync::LazyLock;

use headwater::config::{CommandLine, DatabaseUrl, ListenAddress};
use tempfile::NamedTempFile;

use crate::draw::{Draw, garbled};

/// A settings file with most kinds of value.
const FILE: &str = "listen_address = \"127.0.0.1:50051\"\nallow_plaintext = true\ndatabase = \"postgres://me:hunter2@localhost:5432/headwater?password=hunter2\"\nshutdown_seconds = 0x7\ndata_dir = '/var/lib/headwater'\ncalls_max = 1_000\nlog_format = \"json\"\n";

/// Values of flags.
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "0x7",
    "1e3",
    "true",
    "sqlite",
    "sqlite:///",
    "sqlite://%00",
    "postgres://me:hunter2@localhost/headwater",
    "postgres://me:hun/ter2#@host",
    "postgres://[::1",
    "postgres://",
    "127.0.0.1:0",
    "[::1]:50051",
    "0.0.0.0:65536",
    "localhost:http",
    ":::",
    "json",
    "warn,headwater=trace[{",
    "/dev/null",
    "\u{0}",
];

/// See the head of the file.
///
/// # Panics
/// A property does not hold.
pub fn settings(input: &[u8]) {
    let mut draw = Draw::new(input);
    let file = if draw.happens(128) { garbled(&mut draw, FILE.as_bytes().to_vec()) } else { FILE.as_bytes().to_vec() };
    let written = write(&file);
    let mut arguments: Vec<OsString> = vec!["headwater".into()];
    if draw.happens(200) {
        arguments.extend(["--config".into(), written.path().into()]);
    }
    for _ in 0..draw.below(4) {
        let flag = draw.of(&FLAGS).clone();
        arguments.push(OsString::from_vec(if draw.happens(32) {
            garbled(&mut draw, flag.into())
        } else {
            flag.into()
        }));
        let value = draw.of(VALUES).as_bytes().to_vec();
        arguments.push(OsString::from_vec(if draw.happens(96) { garbled(&mut draw, value) } else { value }));
    }
    if let Ok(line) = read(&arguments) {
        round_trip(&line);
    }
    let text = draw.text(64);
    let _ = DatabaseUrl::from_str(&text);
    if let Ok(address) = ListenAddress::from_str(&text) {
        assert_eq!(address.to_string(), text);
    }
}

/// The names of all flags.
static FLAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let printed = read(&["headwater".into()]).expect("the defaults").settings.to_toml().expect("they are printed");
    let names = printed.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    names
        .chain(["config", "help", "version", "tls_key_file"])
        .map(|name| format!("--{}", name.replace('_', "-")))
        .collect()
});

fn write(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("room for it");
    file
}

/// Reads the command line twice.
fn read(arguments: &[OsString]) -> Result<CommandLine, String> {
    let [one, other] = [(); 2].map(|()| CommandLine::read(arguments.to_vec()).map_err(|error| error.to_string()));
    let picture = |read: &Result<CommandLine, String>| {
        read.as_ref().map(|line| (line.action.clone(), line.settings.to_toml().ok())).map_err(Clone::clone)
    };
    assert_eq!(picture(&one), picture(&other));
    one
}

/// The printed settings are read as the same settings.
fn round_trip(line: &CommandLine) {
    // A path need not be text, and then it cannot be printed.
    let Ok(printed) = line.settings.to_toml() else { return };
    // A caller may write the text of a password anywhere, but in the URL of the database it is one.
    assert!(!format!("{:?}", line.settings.database.database).contains("hunter2"), "a password is shown");
    let file = write(printed.as_bytes());
    let again = read(&["headwater".into(), "--config".into(), file.path().into()]);
    let again =
        again.unwrap_or_else(|error| panic!("{error}\n{printed}")).settings.to_toml().expect("they are printed");
    assert_eq!(again, printed);
}
