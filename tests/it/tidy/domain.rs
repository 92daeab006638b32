//! The layers inside the domain: rows and states, the working set, and the rules. Rows import neither the set nor the rules. The
//! set imports no rule. No files import each other in a cycle. Checks imports alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lexer::tokens;
use super::walls::{module_path, paths_named};
use super::{rust_files, without_tests};

/// Allowed cycles of rules, with the reason. There are none, because code that two rules share has a file of its own, such as
/// `rule/customer.rs`, or is a method of the set.
const CIRCLES_ALLOWED: [(&str, &str); 0] = [];

/// The modules that each module of the domain imports. A `mod.rs` that only re-exports does not count as a module.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The layers, innermost first. A layer may import itself and those before it.
const ROOMS: [&str; 3] = ["rows", "set", "rule"];

fn room(module: &str) -> &'static str {
    match module.split_once("::") {
        Some(("set", _)) => "set",
        Some(("rule", _)) => "rule",
        _ => "rows",
    }
}

/// The import graph of files given as path and text.
fn graph(files: &[(String, String)]) -> Graph {
    let modules: BTreeSet<String> = files
        .iter()
        .filter_map(|(path, _)| module_path(path))
        .map(|module| module[1..].join("::"))
        .filter(|module| !module.is_empty() && !["set", "rule"].contains(&module.as_str()))
        .collect();
    let mut graph = Graph::new();
    for (path, text) in files {
        let Some(module) = module_path(path) else { continue };
        let name = module[1..].join("::");
        if !modules.contains(&name) {
            continue;
        }
        let named = graph.entry(name.clone()).or_default();
        for (_, path) in paths_named(&module, &without_tests(tokens(text))) {
            let Some(rest) = path.strip_prefix(&["domain".to_owned()]) else { continue };
            // The path names the module that is its longest prefix. For a re-export of a layer, it names the layer itself.
            let beginnings = (1..=rest.len()).rev().map(|length| rest[..length].join("::"));
            let target = beginnings.clone().find(|beginning| modules.contains(beginning));
            let of_room = || rest.first().filter(|first| ["set", "rule"].contains(&first.as_str())).cloned();
            named.extend(target.or_else(of_room).filter(|target| *target != name));
        }
    }
    graph
}

/// Every import from a layer into an outer one.
fn steps_outwards(graph: &Graph) -> Vec<String> {
    let rank = |module: &str| {
        let room = if ["set", "rule"].contains(&module) { module } else { room(module) };
        ROOMS.iter().position(|other| *other == room)
    };
    let edges = graph.iter().flat_map(|(from, named)| named.iter().map(move |to| (from, to)));
    edges.filter(|(from, to)| rank(to) > rank(from)).map(|(from, to)| format!("{from} names {to}")).collect()
}

/// The groups of modules that import each other, directly or indirectly.
fn circles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reachable = |from: &String| {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut next: Vec<String> = graph.get(from).into_iter().flatten().cloned().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module.clone()) {
                next.extend(graph.get(&module).into_iter().flatten().cloned());
            }
        }
        seen
    };
    let reaches: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|module| (module, reachable(module))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (module, reached) in &reaches {
        if reached.contains(*module) && !circles.iter().any(|circle| circle.contains(*module)) {
            let others = reached.iter().filter(|other| reaches.get(other).is_some_and(|back| back.contains(*module)));
            circles.push(others.cloned().collect());
        }
    }
    circles
}

#[test]
fn the_domain_has_rows_apart_from_rules_and_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    rust_files(&root.join("src/domain"), &mut paths);
    let files: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    let graph = graph(&files);
    for room_name in ROOMS {
        println!("{room_name}:");
        for (module, named) in graph.iter().filter(|(module, _)| room(module) == room_name) {
            println!("  {module} -> {}", named.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
    }
    assert!(graph.len() > 30, "found only {} modules of the domain", graph.len());
    assert_eq!(steps_outwards(&graph), Vec::<String>::new());
    let circles: Vec<_> = circles(&graph).into_iter().filter(|circle| !is_allowed(circle)).collect();
    assert!(circles.is_empty(), "these name each other; move what they share into a file of its own: {circles:?}");
}

fn is_allowed(circle: &BTreeSet<String>) -> bool {
    circle.iter().all(|module| CIRCLES_ALLOWED.iter().any(|(allowed, _)| allowed == module))
}

#[test]
fn a_step_outwards_and_a_circle_are_found() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let graph = graph(&[
        file("src/domain/mod.rs", "pub mod sale;"),
        file("src/domain/sale.rs", "use super::set::WorkingSet;"),
        file("src/domain/lead.rs", "use super::sale::Sale;\nuse crate::domain::rule::sale::record;"),
        file("src/domain/set/mod.rs", "mod working_set;\npub use working_set::WorkingSet;"),
        file("src/domain/set/working_set.rs", "use super::lead::index;\nuse crate::domain::sale::Sale;"),
        file("src/domain/set/lead.rs", "use super::working_set::WorkingSet;"),
        file("src/domain/rule/sale.rs", "use super::refund::apply;\nuse crate::domain::set::WorkingSet;"),
        file("src/domain/rule/refund.rs", "fn f() { super::lead::g(); }"),
        file("src/domain/rule/lead.rs", "use super::sale;\n#[cfg(test)]\nmod tests { use crate::domain::rule::lead; }"),
    ]);
    assert_eq!(steps_outwards(&graph), ["lead names rule::sale", "sale names set"]);
    let names: Vec<String> = circles(&graph).iter().map(|circle| Vec::from_iter(circle.clone()).join(" ")).collect();
    assert_eq!(names, ["rule::lead rule::refund rule::sale", "set::lead set::working_set"]);
}
