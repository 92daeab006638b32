//! Reads the sources and reports violations that the compiler cannot see: an import that the layers do not allow, a file without
//! a header comment, a leftover marker, SQL or a status made outside its module. Knows the house rules and runs no product code.

mod domain;
mod lexer;
mod walls;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use lexer::{Kind, Token, tokens};

/// Longer files mix two subjects. The goal is 400.
const FILE_LINES_MAX: usize = 700;

/// Modules that may use the methods banned by `clippy.toml`. Each uses only those of its own concern.
const KEEPERS_OF_BANNED_METHODS: [&str; 4] =
    ["src/clock", "src/error", "src/store/backend", "fake-providers/src/clock"];

/// Names that write to the store.
const WRITE_PATH: [&str; 2] = ["WriteTransaction", "lock_heads"];

#[test]
fn sources_keep_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("build.rs")];
    for folder in ["src", "clients", "fake-providers", "migration/src", "testkit", "tests", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 20, "found only {} files below {}", files.len(), root.display());
    let mut report = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        for (line, message) in check(&path, &text) {
            writeln!(report, "{path}:{line}: {message}").unwrap();
        }
    }
    assert!(report.is_empty(), "the house is not in order:\n{report}");
}

/// The Rust files below a folder, without generated code.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    // A missing folder has no violations.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let is_ours = !path.ends_with("generated") && !path.ends_with("node_modules");
        if path.is_dir() && is_ours {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
            files.push(path);
        }
    }
}

/// All violations in a file, as line and message. The path is relative to the repository's root.
fn check(path: &str, text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let mut found = shape(text);
    found.extend(markers(text, &tokens));
    if path.starts_with("src/") && !path.ends_with("/tests.rs") {
        let tokens = without_tests(tokens);
        found.extend(walls::violations(path, &tokens));
        found.extend(out_of_place(path, &tokens));
    }
    found.sort();
    found
}

/// The tokens without unit tests, because a test may import whatever it needs as input.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some(token) = rest.first() {
        if rest.len() < MARK.len() || !rest.iter().zip(MARK).all(|(token, mark)| token.is(mark)) {
            kept.push(token.clone());
            rest = &rest[1..];
            continue;
        }
        let mut depth = 0;
        let ends_item = |token: &Token| {
            depth += i32::from(token.is("{")) - i32::from(token.is("}"));
            depth == 0 && (token.is("}") || token.is(";"))
        };
        let end = rest.iter().position(ends_item);
        rest = end.map_or(&[], |end| &rest[end + 1..]);
    }
    kept
}

fn shape(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push((1, "begin with `//!`: what this is, and what it must not know".to_owned()));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push((lines, format!("{lines} lines are too many, {FILE_LINES_MAX} is the most: split it by subject")));
    }
    found
}

/// Markers of unfinished work.
fn markers(text: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // ISO 4217 gives this code to what has no currency, so it may be named as one.
    let code = concat!("XX", "X");
    let as_code = [format!("Currency::{code}"), format!("`{code}`"), format!("\"{code}\"")];
    for (at, line) in text.lines().enumerate() {
        let line = as_code.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
        // Each marker is written in two pieces, because this file would otherwise report itself.
        for marker in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")] {
            if line.split(|character: char| !character.is_alphanumeric()).any(|word| word == marker) {
                found.push((at + 1, format!("do it now or open an issue, but leave no {marker}")));
            }
        }
    }
    for pair in tokens.windows(2) {
        if (pair[0].is("todo") || pair[0].is("unimplemented")) && pair[1].is("!") {
            found.push((pair[0].line, format!("leave no {}!: what does not work is not there", pair[0].text)));
        }
    }
    found
}

/// Code outside the one file of `src` that it belongs in.
fn out_of_place(path: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if !is_within(path, &["src/store/backend"]) {
        for token in tokens.iter().filter(|token| token.kind == Kind::Text && is_sql(&token.text)) {
            found.push((token.line, "raw SQL lives in src/store/backend.rs".to_owned()));
        }
    }
    if !is_within(path, &["src/app", "src/store"]) || is_within(path, &["src/app/worker"]) {
        for token in tokens.iter().filter(|token| WRITE_PATH.iter().any(|word| token.is(word))) {
            found.push((token.line, format!("{} is for the one write path: submit a command to the app", token.text)));
        }
    }
    if !is_within(path, &["src/error"]) {
        for words in tokens.windows(3) {
            if words[0].is("Status") && words[1].is("::") && is_status_constructor(&words[2].text) {
                found.push((words[0].line, "statuses are made in src/error.rs, the one table".to_owned()));
            }
        }
    }
    if !is_within(path, &KEEPERS_OF_BANNED_METHODS) {
        for token in tokens.iter().filter(|token| token.is("disallowed_methods")) {
            let keepers = KEEPERS_OF_BANNED_METHODS.join(", ");
            found.push((token.line, format!("only {keepers} may lift the bans of clippy.toml")));
        }
    }
    found
}

