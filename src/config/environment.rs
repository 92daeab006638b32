//! Finds environment variables that look like settings and are none. Knows which other `HEADWATER_...` variables there are.

use super::similar::most_similar;

/// The beginning of the names of all our variables.
const PREFIX: &str = "HEADWATER_";

/// Variables of the tests, the clients and the tools of this repository. The server ignores them without a word, because people
/// export them in the shell that they also start the server in. The names that begin with one of [`TOOL_PREFIXES`] are not listed.
const TOOLS: [&str; 13] = [
    "HEADWATER_ADDRESS",
    "HEADWATER_BINARY",
    "HEADWATER_KEY",
    "HEADWATER_OPERATOR_KEY",
    "HEADWATER_PAYOUTS",
    "HEADWATER_CASES_FACTOR",
    "HEADWATER_STATEMENT_LINES",
    "HEADWATER_PLANTED_DIR",
    "HEADWATER_PYTHON",
    "HEADWATER_RESTARTS",
    "HEADWATER_SALES",
    "HEADWATER_SALE_DELAY_MS",
    "HEADWATER_UPDATE_GOLDEN",
];
const TOOL_PREFIXES: [&str; 2] = ["HEADWATER_TEST_", "HEADWATER_REQUIRE_"];

/// An environment variable that is no setting, and so has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub similar: Option<String>,
}

/// The unknown ones of these variables, in alphabetical order.
pub(super) fn unknown(
    variables: impl IntoIterator<Item = (String, String)>,
    command: &clap::Command,
) -> Vec<UnknownVariable> {
    let known: Vec<&str> =
        command.get_arguments().filter_map(|argument| argument.get_env().and_then(|name| name.to_str())).collect();
    let mut unknown: Vec<UnknownVariable> = variables
        .into_iter()
        .filter(|(name, value)| {
            name.starts_with(PREFIX)
                && !known.contains(&name.as_str())
                && !is_of_a_tool(name)
                && !is_of_a_link(name, value)
        })
        .map(|(name, _)| {
            let similar = most_similar_variable(&name, &known);
            UnknownVariable { name, similar }
        })
        .collect();
    unknown.sort_by(|left, right| left.name.cmp(&right.name));
    unknown
}

/// Compares what follows the prefix, which all names share.
fn most_similar_variable(name: &str, known: &[&str]) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    let similar = most_similar(rest, known.iter().filter_map(|known| known.strip_prefix(PREFIX)))?;
    Some(format!("{PREFIX}{similar}"))
}

fn is_of_a_tool(name: &str) -> bool {
    TOOLS.contains(&name) || TOOL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether Kubernetes or Docker made the variable. They set some for each service, such as HEADWATER_SERVICE_HOST and
/// HEADWATER_PORT_50051_TCP for a service that is named headwater.
fn is_of_a_link(name: &str, value: &str) -> bool {
    let is_port_of_a_link = |(_, rest): (&str, &str)| {
        let protocol = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        rest != protocol && ["_TCP", "_UDP", "_SCTP"].iter().any(|known| protocol.starts_with(known))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split_once("_PORT_").is_some_and(is_port_of_a_link)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::config::CommandLine;

    fn unknown_of(variables: &[(&str, &str)]) -> Vec<UnknownVariable> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        unknown(variables, &CommandLine::command())
    }

    #[test]
    fn a_variable_that_is_no_setting_is_named_with_the_most_similar_one() {
        let found = unknown_of(&[
            ("HEADWATER_WHAT", "1"),
            ("HEADWATER_LISTEN_ADRESS", "0.0.0.0:1"),
            ("HEADWATER_LISTEN_ADDRESS", "127.0.0.1:1"),
            ("HEADWATER_CONFIG", "x"),
            ("HEADWATER_PORT", "50051"),
            ("PATH", "/bin"),
        ]);
        let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.similar.as_deref())).collect();
        let expected = [
            ("HEADWATER_LISTEN_ADRESS", Some("HEADWATER_LISTEN_ADDRESS")),
            ("HEADWATER_PORT", None),
            ("HEADWATER_WHAT", None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn variables_of_tools_and_of_service_links_are_left_alone() {
        let others = [
            ("HEADWATER_TEST_POSTGRES", "postgres://x"),
            ("HEADWATER_REQUIRE_POSTGRES", "1"),
            ("HEADWATER_OPERATOR_KEY", "hw_operator_x"),
            ("HEADWATER_SERVICE_HOST", "10.0.0.1"),
            ("HEADWATER_SERVICE_PORT_GRPC", "50051"),
            ("HEADWATER_PORT", "tcp://10.0.0.1:50051"),
            ("HEADWATER_PORT_50051_TCP_ADDR", "10.0.0.1"),
            ("HEADWATER_DB_PORT_5432_TCP", "tcp://10.0.0.2:5432"),
        ];
        assert_eq!(unknown_of(&others), []);
    }

    #[test]
    fn every_variable_of_this_repository_is_a_setting_or_one_of_a_tool() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = BTreeSet::new();
        for folder in [".ci", "clients", "docs", "stress", "testkit", "tests"] {
            add_names(&root.join(folder), &mut names);
        }
        assert!(names.contains("HEADWATER_TEST_POSTGRES"), "{names:?}");
        // `tests/it/start.rs` tests a mistake.
        names.remove("HEADWATER_LISTEN_ADRESS");
        let variables = names.into_iter().map(|name| (name, String::new()));
        assert_eq!(unknown(variables, &CommandLine::command()), []);
    }

    /// Adds the names that the folder's files have.
    fn add_names(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_ours = !["node_modules", "target", "build"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && is_ours {
                add_names(&path, names);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let is_in_name = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
                let words = text.split(|letter: char| !is_in_name(letter));
                // Documents name groups of variables too, such as `HEADWATER_TEST_...`.
                names.extend(words.filter(|word| word.starts_with(PREFIX) && !word.ends_with('_')).map(str::to_owned));
            }
        }
    }
}
