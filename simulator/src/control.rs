//! How the simulator itself is spoken to, over HTTP: every path begins with `/_simulator/`. See the README.

use serde::Serialize;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::scenario::{ClockPlan, Scenario, merged};
use crate::world::World;

/// The most calls that one answer of the history holds.
const HISTORY_PAGE: usize = 10_000;

/// What a control request answers: an HTTP status and JSON.
pub(crate) type Answer = (u16, String);

/// Answers `method` on `path`, without its prefix.
pub(crate) fn answer(world: &World, method: &str, path: &str, query: &str, body: &[u8]) -> Answer {
    let param = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let body = String::from_utf8_lossy(body);
    match (method, path) {
        ("POST", "scenario") => done(Scenario::read(&body).and_then(|scenario| scenario.build(world))),
        ("GET", "settings") => ok(&*world.settings()),
        ("POST", "settings") => done(read(&body).and_then(|changes: Value| {
            let settings = merged(&world.settings(), &changes)?;
            world.set(|current| *current = settings);
            Ok(())
        })),
        ("GET", "faults") => ok(&world.faults().list().collect::<Vec<_>>()),
        ("POST", "faults") => done(read(&body).map(|fault: Fault| world.faults().set(fault))),
        ("DELETE", "faults") => {
            world.faults().clear();
            done(Ok(()))
        }
        ("GET", "clock") => ok(&json!({"now": world.clock.now()})),
        ("POST", "clock") => match read(&body).and_then(|plan: ClockPlan| plan.apply(world)) {
            Err(error) => done(Err(error)),
            Ok(()) => ok(&json!({"now": world.clock.now()})),
        },
        ("GET", "counters") => match param("by").as_deref() {
            None => ok(&world.history().by_action()),
            Some("region") => ok(&world.history().lines(false)),
            Some("second") => ok(&world.history().lines(true)),
            Some(other) => done(Err(format!("by is {other}; allowed: region and second"))),
        },
        ("GET", "history") => match param("from").unwrap_or("0".into()).parse::<usize>() {
            Err(_) => done(Err("from; allowed: the number of a call".into())),
            Ok(from) => {
                let history = world.history();
                let calls = history.calls_from(from);
                ok(&calls[..calls.len().min(HISTORY_PAGE)])
            }
        },
        ("POST", "reset") => {
            world.reset();
            done(Ok(()))
        }
        _ => (404, json!({"error": format!("{method} {path}; see the simulator's README")}).to_string()),
    }
}

fn read<T: for<'de> serde::Deserialize<'de>>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}

fn ok(value: &(impl Serialize + ?Sized)) -> Answer {
    match serde_json::to_string_pretty(value) {
        Ok(json) => (200, json),
        Err(error) => (500, json!({"error": error.to_string()}).to_string()),
    }
}

fn done(result: Result<(), String>) -> Answer {
    match result {
        Ok(()) => (200, json!({"done": true}).to_string()),
        Err(error) => (400, json!({"error": error}).to_string()),
    }
}
