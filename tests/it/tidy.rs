//! The walls between the layers and the rules of the house that no lint can say. Reads the sources as text; the checker is a
//! pure function over paths and texts. `ARCHITECTURE.md` has the reasons.

use std::path::{Path, PathBuf};

/// Which top module may name which, apart from itself. A module without a row is refused: say where it stands first.
const WALLS: &[(&str, &[&str])] = &[
    ("app", &["clock", "domain", "store"]),
    ("auth", &["clock", "domain", "error", "pb", "store"]),
    ("clock", &["domain"]),
    ("config", &[]),
    ("domain", &[]),
    ("error", &["app", "domain", "pb", "store"]),
    ("http", &["app", "auth", "clock", "config", "domain", "error", "pb", "store"]),
    ("logging", &["config"]),
    ("outbound", &["app", "domain", "store"]),
    ("rpc", &["app", "auth", "clock", "config", "domain", "error", "pb", "store"]),
    ("store", &["domain"]),
];

/// These put the program together, and may name everything.
const WIRING: &[&str] = &["cli", "demo", "lib", "main", "server"];

/// Code that is refused in some places.
struct Ban {
    words: &'static [&'static str],
    /// Where it is refused; beginnings of paths.
    within: &'static [&'static str],
    /// Where it is at home all the same.
    except: &'static [&'static str],
    reason: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        words: &["async fn", "async move", "tokio", "tonic", "prost", "sea_orm", "tracing", "f32", "f64"],
        within: &["src/domain"],
        except: &[],
        reason: "the domain is pure: no waiting, no wire, no database, no log, and money is integers",
    },
    Ban {
        words: &["tonic", "prost"],
        within: &["src/app", "src/store", "src/outbound"],
        except: &[],
        reason: "the wire ends in rpc",
    },
    Ban {
        words: &["sea_orm"],
        within: &["src/"],
        except: &["src/store"],
        reason: "only the store knows how rows are read and written",
    },
    Ban {
        words: &["WriteTransaction", "lock_heads", "store::save", "store::load"],
        within: &["src/"],
        except: &["src/app", "src/store"],
        reason: "there is one write path: submit a command to the app",
    },
    Ban {
        words: &["execute_unprepared", "Statement::from_string", "Statement::from_sql_and_values"],
        within: &["src/"],
        except: &["src/store/backend"],
        reason: "raw SQL lives in store/backend.rs",
    },
    Ban {
        words: &[
            "Status::new",
            "Status::ok",
            "Status::cancelled",
            "Status::unknown",
            "Status::invalid_argument",
            "Status::deadline_exceeded",
            "Status::not_found",
            "Status::already_exists",
            "Status::permission_denied",
            "Status::resource_exhausted",
            "Status::failed_precondition",
            "Status::aborted",
            "Status::out_of_range",
            "Status::unimplemented",
            "Status::internal",
            "Status::unavailable",
            "Status::data_loss",
            "Status::unauthenticated",
            "Status::with_details",
            "Status::with_metadata",
            "Status::with_error_details",
            "Status::from_error",
        ],
        within: &["src/"],
        except: &["src/error"],
        reason: "error.rs is the one table of statuses: return an Error",
    },
    Ban {
        words: &["SystemTime::now", "Instant::now", "now_v7", "new_v4", "getrandom"],
        within: &["src/", "migration/"],
        except: &["src/clock.rs"],
        reason: "time and randomness come from clock.rs, so that a test can set them",
    },
    Ban {
        words: &["todo!", "unimplemented!"],
        within: &[""],
        except: &[],
        reason: "what is not there yet has no name yet",
    },
];

/// In two parts, since this file is read too.
const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

const LINES_MAX: usize = 700;

