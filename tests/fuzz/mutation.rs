//! Valid messages, made invalid a little: so that what is tried gets past the first check.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::hostile::{hostile, raw};

/// The bytes of a message.
#[derive(Clone)]
pub(crate) struct Input(pub Vec<u8>);

/// As text, to be read when it has broken something.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// One of `seeds`, each a JSON text, with a few changes.
pub(crate) fn mutated(seeds: Vec<String>) -> impl Strategy<Value = Input> {
    let one = || (any::<Index>(), edit());
    let edits = prop_oneof![1 => Just(Vec::new()), 6 => vec(one(), 1), 2 => vec(one(), 2..5)];
    let bytes = prop_oneof![7 => Just(Vec::new()), 1 => vec((any::<Index>(), bytes()), 1..4)];
    (any::<Index>(), any::<Index>(), edits, bytes).prop_map(move |(seed, other, edits, bytes)| {
        let (seed, other) = (seed.get(&seeds), other.get(&seeds));
        let text = edited(serde_json::from_str(seed).unwrap(), &serde_json::from_str(other).unwrap(), edits);
        Input(bytes.into_iter().fold(text.into_bytes(), |text, (at, bytes)| bytes.of(text, at, other)))
    })
}

/// A change of one value or field.
#[derive(Debug, Clone)]
enum Edit {
    /// This JSON in its place, whether it is any or not.
    Raw(String),
    /// This text in the place of another.
    Text(String),
    /// The value gone, with its field.
    Gone,
    /// Its field twice, the second time with this JSON.
    Twice(String),
    /// Its field under another name.
    Renamed(String),
    /// What stands somewhere else, perhaps in another message.
    Moved(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => raw().prop_map(Edit::Raw),
        9 => hostile().prop_map(Edit::Text),
        1 => Just(Edit::Gone),
        1 => raw().prop_map(Edit::Twice),
        2 => hostile().prop_map(Edit::Renamed),
        2 => any::<Index>().prop_map(Edit::Moved),
    ]
}

/// Where the value that is changed stood: no message has this character.
const HERE: char = '\u{f8ff}';

fn edited(mut value: Value, other: &Value, edits: Vec<(Index, Edit)>) -> String {
    let mut raw = Vec::new();
    for (at, edit) in edits {
        let places = places(&value);
        let place = at.get(&places).clone();
        let here = format!("{HERE}{}{HERE}", raw.len());
        match edit {
            Edit::Raw(json) => {
                *value.pointer_mut(&place).unwrap() = here.into();
                raw.push(json);
            }
            Edit::Moved(from) => {
                let from = from.get(&self::places(other)).clone();
                *value.pointer_mut(&place).unwrap() = other.pointer(&from).unwrap().clone();
            }
            Edit::Text(text) => {
                let texts: Vec<&String> =
                    places.iter().filter(|place| value.pointer(place).unwrap().is_string()).collect();
                let place = if texts.is_empty() { place } else { at.get(&texts).to_string() };
                *value.pointer_mut(&place).unwrap() = text.into();
            }
            Edit::Gone => drop(taken(&mut value, &place)),
            Edit::Renamed(name) => {
                if let (Some(found), Some((parent, _))) = (taken(&mut value, &place), place.rsplit_once('/'))
                    && let Some(Value::Object(fields)) = value.pointer_mut(parent)
                {
                    fields.insert(name, found);
                }
            }
            Edit::Twice(json) => {
                let Some((_, name)) = place.rsplit_once('/') else { continue };
                let name = Value::from(name.replace("~1", "/").replace("~0", "~"));
                let found = std::mem::replace(value.pointer_mut(&place).unwrap(), here.into());
                raw.push(format!("{found},{name}:{json}"));
            }
        }
    }
    // The last first: an earlier one may stand within it.
    raw.iter()
        .enumerate()
        .rev()
        .fold(value.to_string(), |text, (number, json)| text.replace(&format!("\"{HERE}{number}{HERE}\""), json))
}

/// Takes the value at `place` out of the object or list that it stands in.
fn taken(value: &mut Value, place: &str) -> Option<Value> {
    let (parent, name) = place.rsplit_once('/')?;
    match value.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&name.replace("~1", "/").replace("~0", "~")),
        Value::Array(items) => Some(items.remove(name.parse().ok()?)),
        _ => None,
    }
}

/// The JSON pointer of each value.
fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut add = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        found.extend(places(value).into_iter().map(|place| format!("/{name}{place}")));
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| add(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| add(&index.to_string(), item)),
        _ => {}
    }
    found
}

/// A change of bytes.
#[derive(Debug, Clone)]
enum Bytes {
    Flip(u8),
    Put(Vec<u8>),
    Cut(Index),
    End,
    Double(Index),
    /// From here on another message.
    Splice(Index),
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => (0_u8..8).prop_map(Bytes::Flip),
        2 => vec(any::<u8>(), 1..9).prop_map(Bytes::Put),
        2 => any::<Index>().prop_map(Bytes::Cut),
        1 => Just(Bytes::End),
        1 => any::<Index>().prop_map(Bytes::Double),
        1 => any::<Index>().prop_map(Bytes::Splice),
    ]
}

impl Bytes {
    fn of(self, mut text: Vec<u8>, at: Index, other: &str) -> Vec<u8> {
        if text.is_empty() {
            return text;
        }
        let at = at.index(text.len());
        // A few bytes more often than half of all.
        let end = |index: Index| at + index.index((text.len() - at).min(16));
        match self {
            Self::Flip(bit) => text[at] ^= 1 << bit,
            Self::Put(bytes) => drop(text.splice(at..at, bytes)),
            Self::Cut(index) => drop(text.drain(at..end(index))),
            Self::End => text.truncate(at),
            Self::Double(index) => {
                let part = text[at..end(index)].to_vec();
                drop(text.splice(at..at, part));
            }
            Self::Splice(index) => {
                text.truncate(at);
                text.extend(&other.as_bytes()[index.index(other.len())..]);
            }
        }
        text
    }
}
