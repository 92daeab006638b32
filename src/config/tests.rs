//! Tests of the settings: where they come from, and what is said about a wrong one.

use super::*;

fn read(arguments: &[&str]) -> Result<CommandLine, ConfigError> {
    CommandLine::read(
        std::iter::once("headwater").chain(arguments.iter().copied()).map(str::to_owned).collect::<Vec<_>>(),
    )
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
    let file = file("shutdown_seconds = 7\nfeed_stall_seconds = 8\nallow_plaintext = true\n");
    let path = file.path().to_str().unwrap();
    let settings = read(&["--config", path, "--shutdown-seconds", "9"]).unwrap().settings;
    assert_eq!((settings.shutdown.shutdown_seconds, settings.feed.feed_stall_seconds), (9, 8));
    assert!(settings.listen.allow_plaintext);
    assert_eq!(settings.limits.request_timeout_seconds, 10);
}

#[test]
fn a_key_that_is_no_setting_is_named() {
    let file = file("shutdown_second = 7\n");
    let error = read(&["--config", file.path().to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("`shutdown_second`"), "{error}");
}

#[test]
fn plaintext_is_for_loopback_unless_allowed() {
    for address in ["0.0.0.0:50051", "[::]:0", "[::ffff:10.0.0.1]:1"] {
        let error = read(&["--listen-address", address]).unwrap_err();
        assert!(matches!(error, ConfigError::Plaintext { .. }));
        assert!(error.to_string().contains("allow_plaintext"), "{error}");
    }
    assert!(read(&["--listen-address", "0.0.0.0:50051", "--allow-plaintext"]).is_ok());
    for address in ["[::1]:0", "127.8.8.8:1", "[::ffff:127.0.0.1]:1"] {
        assert!(read(&["--listen-address", address]).is_ok(), "{address}");
    }
}

#[test]
fn a_password_is_not_shown() {
    for url in [
        "postgres://me:hunter2@localhost/headwater",
        "postgres://localhost/headwater?user=me&password=hunter2&sslmode=require",
    ] {
        let line = read(&["--database", url]).unwrap();
        assert!(!format!("{line:?}").contains("hunter2"));
        let printed = line.settings.to_toml().unwrap();
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn the_printed_settings_can_be_read_back() {
    let file = file(&read(&["--shutdown-seconds", "9"]).unwrap().settings.to_toml().unwrap());
    let settings = read(&["--config", file.path().to_str().unwrap()]).unwrap().settings;
    assert_eq!(settings.shutdown.shutdown_seconds, 9);
}

#[test]
fn every_setting_has_help_and_is_printed() {
    let set =
        ["--tls-certificate-file", "certificate.pem", "--tls-key-file", "key.pem", "--mail-smtp-url", "smtp://mail"];
    let others = ["--mail-spool-dir", "mail", "--http-address", "127.0.0.1:8080", "--secrets-key-file", "secrets.key"];
    let keys = [
        "--paypal-roots-file",
        "a.pem",
        "--wise-callback-key-file",
        "b.pem",
        "--wise-sandbox-callback-key-file",
        "c.pem",
    ];
    let printed = read(&[&set[..], &others[..], &keys[..]].concat()).unwrap().settings.to_toml().unwrap();
    for argument in CommandLine::command().get_arguments() {
        let name = argument.get_id().as_str();
        assert!(argument.get_help().is_some(), "{name} has no help");
        if !matches!(name, "config" | "help" | "version") {
            assert!(printed.contains(&format!("{name} =")), "{name} is not printed");
        }
    }
}

#[test]
fn commands_are_known() {
    assert_eq!(read(&[]).unwrap().action, None);
    assert_eq!(read(&["demo", "--once"]).unwrap().action, Some(Action::Demo { once: true }));
    assert_eq!(read(&["demo", "--shutdown-seconds", "3"]).unwrap().settings.shutdown.shutdown_seconds, 3);
    assert!(read(&["--database", "mysql://x"]).is_err());
}

fn error_of(arguments: &[&str]) -> String {
    read(arguments).unwrap_err().to_string()
}

#[test]
fn host_names_are_taken_and_checked_when_they_are_resolved() {
    for name in ["localhost:50051", "headwater.internal:0", "my-host_2:1"] {
        let listen = read(&["--listen-address", name]).unwrap().settings.listen;
        assert_eq!((listen.listen_address.as_str(), listen.listen_address.literal()), (name, None));
    }
    let settings = read(&["--listen-address", "shop:1"]).unwrap().settings;
    let [near, far] = ["127.0.0.1:1", "10.0.0.1:1"].map(|address| address.parse().unwrap());
    assert!(settings.listen.check_plaintext("listen_address", &[near], &settings.places).is_ok());
    let error =
        settings.listen.check_plaintext("listen_address", &[near, far], &settings.places).unwrap_err().to_string();
    assert!(error.starts_with("the flag --listen-address: 10.0.0.1:1 can be reached"), "{error}");
    for wrong in ["localhost", ":50051", "127.1:50051", "localhost:65536", "a b:1", "http://localhost:1", "::1:50051"] {
        let error = error_of(&["--listen-address", wrong]);
        assert!(error.contains("such as 127.0.0.1:50051"), "{wrong}: {error}");
    }
}

#[test]
fn a_wrong_value_is_reported_with_its_flag() {
    for (arguments, words) in [
        (["--queue-commands-max", "many"], "the flag --queue-commands-max: `many` is refused: invalid digit"),
        (["--calls-max=0", "demo"], "the flag --calls-max: `0` is refused: 0 is not in 1..=1000000"),
        (["demo", "--log-format=xml"], "the flag --log-format: `xml` is refused: it must be one of text, json"),
        (["--sqlite-checkpoint-mib", "0"], "the flag --sqlite-checkpoint-mib: `0` is refused: 0 is not in 1..=4096"),
        (["--reflection", "maybe"], "the flag --reflection: `maybe` is refused"),
        (["--data-dir", ""], "the flag --data-dir: it needs a value"),
    ] {
        let error = error_of(&arguments);
        assert!(error.starts_with(words), "{arguments:?}: {error}");
    }
}

#[test]
fn a_wrong_value_is_reported_with_its_file_and_line() {
    for (text, line, words) in [
        ("# ours\n\ncalls_max = 5\nfeed_stall_seconds = \"long\"", 4, "`feed_stall_seconds`: `long` is refused"),
        ("log_format = \"xml\"", 1, "`log_format`: `xml` is refused: it must be one of text, json"),
        ("calls_max = 0x0", 1, "`calls_max`: `0` is refused: 0 is not in"),
        ("\nlisten_address = \"localhost\"", 2, "`listen_address`: `localhost` is refused: must be an address"),
        ("allow_plaintext = \"yes\"", 1, "`allow_plaintext`: `yes` is refused"),
        ("calls_max = 1\nmessage_bytes_max = [1]", 2, "`message_bytes_max` must be a text, a whole number"),
        ("\ncalls_max = 1.5", 2, "`calls_max` must be a text, a whole number"),
        ("listen_address = \"0.0.0.0:1\"", 1, "`listen_address`: 0.0.0.0:1 can be reached"),
        ("\ntls_key_file = \"key.pem\"", 2, "`tls_key_file`: `tls_key_file` needs `tls_certificate_file`"),
    ] {
        let file = file(text);
        let path = file.path().to_str().unwrap();
        let error = error_of(&["--config", path]);
        assert!(error.starts_with(&format!("{path}, line {line}, {words}")), "{text}: {error}");
    }
    // A file that is no TOML is reported with the line, but not with what the line says.
    let file = file("calls_max = 1\ndatabase = \"postgres://me:hunter2@host/name\ncalls_max = 2\n");
    let error = error_of(&["--config", file.path().to_str().unwrap()]);
    assert!(error.contains("line 2: ") && !error.contains("hunter2"), "{error}");
}

#[test]
fn an_unknown_key_is_reported_with_its_line_and_the_most_similar_setting() {
    for (text, words) in [
        (
            "calls_max = 1\nlisten_adress = \"x\"",
            "line 2, has `listen_adress`, which is no setting (is it `listen_address`?)",
        ),
        ("config = \"other.toml\"", "line 1, has `config`, which is no setting;"),
        ("[listen]\nlisten_address = \"127.0.0.1:1\"", "line 1, has `listen`, which is no setting"),
        ("help = true", "line 1, has `help`, which is no setting"),
    ] {
        let error = error_of(&["--config", file(text).path().to_str().unwrap()]);
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_refused_database_is_not_repeated() {
    let text = "calls_max = 1\ndatabase = \"mysql://me:hunter2@host/name\"";
    let file = file(text);
    for arguments in [["--database", "mysql://me:hunter2@host/name"], ["--config", file.path().to_str().unwrap()]] {
        let error = error_of(&arguments);
        assert!(error.contains("its value is refused: must be `sqlite`") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_certificate_and_its_key_may_come_from_different_places() {
    let file = file("tls_key_file = \"key.pem\"");
    let path = file.path().to_str().unwrap();
    let line = ["--config", path, "--tls-certificate-file", "chain.pem", "--listen-address", "0.0.0.0:1"];
    let settings = read(&line).unwrap().settings;
    assert!(settings.listen.tls_files().is_some());
    assert_eq!(settings.places.of("tls_certificate_file"), Place::Flag("--tls-certificate-file".to_owned()));
    assert_eq!(settings.places.of("tls_key_file").to_string(), format!("{path}, line 1, `tls_key_file`"));
    assert_eq!(settings.places.of("calls_max").to_string(), "the default of `calls_max`");
}
