//! Which part of the server may import which, and the parsing of paths for it. Knows no other rules.

use super::lexer::{Kind, Token};

/// A part of `src` and what it may import besides itself.
struct Part {
    name: &'static str,
    /// Other parts.
    parts: &'static [&'static str],
    /// Libraries of [`GUARDED_LIBRARIES`].
    libraries: &'static [&'static str],
}

/// Libraries that only some parts may use, because they belong to one concern: the wire, the tables, the outside world. All other
/// libraries may be used anywhere.
const GUARDED_LIBRARIES: [&str; 15] = [
    "fake_providers",
    "headwater_client",
    "tonic",
    "tonic_types",
    "tonic_prost",
    "prost",
    "prost_types",
    "sea_orm",
    "migration",
    "getrandom",
    "lettre",
    "reqwest",
    "tokio",
    "tracing",
    "clap",
];

const WIRE: [&str; 7] = ["headwater_client", "tonic", "tonic_types", "tonic_prost", "prost", "prost_types", "pb"];

/// The parts, innermost first. `lib`, `main`, `cli`, `server` and `demo` are not listed. They connect the parts, so they may
/// import everything. Some parts are listed here but have no file yet.
const PARTS: [Part; 28] = [
    // Pure: its inputs are passed in.
    Part { name: "domain", parts: &[], libraries: &[] },
    Part { name: "entity", parts: &[], libraries: &["sea_orm"] },
    Part { name: "form", parts: &["domain"], libraries: &[] },
    Part {
        name: "store",
        parts: &["domain", "clock", "entity", "form", "outage", "sampled", "gate"],
        libraries: &["sea_orm", "migration", "tokio", "tracing"],
    },
    Part { name: "clock", parts: &["domain"], libraries: &["getrandom", "tokio", "tracing"] },
    Part { name: "deadline", parts: &["clock"], libraries: &["tokio"] },
    Part { name: "failpoint", parts: &["store"], libraries: &["tokio", "tracing"] },
    Part { name: "config", parts: &[], libraries: &["clap"] },
    Part { name: "outage", parts: &["clock"], libraries: &["tokio", "tracing"] },
    Part { name: "sampled", parts: &[], libraries: &["tokio"] },
    Part { name: "shares", parts: &[], libraries: &[] },
    Part { name: "turns", parts: &[], libraries: &[] },
    Part { name: "gate", parts: &["shares", "turns"], libraries: &["tokio"] },
    // Keys and bytes: what is sealed is passed in.
    Part { name: "secrets", parts: &["domain", "clock"], libraries: &[] },
    // Its input is passed in and its result is returned. Only workers send.
    Part { name: "mail", parts: &["domain"], libraries: &["lettre", "tokio", "tracing"] },
    Part { name: "logging", parts: &["config"], libraries: &["tracing"] },
    Part {
        name: "app",
        parts: &[
            "domain", "store", "clock", "config", "error", "mail", "worker", "outage", "sampled", "shares", "turns",
        ],
        libraries: &["tokio", "tracing"],
    },
    // Workers are in the folder of `app`. They are the only part that calls other companies' servers.
    Part {
        name: "worker",
        parts: &["domain", "store", "app", "clock", "config", "error", "mail", "outbound", "secrets"],
        libraries: &["tokio", "tracing"],
    },
    Part {
        name: "error",
        parts: &["domain", "store", "app", "pb"],
        libraries: &["tonic", "tonic_types", "prost", "prost_types", "tokio", "tracing"],
    },
    Part {
        name: "auth",
        parts: &[
            "domain",
            "store",
            "app",
            "clock",
            "config",
            "deadline",
            "error",
            "gate",
            "outage",
            "sampled",
            "shares",
            "transport",
            "pb",
        ],
        libraries: &["tonic", "prost", "tokio", "tracing"],
    },
    Part {
        name: "rpc",
        parts: &[
            "domain",
            "store",
            "app",
            "clock",
            "config",
            "deadline",
            "error",
            "auth",
            "limit",
            // Files of payouts, which are pure.
            "outbound",
            "secrets",
            "shares",
            "transport",
            "pb",
        ],
        libraries: &["tonic", "tonic_types", "tonic_prost", "prost", "prost_types", "tokio", "tracing"],
    },
    // hyper and the sockets. The one thing of tonic is the type of a client's address.
    Part {
        name: "transport",
        parts: &["clock", "sampled", "shares", "turns"],
        libraries: &["tonic", "tokio", "tracing"],
    },
    Part {
        name: "limit",
        parts: &["domain", "auth", "error", "shares", "transport"],
        libraries: &["tokio", "tracing"],
    },
    // Calls other companies' servers. Its input is passed in and its result is returned.
    Part { name: "outbound", parts: &["domain", "secrets"], libraries: &["reqwest", "tokio", "tracing"] },
    // Both are pure. They turn bytes into API messages, which then pass the same parsing as those of a call.
    Part { name: "inbound", parts: &["pb"], libraries: &["prost", "prost_types"] },
    Part { name: "import", parts: &["pb"], libraries: &["prost", "prost_types"] },
    Part {
        name: "http",
        parts: &[
            "domain",
            "store",
            "app",
            "clock",
            "config",
            "error",
            "auth",
            "rpc",
            "inbound",
            "sampled",
            "secrets",
            "shares",
            "transport",
            "pb",
        ],
        libraries: &["tokio", "tracing"],
    },
    Part { name: "pb", parts: &[], libraries: &WIRE },
];

