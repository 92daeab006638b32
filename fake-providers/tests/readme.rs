//! The commands in README.md do what it says.

use std::process::Command;

/// All lines between "```sh" and "```".
fn commands(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::from("set -eu\n");
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                kept.push_str(line);
                kept.push('\n');
            }
            _ => {}
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("curl is not installed: the commands of README.md are not tested");
        return;
    }
    let fakes = fake_providers::start(fake_providers::Settings::standing()).await.unwrap();
    let script = commands(include_str!("../README.md"));
    let address = format!("http://{}", fakes.address());
    let run = move || Command::new("sh").arg("-c").arg(script).env("FAKE", address).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("no answer"), "{told}");
    assert!(told.contains("USER_BUSINESS_ERROR"), "{told}");
    for paid in [("1234", "USD"), ("2500", "USD"), ("10000", "EUR")] {
        let wanted = format!(r#""amount_minor":{},"currency":"{}","object_count":1"#, paid.0, paid.1);
        assert!(told.contains(&wanted), "{wanted} is not in {told}");
    }
}