/// Every rule that this file breaks, as `path:line: what and why`.
fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("{path}:{line}: {what}"));

    if !text.starts_with("//!") {
        fault(1, "begin with `//!` and say what this file is and what it must not know".into());
    }
    let line_count = text.lines().count();
    if line_count > LINES_MAX {
        fault(line_count, format!("{line_count} lines, more than {LINES_MAX}: find the second subject in it"));
    }
    for (line, marker) in find_words(text, MARKERS) {
        fault(line, format!("`{marker}` is left over: do it, or write it down where plans are kept"));
    }

    let code = without_tests(&without_words(text));
    for ban in BANS {
        let applies = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        if applies(ban.within) && !applies(ban.except) && !is_test_file(path) {
            for (line, word) in find_words(&code, ban.words) {
                fault(line, format!("`{word}` is not for here: {}", ban.reason));
            }
        }
    }

    let Some(from) = top_module(path).filter(|_| !is_test_file(path)) else { return faults };
    if WIRING.contains(&from) {
        return faults;
    }
    let Some((_, allowed)) = WALLS.iter().find(|(module, _)| *module == from) else {
        fault(1, format!("the module `{from}` has no row in WALLS (tests/it/tidy.rs): say there what it may name"));
        return faults;
    };
    for (line, to) in crate_paths(&code) {
        if to != from && !allowed.contains(&to.as_str()) {
            let may = if allowed.is_empty() { "no other module".into() } else { allowed.join(", ") };
            fault(line, format!("`{from}` may not name `crate::{to}`: it may name {may}"));
        }
    }
    faults
}

/// `src/store/row.rs` and `src/store.rs` belong to `store`.
fn top_module(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    inside.split('/').next()?.split('.').next()
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.starts_with("benches/") || path.ends_with("/tests.rs")
}

/// The top modules that are named as `crate::x` or in `crate::{x::y, z}`, with their lines.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        if is_inside_word(code, at) {
            continue;
        }
        let rest = &code[at + start.len()..];
        let line = line_at(code, at);
        match rest.strip_prefix('{') {
            Some(group) => found.extend(top_items(group).into_iter().map(|name| (line, name))),
            None => found.push((line, first_word(rest))),
        }
    }
    found
}

/// The first word of each item of a `use` group, whose opening brace has been read.
fn top_items(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut items = vec![String::new()];
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => items.push(String::new()),
            other => items.last_mut().unwrap().push(other),
        }
        if depth == 0 {
            break;
        }
    }
    items.iter().map(|item| first_word(item.trim_start())).filter(|word| !word.is_empty()).collect()
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|character| is_word(*character)).collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn is_inside_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(is_word)
}

fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where these stand as whole words.
fn find_words<'a>(text: &str, words: &[&'a str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for word in words {
        for (at, _) in text.match_indices(word) {
            let goes_on = text[at + word.len()..].chars().next().is_some_and(is_word);
            if !is_inside_word(text, at) && !goes_on {
                found.push((line_at(text, at), *word));
            }
        }
    }
    found
}

/// The code without its comments and texts, lines kept.
fn without_words(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|character| *character == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment_length(rest),
            ['"', ..] => text_length(rest),
            ['r', '"' | '#', ..] if !code.ends_with(is_word) || code.ends_with('b') => raw_text_length(rest),
            ['\'', '\\', _, ..] => {
                3 + rest[3..].iter().position(|character| *character == '\'').map_or(0, |end| end + 1)
            }
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        let skipped = &rest[..length.min(rest.len())];
        code.extend(skipped.iter().filter(|character| **character == '\n'));
        if length == 0 {
            code.push(rest[0]);
        }
        at += length.max(1);
    }
    code
}