const WIRING: [&str; 5] = ["lib", "main", "cli", "server", "demo"];

/// The parts that only compute.
const PURE: [&str; 3] = ["domain", "inbound", "import"];

/// Every import of the file that is not allowed, as line and message. Empty for a file outside `src`.
pub(super) fn violations(path: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let Some(module) = module_path(path) else { return Vec::new() };
    let name = part_of(&module);
    if WIRING.contains(&name.as_str()) {
        return Vec::new();
    }
    let Some(part) = PARTS.iter().find(|part| part.name == name) else {
        return vec![(
            1,
            format!("`{name}` is no part of the house yet: say in tests/it/tidy/walls.rs what it may use"),
        )];
    };
    let mut violations = Vec::new();
    for (line, target) in parts_named(&module, tokens) {
        if target != name && !part.parts.contains(&target.as_str()) {
            let allowed = if part.parts.is_empty() { "nothing".to_owned() } else { part.parts.join(", ") };
            violations.push((line, format!("{name} may not use {target}; besides itself it may use {allowed}")));
        }
    }
    for (line, library) in libraries_named(tokens) {
        if !part.libraries.contains(&library) {
            violations.push((line, format!("{name} must not know {library}")));
        }
    }
    if PURE.contains(&name.as_str()) {
        for token in tokens {
            match token.text.as_str() {
                _ if token.kind == Kind::Text => {}
                "async" | "await" => violations.push((token.line, format!("{name} must not wait"))),
                "f32" | "f64" => violations.push((token.line, format!("{name} must not round by chance: no floats"))),
                _ => {}
            }
        }
    }
    violations
}

/// `src/store/entity/click.rs` is `store::entity::click`.
pub(super) fn module_path(path: &str) -> Option<Vec<String>> {
    let stem = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    Some(stem.split('/').map(str::to_owned).collect())
}

/// The part that a module belongs to. Entities and forms are parts of their own, although they are in the store's folder. Workers
/// are a part of their own, although they are in the app's folder.
fn part_of(module: &[String]) -> String {
    match module {
        [store, inner, ..] if store == "store" && (inner == "entity" || inner == "form") => inner.clone(),
        [app, worker, ..] if app == "app" && worker == "worker" => "worker".to_owned(),
        [first, ..] => first.clone(),
        [] => "lib".to_owned(),
    }
}

/// The parts that paths from `crate` or `super` refer to, with the line.
fn parts_named(file: &[String], tokens: &[Token]) -> Vec<(usize, String)> {
    let paths = paths_named(file, tokens).into_iter();
    paths.map(|(line, path)| (line, part_of(&path))).filter(|(_, part)| part != "lib").collect()
}

/// The paths from `crate` or `super`, resolved from the crate's root, with the line.
pub(super) fn paths_named(file: &[String], tokens: &[Token]) -> Vec<(usize, Vec<String>)> {
    let mut named = Vec::new();
    // Inline modules, each with the brace depth at which it ends.
    let mut inner: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth -= 1;
            inner.retain(|(ends_at, _)| *ends_at <= depth);
        } else if token.is("mod") && tokens.get(at + 2).is_some_and(|next| next.is("{")) {
            inner.push((depth + 1, tokens[at + 1].text.clone()));
        } else if (token.is("crate") || token.is("super")) && tokens.get(at + 1).is_some_and(|next| next.is("::")) {
            let mut from = Vec::new();
            if token.is("super") {
                from.extend_from_slice(file);
                from.extend(inner.iter().map(|(_, name)| name.clone()));
                from.pop();
            }
            let mut leaves = Vec::new();
            at = follow(tokens, at + 2, from, &mut leaves);
            // A macro of the crate belongs to no part, so it is skipped.
            if !(leaves.len() == 1 && leaves[0].len() == 1 && tokens.get(at).is_some_and(|next| next.is("!"))) {
                named.extend(leaves.into_iter().map(|leaf| (token.line, leaf)));
            }
            continue;
        }
        at += 1;
    }
    named
}

/// Reads a path or a tree of paths, as in `use`, from after its first `::`. Returns the position of its end.
fn follow(tokens: &[Token], mut at: usize, mut path: Vec<String>, leaves: &mut Vec<Vec<String>>) -> usize {
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            at += 1;
            while tokens.get(at).is_some_and(|token| !token.is("}")) {
                at = if tokens[at].is(",") { at + 1 } else { follow(tokens, at, path.clone(), leaves).max(at + 1) };
            }
            return at + 1;
        }
        if token.is("super") {
            path.pop();
        } else if token.kind == Kind::Word && !token.is("self") {
            path.push(token.text.clone());
        }
        at += 1;
        if !tokens.get(at).is_some_and(|token| token.is("::")) {
            break;
        }
        at += 1;
    }
    leaves.push(path);
    // The name after `as` is not a path.
    if tokens.get(at).is_some_and(|token| token.is("as")) { at + 2 } else { at }
}

/// The guarded libraries at the beginning of paths, with the line.
fn libraries_named(tokens: &[Token]) -> Vec<(usize, &'static str)> {
    let mut named = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(library) = GUARDED_LIBRARIES.iter().find(|library| token.is(library)) else { continue };
        let after = |text| at > 0 && tokens[at - 1].is(text);
        let before = |text| tokens.get(at + 1).is_some_and(|next| next.is(text));
        if (before("::") && !(after("::") && at > 1 && tokens[at - 2].kind == Kind::Word)) || after("use") {
            named.push((token.line, *library));
        }
    }
    named
}