/// Whether the file is one of these modules (named without `.rs`) or in its folder.
fn is_within(path: &str, modules: &[&str]) -> bool {
    let rests = modules.iter().filter_map(|module| path.strip_prefix(module));
    rests.into_iter().any(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether the text begins like an SQL statement.
fn is_sql(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["select", rest @ ..] => {
            rest.contains(&"from") || rest.iter().any(|word| word.starts_with(|c: char| c.is_numeric()))
        }
        ["update", rest @ ..] => rest.contains(&"set"),
        ["insert", "into", ..] | ["delete", "from", ..] | ["begin", "immediate", ..] | ["lock", "table", ..] => true,
        ["create" | "alter" | "drop", "table" | "index" | "unique" | "database" | "view" | "trigger", ..] => true,
        ["pragma", _, ..] | ["vacuum", "into", ..] | ["set", "transaction" | "local" | "session", ..] => true,
        _ => false,
    }
}

fn is_status_constructor(function: &str) -> bool {
    const CONSTRUCTORS: [&str; 18] = [
        "new",
        "ok",
        "cancelled",
        "unknown",
        "invalid_argument",
        "deadline_exceeded",
        "not_found",
        "already_exists",
        "permission_denied",
        "resource_exhausted",
        "failed_precondition",
        "aborted",
        "out_of_range",
        "unimplemented",
        "internal",
        "unavailable",
        "data_loss",
        "unauthenticated",
    ];
    CONSTRUCTORS.contains(&function) || function.starts_with("with_") || function == "from_error"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages for a file with this body, below a valid header comment.
    fn messages(path: &str, body: &str) -> String {
        let found = check(path, &format!("//! A file.\n{body}"));
        found.iter().map(|(line, message)| format!("{line}: {message}\n")).collect()
    }

    fn assert_finds(path: &str, body: &str, expected: &str) {
        let messages = messages(path, body);
        assert!(messages.contains(expected), "{path}: {body:?} should give {expected:?}, gave {messages:?}");
    }

    fn assert_clean(path: &str, body: &str) {
        assert_eq!(messages(path, body), "", "{path}: {body:?}");
    }

    #[test]
    fn a_step_over_a_wall_is_found_however_it_is_written() {
        assert_finds(
            "src/domain/sale.rs",
            "use crate::store::Store;",
            "2: domain may not use store; besides itself it may use nothing",
        );
        assert_finds("src/domain/sale.rs", "use crate::{domain::id, app::App};", "domain may not use app");
        assert_finds(
            "src/domain/sale.rs",
            "fn f() { let _ = crate::clock::monotonic_now(); }",
            "domain may not use clock",
        );
        assert_finds("src/domain/sale.rs", "use super::super::store;", "domain may not use store");
        assert_finds("src/domain/mod.rs", "use super::app::App;", "domain may not use app");
        assert_finds("src/domain/sale.rs", "mod tests { use super::super::super::app; }", "domain may not use app");
        assert_finds("src/store/load.rs", "use crate::error::Error;", "store may not use error");
        assert_finds("src/store/load.rs", "\npub(crate) use crate::rpc as other;", "3: store may not use rpc");
        assert_finds("src/store/entity/click.rs", "use super::super::load;", "entity may not use store");
        assert_finds("src/store/entity/click.rs", "use crate::domain::id::ClickId;", "entity may not use domain");
        assert_finds("src/app/writer.rs", "use crate::store::{Store, entity::{click}};", "app may not use entity");
        assert_finds("src/store/form/reward.rs", "use super::super::entity::reward;", "form may not use entity");
        assert_finds("src/rpc/sale.rs", "use crate::store::form::Kept;", "rpc may not use form");
        assert_finds("src/rpc/tracking.rs", "use crate::server;", "rpc may not use server");
        assert_finds("src/shop.rs", "", "`shop` is no part of the house yet");
    }

    #[test]
    fn the_rooms_that_come_later_have_their_walls() {
        for room in ["inbound", "import"] {
            let file = format!("src/{room}/shop.rs");
            let only_pb = format!("{room} may not use domain; besides itself it may use pb");
            assert_finds(&file, "use crate::domain::money::Money;", &only_pb);
            assert_finds(&file, "use crate::rpc::parse;", &format!("{room} may not use rpc"));
            assert_finds(&file, "use crate::clock;", &format!("{room} may not use clock"));
            assert_finds(&file, "use crate::store::Store;", &format!("{room} may not use store"));
            assert_finds(&file, "use tokio::fs;", &format!("{room} must not know tokio"));
            assert_finds(&file, "pub async fn f() {}", &format!("{room} must not wait"));
            assert_finds(&file, "fn f(amount: f64) {}", &format!("{room} must not round by chance"));
            assert_clean(&file, "use crate::pb::RecordSaleRequest;\nuse prost_types::Timestamp;\nuse super::csv;");
        }

        let outbound = "src/outbound/provider/bank.rs";
        assert_finds(outbound, "use crate::store;", "outbound may not use store; besides itself it may use domain");
        assert_finds(outbound, "use super::super::super::app::App;", "outbound may not use app");
        assert_finds(outbound, "use crate::rpc::tracking;", "outbound may not use rpc");
        assert_finds(outbound, "use sea_orm::DbErr;", "outbound must not know sea_orm");
        assert_finds(outbound, "use crate::clock::monotonic_now;", "outbound may not use clock");
        assert_finds("src/app/worker/pay.rs", "use reqwest::Client;", "worker must not know reqwest");
        assert_clean(outbound, "use crate::domain::money::Money;\nuse crate::outbound::client;\nuse tokio::net;");

        let worker = "src/app/worker/pay.rs";
        let command = "use super::super::App;\nuse crate::outbound::provider;\nuse crate::store::{self, Store};";
        assert_clean(worker, command);
        assert_finds(worker, "use crate::store::WriteTransaction;", "submit a command to the app");
        assert_finds(worker, "use crate::store::account_head::lock_heads;", "submit a command to the app");
        assert_finds(worker, "use crate::http::router;", "worker may not use http");
        for (part, file) in [("app", "src/app/writer.rs"), ("http", "src/http/callback.rs")] {
            assert_finds(file, "use crate::outbound::provider;", &format!("{part} may not use outbound"));
        }
        assert_clean("src/app/mod.rs", "use super::app::worker;\nuse crate::app::worker::WorkerStatus;");

        let http = "src/http/click.rs";
        let allowed = "use crate::{app::App, domain::id, inbound::stripe, pb, rpc::click, store::{self, Store}};";
        assert_clean(http, allowed);
        assert_finds(http, "use crate::store::WriteTransaction;", "submit a command to the app");
        assert_finds(http, "use crate::store::entity::click;", "http may not use entity");
        assert_finds(http, "use crate::import::csv;", "http may not use import");
        assert_finds(http, "use crate::server::Server;", "http may not use server");
        assert_finds(http, "use sea_orm::DbErr;", "http must not know sea_orm");
        assert_finds("src/rpc/click.rs", "use crate::http::click;", "rpc may not use http");
        assert_finds("src/domain/sale.rs", "use crate::inbound::stripe;", "domain may not use inbound");
    }

    #[test]
    fn allowed_imports_are_clean() {
        assert_clean(
            "src/domain/sale.rs",
            "use super::money::Money;\nuse crate::domain::id; // crate::store\nconst A: &str = \"crate::app\";",
        );
        assert_clean("src/domain/sale.rs", "mod tests { use super::*; use super::super::id; }\nfn g() { super::f(); }");
        assert_clean(
            "src/store/load.rs",
            "use super::entity::{click, lead as leads};\nuse crate::domain::{id::{ClickId, LeadId}, time::Time};",
        );
        assert_clean("src/store/row.rs", "use super::form::Kept;");
        assert_clean("src/store/form/reward.rs", "use super::field::Text;\nuse crate::domain::reward::Reward;");
        assert_clean("src/store/entity/click.rs", "use super::lead;\nuse sea_orm::entity::prelude::*;");
        assert_clean(
            "src/app/writer.rs",
            "use super::{App, feed::Feed};\nuse crate::{clock, store::{self, Store}};\nuse tokio::sync::mpsc;",
        );
        assert_clean(
            "src/rpc/tracking.rs",
            "use tonic::{Request, Status};\nuse crate::{pb, auth::Principal};\npub(crate) fn f() {}",
        );
        assert_clean("src/server.rs", "use crate::{rpc, store::entity};\nuse sea_orm::Database;");
        assert_clean("migration/src/column.rs", "use sea_orm_migration::prelude::*;");
    }

    #[test]
    fn a_library_that_a_part_must_not_know_is_found() {
        assert_finds("src/domain/sale.rs", "use tonic::Status;", "domain must not know tonic");
        assert_finds("src/domain/sale.rs", "fn f(x: ::sea_orm::DbErr) {}", "domain must not know sea_orm");
        assert_finds("src/domain/sale.rs", "use tokio;", "domain must not know tokio");
        assert_finds("src/domain/sale.rs", "use crate::pb::Sale;", "domain may not use pb");
        assert_finds("src/domain/sale.rs", "pub async fn f() {}", "domain must not wait");
        assert_finds("src/store/load.rs", "fn f() -> Result<(), tonic::Status> {}", "store must not know tonic");
        assert_finds("src/app/writer.rs", "use sea_orm::DbErr;", "app must not know sea_orm");
        assert_finds("src/rpc/tracking.rs", "use getrandom::fill;", "rpc must not know getrandom");
        assert_finds("src/rpc/tracking.rs", "use headwater_client::pb;", "rpc must not know headwater_client");
        assert_clean("src/domain/sale.rs", "fn f(tokio: i64) -> i64 { tokio + own::tonic::x() }");
    }

    #[test]
    fn the_shape_of_a_file_is_checked() {
        assert_eq!(check("src/domain/sale.rs", "fn f() {}").len(), 1);
        assert_clean("tests/it/feed.rs", &"\n".repeat(FILE_LINES_MAX - 1));
        assert_finds("tests/it/feed.rs", &"\n".repeat(FILE_LINES_MAX), "701 lines are too many");
    }

    #[test]
    fn markers_of_work_undone_are_found() {
        assert_finds("src/domain/sale.rs", concat!("// TO", "DO: later"), "leave no TO");
        assert_finds("src/domain/sale.rs", concat!("// XX", "X: later"), "leave no XX");
        assert_clean("src/domain/sale.rs", concat!("/// `XX", "X` is no currency.\nfn f() {}"));
        assert_finds("tests/it/feed.rs", concat!("\n// (FIX", "ME)"), "3: do it now");
        assert_finds("src/domain/sale.rs", concat!("fn f() { to", "do!() }"), "what does not work is not there");
        assert_clean("src/domain/sale.rs", "// A method to do it with, in TODOS\nfn todo() {}");
    }

    #[test]
    fn tests_may_bring_what_they_need() {
        let body = "#[cfg(test)]\nmod tests {\n use crate::clock::SystemClock;\n fn f() { if a {} }\n}\n";
        assert_clean("src/domain/sale.rs", body);
        assert_clean("src/domain/sale.rs", "#[cfg(test)]\nuse crate::clock;\n#[cfg(test)]\nmod tests;");
        assert_clean("src/store/tests.rs", "use crate::clock;");
        assert_finds("src/domain/sale.rs", &format!("{body}use crate::clock;"), "7: domain may not use clock");
    }

    #[test]
    fn misplaced_code_is_found() {
        assert_finds("src/store/load.rs", "const A: &str = \"SELECT id FROM click\";", "raw SQL lives in");
        assert_finds("src/app/writer.rs", "const A: &str = r#\"pragma synchronous\"#;", "raw SQL lives in");
        assert_finds("src/store/load.rs", "const A: &str = \"update click set x = 1\";", "raw SQL lives in");
        assert_clean("src/store/backend.rs", "const A: &str = \"SELECT id FROM click\";");
        assert_clean("migration/src/column.rs", "const A: &str = \"CREATE TABLE click\";");
        assert_clean("src/rpc/lead.rs", "const A: &str = \"Select a lead by id, or update it\";");

        assert_finds(
            "src/rpc/lead.rs",
            "fn f() { tonic::Status::not_found(\"\"); }",
            "statuses are made in src/error.rs",
        );
        assert_finds("src/rpc/lead.rs", "fn f() { Status::with_error_details(a, b, c); }", "statuses are made in");
        assert_clean("src/error.rs", "fn f() { Status::internal(\"\"); }");
        assert_clean("src/rpc/lead.rs", "fn f(s: Status) { Some(s).map(Status::code); Status::from_header_map(h); }");

        assert_finds(
            "src/rpc/lead.rs",
            "#![expect(clippy::disallowed_methods, reason = \"handy\")]",
            "may lift the bans",
        );
        assert_finds("src/errors.rs", "use crate::rpc;\nfn f() { Status::ok(\"\"); }", "statuses are made in");
        assert_clean("src/error/table.rs", "fn f() { Status::ok(\"\"); }");

        assert_finds("src/rpc/lead.rs", "use crate::store::WriteTransaction;", "submit a command to the app");
        assert_clean("src/app/writer.rs", "use crate::store::WriteTransaction;");

        assert_clean("src/clock.rs", "#![expect(clippy::disallowed_methods, reason = \"its place\")]");
    }
}
