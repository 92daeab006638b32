//! The control of the fakes, below `/fake/`: the books, the clock, the faults, the webhooks. Not a part of any provider.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exchange::Answer;
use crate::faults::Rule;
use crate::hooks::Delivering;
use crate::serve::App;
use crate::world::World;
use crate::{clock, paypal, stripe, wise};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

/// Carries out one call of the control.
pub(crate) fn answer(app: &App, method: &str, path: &str, query: &[(String, String)], body: &[u8]) -> Answer {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let flushed = (method, segments.as_slice()) == ("POST", &["webhooks", "flush"][..]);
    if flushed {
        let ready = app.world().common.hooks.take_all();
        let count = ready.len();
        for delivery in ready {
            // If the channel is closed, the program ends.
            let _ = app.outbox.send(delivery);
        }
        return Answer::json(200, &json!({"flushed": count}));
    }
    let mut world = app.world();
    world.settle();
    let query = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let answered = match segments.as_slice() {
        ["ledger", rest @ ..] => books(&world, method, rest, &query),
        ["paypal", rest @ ..] => {
            let World { common, paypal, .. } = &mut *world;
            paypal::control::answer(paypal, common, method, rest, body)
        }
        ["stripe", rest @ ..] => {
            let World { common, stripe, .. } = &mut *world;
            stripe::control::answer(stripe, common, method, rest, body)
        }
        ["wise", rest @ ..] => {
            let World { common, wise, .. } = &mut *world;
            wise::control::answer(wise, common, method, rest, body)
        }
        rest => general(&mut world, method, rest, body),
    };
    answered.unwrap_or_else(|answer| answer)
}

fn books<'a>(
    world: &World,
    method: &str,
    path: &[&str],
    query: &impl Fn(&str) -> Option<&'a str>,
) -> Result<Answer, Answer> {
    let ledger = &world.common.ledger;
    let body = match (method, path) {
        ("GET", ["received"]) => ledger.received(query("provider"), query("receiver")),
        ("GET", ["balances"]) => ledger.all_balances(),
        ("GET", ["entries"]) => ledger.all_entries(),
        _ => return Err(Answer::empty(404)),
    };
    Ok(Answer::json(200, &body))
}

fn general(world: &mut World, method: &str, path: &[&str], body: &[u8]) -> Result<Answer, Answer> {
    let body = match (method, path) {
        ("GET", ["clock"]) => json!({"now": clock::text(world.common.clock.now_ms())}),
        ("POST", ["clock"]) => {
            let Advance { advance_seconds } = read(body)?;
            world.common.clock.advance(advance_seconds.saturating_mul(1000));
            world.settle();
            json!({"now": clock::text(world.common.clock.now_ms())})
        }
        ("POST", ["faults"]) => {
            let rule: Rule = read(body)?;
            json!({"id": world.faults.add(rule)})
        }
        ("GET", ["faults"]) => world.faults.list(),
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            json!({})
        }
        ("GET", ["requests"]) => world.requests(),
        ("GET", ["requests", "count"]) => json!({"count": world.request_count()}),
        ("POST", ["webhooks"]) => {
            let delivering: Delivering = merge(&world.common.hooks.delivering, body)?;
            world.common.hooks.delivering = delivering;
            json!(world.common.hooks.delivering)
        }
        ("GET", ["webhooks"]) => world.common.hooks.log(),
        ("POST", ["reset"]) => {
            world.reset();
            json!({})
        }
        _ => return Err(Answer::empty(404)),
    };
    Ok(Answer::json(200, &body))
}

/// The body of a call of the control, or the refusal that says what is wrong with it.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    serde_json::from_slice(body).map_err(|error| Answer::json(400, &json!({"error": error.to_string()})))
}

/// Settings, of which the body changes some.
pub(crate) fn merge<T: Serialize + DeserializeOwned>(settings: &T, body: &[u8]) -> Result<T, Answer> {
    let wrong = |error: serde_json::Error| Answer::json(400, &json!({"error": error.to_string()}));
    let changes: serde_json::Map<String, Value> = read(body)?;
    let mut merged = serde_json::to_value(settings).map_err(wrong)?;
    for (name, value) in changes {
        merged[name] = value;
    }
    serde_json::from_value(merged).map_err(wrong)
}