fn block_comment_length(rest: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Of `r"..."` and `r#"..."#`; 0 for a raw name such as `r#type`.
fn raw_text_length(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let body = 2 + hashes;
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let end = rest[body..].windows(closing.len()).position(|window| window == closing);
    end.map_or(rest.len(), |end| body + end + closing.len())
}

/// The code without the items under `#[cfg(test)]`, lines kept.
fn without_tests(code: &str) -> String {
    let Some((before, after)) = code.split_once("#[cfg(test)]") else { return code.into() };
    let mut depth = 0;
    let mut end = after.len();
    for (at, character) in after.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(character, '}' | ';') {
            end = at + 1;
            break;
        }
    }
    let lines: String = after[..end].chars().filter(|character| *character == '\n').collect();
    format!("{before}{lines}{}", without_tests(&after[end..]))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_walls_stand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("build.rs")];
    for folder in ["src", "migration", "tests", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.sort();
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            faults(&path, &std::fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(found.is_empty(), "{} of the house's rules are broken:\n{}", found.len(), found.join("\n"));
}

/// Asserts the faults of a file that has this code under a proper first line.
#[track_caller]
fn check(path: &str, code: &str, expected: &[&str]) {
    let found = faults(path, &format!("//! A file.\n{code}\n"));
    assert_eq!(found.len(), expected.len(), "{path}: {code}\n{found:#?}");
    for (fault, part) in found.iter().zip(expected) {
        assert!(fault.contains(part), "{fault}\nshould say: {part}");
    }
}

#[test]
fn every_planted_edge_is_found() {
    check("src/rpc/lead.rs", "use crate::app::App;\nuse crate::{domain::lead, store, pb};", &[]);
    check("src/app/writer.rs", "use crate::pb;", &["src/app/writer.rs:2: `app` may not name `crate::pb`"]);
    check("src/store/lead.rs", "use crate::{\n    domain::{lead, time},\n    app::App,\n};", &["`crate::app`"]);
    check(
        "src/domain/lead.rs",
        "fn at() -> crate::clock::Time { crate::domain::now() }",
        &["may name no other module"],
    );
    check("src/outbound/mail.rs", "use crate::rpc::lead;", &["`crate::rpc`"]);
    check("src/error.rs", "pub(crate) fn x() {}\nuse crate::rpc;", &["src/error.rs:3:"]);
    check("src/novelty.rs", "", &["no row in WALLS"]);
    for wiring in ["src/main.rs", "src/server.rs", "src/cli/serve.rs", "src/lib.rs", "src/demo.rs"] {
        check(wiring, "use crate::{app, rpc, store, pb};", &[]);
    }
}

#[test]
fn every_planted_word_is_found() {
    for ban in BANS {
        for word in ban.words {
            let within = format!("{}/x.rs", ban.within[0].trim_end_matches('/'));
            let found = faults(&within, &format!("//! A file.\nfn x() {{ {word}(1) }}\n"));
            assert!(found.iter().any(|fault| fault.contains(ban.reason)), "{word} in {within}: {found:?}");
        }
        for home in ban.except {
            let found = faults(home, &format!("//! A file.\nfn x() {{ {}(1) }}\n", ban.words[0]));
            assert!(!found.iter().any(|fault| fault.contains(ban.reason)), "{home}: {found:?}");
        }
    }
    check("src/domain/sale.rs", "fn price() -> f64 { 1.0 }", &["src/domain/sale.rs:2: `f64` is not for here"]);
    check("src/rpc/sale.rs", "x.map_err(tonic::Status::internal)", &["error.rs is the one table"]);
    check("src/rpc/sale.rs", "x.map_err(PayoutStatus::internal)", &[]);
}

#[test]
fn comments_texts_and_tests_are_not_code() {
    check("src/domain/sale.rs", "// no f64, no crate::store\n/* tonic /* prost */ f32 */", &[]);
    check("src/domain/sale.rs", "const A: &str = \"f64 \\\" tonic\";\nconst B: &str = r#\"f64 \" tonic\"#;", &[]);
    check(
        "src/domain/sale.rs",
        "fn a<'a>(x: &'a str, y: char) -> bool { y == '\"' || y == '\\'' }\nuse tonic;",
        &[":3:"],
    );
    check(
        "src/domain/sale.rs",
        "#[cfg(test)]\nmod tests {\n    async fn a() { tokio::x() }\n}\ntype A = f64;",
        &[":6:"],
    );
    check("src/domain/sale.rs", "#[cfg(test)]\nuse crate::clock;\nuse crate::store;", &[":4:"]);
    check("src/domain/sale/tests.rs", "use crate::clock;", &[]);
}

#[test]
fn form_is_checked() {
    assert_eq!(faults("tests/it/lead.rs", "use std::fmt;\n").len(), 1);
    let long = "//! A file.\n".repeat(LINES_MAX + 1);
    assert!(faults("benches/load.rs", &long)[0].contains("701 lines"));
    for marker in MARKERS {
        check("migration/src/lib.rs", &format!("// {marker}: later"), &["left over"]);
    }
}
