//! Resources of one kind in one Region, of all accounts: by id, filtered, page by page.
//!
//! Who may see a row, and most filters, are answered by an index, so that a page costs what it returns. Rows keep
//! the order in which they came; EC2 promises none.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use roaring::RoaringBitmap;

use crate::answer::Refusal;
use crate::filter::Filter;
use crate::text::{Tags, Text};
use crate::world::settings::Paging;

/// A resource that EC2 lists.
pub trait Resource: Clone {
    /// The filters that are looked up and not searched for, besides tags. [`Resource::values`] knows them all.
    const INDEXED: &'static [&'static str];
    /// Whether others than its owner may see one. Of what cannot be shared, another's is as good as none.
    const IS_SHARED: bool = false;
    /// What every resource has.
    fn head(&self) -> Head<'_>;
    /// The values that a filter with this name looks at, or `None` where there is no such filter. `tag:…` and
    /// `tag-key` are seen to already.
    fn values(&self, filter: &str, now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>>;
}

/// What every resource has.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Its id.
    pub id: &'a Text,
    /// The owner's account.
    pub owner: &'a Text,
    /// Its tags.
    pub tags: &'a Tags,
}

/// Resources with an index of their tags and of what [`Resource::INDEXED`] names.
#[derive(Debug)]
pub struct Table<T> {
    rows: BTreeMap<u32, Row<T>>,
    living: HashMap<Text, u32>,
    owned: HashMap<Text, u64>,
    index: HashMap<u64, RoaringBitmap>,
    dead: VecDeque<u32>,
    next: u32,
}

#[derive(Debug)]
struct Row<T> {
    resource: Arc<T>,
    born: DateTime<Utc>,
    died: Option<DateTime<Utc>>,
}

/// What a caller sees: the table as it was `lag` ago, as far as coming and going are concerned.
/// <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eye {
    pub now: DateTime<Utc>,
    pub lag: TimeDelta,
}

/// A page that is asked for.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    /// Lists of index entries: a row must have one of each list to be seen at all.
    pub scopes: &'a [&'a [(&'static str, &'a str)]],
    /// Ids, of which a row must have one, if there are any.
    pub ids: &'a [&'a str],
    pub filters: &'a [Filter],
    pub size: Option<usize>,
    pub token: Option<&'a str>,
    pub eye: Eye,
    pub paging: &'a Paging,
}

/// A page, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub rows: Vec<Arc<T>>,
    pub next_token: Option<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            living: HashMap::new(),
            owned: HashMap::new(),
            index: HashMap::new(),
            dead: VecDeque::new(),
            next: 0,
        }
    }
}

impl<T: Resource> Table<T> {
    /// Adds a resource that came into being at `born`.
    pub fn insert(&mut self, resource: T, born: DateTime<Utc>) {
        let number = self.next;
        self.next += 1;
        for key in index_keys(&resource, born) {
            self.index.entry(key).or_default().insert(number);
        }
        self.living.insert(Arc::clone(resource.head().id), number);
        *self.owned.entry(Arc::clone(resource.head().owner)).or_default() += 1;
        self.rows.insert(number, Row { resource: Arc::new(resource), born, died: None });
    }

    /// Takes a resource away. It stays in sight of those who lag behind until [`Table::forget`].
    pub fn remove(&mut self, id: &str, now: DateTime<Utc>) -> Option<Arc<T>> {
        let number = self.living.remove(id)?;
        let row = self.rows.get_mut(&number)?;
        row.died = Some(now);
        self.dead.push_back(number);
        if let Some(count) = self.owned.get_mut(row.resource.head().owner) {
            *count -= 1;
        }
        Some(Arc::clone(&row.resource))
    }

    /// Forgets what nobody can see any more: what went at or before `then`.
    pub fn forget(&mut self, then: DateTime<Utc>) {
        while let Some(number) = self.dead.front().copied() {
            if self.rows.get(&number).and_then(|row| row.died).is_some_and(|died| died > then) {
                break;
            }
            if let Some(row) = self.rows.remove(&number) {
                for key in index_keys(row.resource.as_ref(), row.born) {
                    self.index_out(key, number);
                }
            }
            self.dead.pop_front();
        }
    }

    /// The resource with this id.
    pub fn get(&self, id: &str) -> Option<&T> {
        let number = self.living.get(id)?;
        self.rows.get(number).map(|row| row.resource.as_ref())
    }

    /// Changes the resource with this id, and says whether there is one.
    pub fn change(&mut self, id: &str, change: impl FnOnce(&mut T)) -> bool {
        let Some((number, row)) = self.living.get(id).and_then(|number| Some((*number, self.rows.get_mut(number)?)))
        else {
            return false;
        };
        let before = index_keys(row.resource.as_ref(), row.born);
        change(Arc::make_mut(&mut row.resource));
        let after = index_keys(row.resource.as_ref(), row.born);
        for key in before.iter().filter(|key| !after.contains(key)) {
            self.index_out(*key, number);
        }
        for key in after.iter().filter(|key| !before.contains(key)) {
            self.index.entry(*key).or_default().insert(number);
        }
        true
    }

    /// The resource with this id, if the eye sees it.
    pub(crate) fn seen(&self, id: &str, eye: Eye) -> Option<&T> {
        let row = self.rows.get(&self.number_of(id)?)?;
        row.is_seen(eye).then_some(row.resource.as_ref())
    }

    fn number_of(&self, id: &str) -> Option<u32> {
        let is_it = |number: &u32| self.rows.get(number).is_some_and(|row| &**row.resource.head().id == id);
        self.living.get(id).copied().or_else(|| self.dead.iter().copied().find(is_it))
    }

    /// All resources, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.values().filter(|row| row.died.is_none()).map(|row| row.resource.as_ref())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.living.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.living.is_empty()
    }

    /// How many `account` owns.
    pub fn owned_by(&self, account: &str) -> u64 {
        self.owned.get(account).copied().unwrap_or_default()
    }

    /// How many are in all of these entries of the index, such as `("volume-id", …)` and `("status", "pending")`.
    pub(crate) fn count(&self, entries: &[(&str, &str)]) -> u64 {
        let postings: Option<Vec<&RoaringBitmap>> =
            entries.iter().map(|(name, value)| self.index.get(&index_key(name, value))).collect();
        match postings.as_deref() {
            None | Some([]) => 0,
            Some([one]) => one.len(),
            Some([one, other]) => one.intersection_len(other),
            Some([first, rest @ ..]) => rest.iter().fold((*first).clone(), |all, next| all & *next).len(),
        }
    }

    /// The resources in this entry of the index.
    pub(crate) fn lookup<'a>(&'a self, name: &str, value: &str) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let numbers = self.index.get(&index_key(name, value)).into_iter().flat_map(RoaringBitmap::iter);
        numbers.filter_map(|number| self.rows.get(&number).filter(|row| row.died.is_none())).map(|row| &*row.resource)
    }

    /// The page that `query` asks for.
    pub(crate) fn page(&self, query: &Query<'_>) -> Result<Page<T>, Refusal> {
        let from = query.token.map(|token| number_of_token(token, query)).transpose()?.unwrap_or_default();
        let (mut rows, mut missed) = (Vec::new(), 0);
        let most_missed = query.size.map_or(usize::MAX, |size| size.max(query.paging.examined));
        for (number, row) in self.candidates(query, from) {
            if query.size == Some(rows.len()) || missed == most_missed {
                return Ok(Page { rows, next_token: Some(token_of_number(number, query.eye.now)) });
            }
            match row.is_seen(query.eye) && matches_all(row.resource.as_ref(), query)? {
                true => rows.push(Arc::clone(&row.resource)),
                false => missed += 1,
            }
        }
        let is_full = query.size == Some(rows.len());
        let next_token = (is_full && query.paging.empty_last_page).then(|| token_of_number(self.next, query.eye.now));
        Ok(Page { rows, next_token })
    }

    /// The rows from `from` on that the index leaves.
    fn candidates<'a>(&'a self, query: &Query<'_>, from: u32) -> Box<dyn Iterator<Item = (u32, &'a Row<T>)> + 'a> {
        let ids = (!query.ids.is_empty())
            .then(|| query.ids.iter().filter_map(|id| self.number_of(id)).collect::<RoaringBitmap>());
        let filtered = query.filters.iter().filter_map(|filter| self.looked_up(filter));
        let found = ids.into_iter().chain(filtered).reduce(|all, next| all & next);
        // What an account may see is much, what a filter lets through often little: the little one comes first.
        let left = query.scopes.iter().fold(found, |left, scope| {
            let scope = scope.iter().filter_map(|(name, value)| self.index.get(&index_key(name, value)));
            Some(match left {
                Some(left) => scope.fold(RoaringBitmap::new(), |all, posting| all | (&left & posting)),
                None => scope.fold(RoaringBitmap::new(), |all, posting| all | posting),
            })
        });
        match left {
            Some(numbers) => Box::new(
                numbers.into_range(from..).filter_map(|number| self.rows.get(&number).map(|row| (number, row))),
            ),
            None => {
                Box::new(self.rows.range((Bound::Included(from), Bound::Unbounded)).map(|(number, row)| (*number, row)))
            }
        }
    }

    /// The rows that may match a filter, where the index knows: all that have the key if there is a wildcard.
    fn looked_up(&self, filter: &Filter) -> Option<RoaringBitmap> {
        let is_indexed =
            filter.name.starts_with("tag:") || filter.name == "tag-key" || T::INDEXED.contains(&filter.name.as_str());
        match (filter.literals().filter(|_| is_indexed), filter.name.strip_prefix("tag:")) {
            (Some(values), _) => Some(self.union(values.iter().map(|value| (filter.name.as_str(), value.as_str())))),
            (None, Some(key)) => Some(self.union([("tag-key", key)])),
            (None, None) => None,
        }
    }

    fn union<'a>(&self, entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for posting in entries.into_iter().filter_map(|(name, value)| self.index.get(&index_key(name, value))) {
            union |= posting;
        }
        union
    }

    fn index_out(&mut self, key: u64, number: u32) {
        if let Some(posting) = self.index.get_mut(&key) {
            posting.remove(number);
            if posting.is_empty() {
                self.index.remove(&key);
            }
        }
    }
}

impl<T> Row<T> {
    fn is_seen(&self, eye: Eye) -> bool {
        let then = eye.now - eye.lag;
        (self.born <= then || self.born == DateTime::<Utc>::MIN_UTC) && self.died.is_none_or(|died| died > then)
    }
}

/// The index knows names and values by their hash: whoever looks something up compares once more.
fn index_key(name: &str, value: &str) -> u64 {
    match name.strip_prefix("tag:") {
        Some(key) => tag_key(key, value),
        None => hashed(&(name, value)),
    }
}

fn tag_key(key: &str, value: &str) -> u64 {
    hashed(&("tag:", key, value))
}

fn hashed(words: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

fn index_keys<T: Resource>(resource: &T, now: DateTime<Utc>) -> Vec<u64> {
    let mut keys = Vec::with_capacity(2 * resource.head().tags.len() + T::INDEXED.len());
    for (key, value) in resource.head().tags {
        keys.extend([tag_key(key, value), index_key("tag-key", key)]);
    }
    for name in T::INDEXED {
        keys.extend(resource.values(name, now).into_iter().flatten().map(|value| index_key(name, &value)));
    }
    keys
}

fn matches_all<T: Resource>(resource: &T, query: &Query<'_>) -> Result<bool, Refusal> {
    for filter in query.filters {
        let matches = if let Some(key) = filter.name.strip_prefix("tag:") {
            filter.matches(resource.head().tags.get(key).map(|value| &**value))
        } else if filter.name == "tag-key" {
            filter.matches(resource.head().tags.keys().map(|key| &**key))
        } else {
            let values = resource.values(&filter.name, query.eye.now).ok_or_else(|| unknown_filter(&filter.name))?;
            filter.matches(values.iter().map(Cow::as_ref))
        };
        if !matches {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn unknown_filter(name: &str) -> Refusal {
    Refusal::client("InvalidParameterValue", format!("The filter '{name}' is invalid"))
}

/// A token says with which row the next page begins, so that what comes and goes between two pages shows in them
/// just as it does in EC2, and when it was given. It is opaque, and a forged one is not taken.
fn token_of_number(number: u32, now: DateTime<Utc>) -> String {
    let issued = now.timestamp();
    format!("{number:08x}{issued:016x}{:016x}", seal(number, issued))
}

fn number_of_token(token: &str, query: &Query<'_>) -> Result<u32, Refusal> {
    let part = |range: std::ops::Range<usize>| token.get(range).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let read = || {
        let (number, issued, sealed) = (part(0..8)?, part(8..24)?, part(24..40)?);
        let (number, issued) = (u32::try_from(number).ok()?, issued.cast_signed());
        (sealed == seal(number, issued) && token.len() == 40).then_some((number, issued))
    };
    let fresh = read().filter(|(_, issued)| {
        query.eye.now.timestamp().saturating_sub(*issued) <= query.paging.token_lifetime.num_seconds()
    });
    fresh.map(|(number, _)| number).ok_or_else(|| {
        Refusal::client("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")
    })
}

fn seal(number: u32, issued: i64) -> u64 {
    index_key(&number.to_string(), &issued.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{tags, text};
    use std::collections::BTreeSet;

    #[derive(Debug, Clone)]
    struct Thing {
        id: Text,
        owner: Text,
        tags: Tags,
        colour: &'static str,
    }

    impl Resource for Thing {
        const INDEXED: &'static [&'static str] = &["owner-id", "colour"];
        fn head(&self) -> Head<'_> {
            Head { id: &self.id, owner: &self.owner, tags: &self.tags }
        }
        fn values(&self, filter: &str, _now: DateTime<Utc>) -> Option<Vec<Cow<'_, str>>> {
            Some(match filter {
                "id" => vec![Cow::Borrowed(&*self.id)],
                "owner-id" => vec![Cow::Borrowed(&*self.owner)],
                "colour" => vec![Cow::Borrowed(self.colour)],
                _ => return None,
            })
        }
    }

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn table() -> Table<Thing> {
        let mut table = Table::default();
        for number in 0..23 {
            let (parity, colour) = if number % 2 == 0 { ("even", "blue") } else { ("odd", "red") };
            let (id, tags) = (text(&format!("r-{number:02}")), tags(&[("parity", parity)]));
            table.insert(Thing { id, owner: text("me"), tags, colour }, NOW);
        }
        table
    }

    fn query<'a>(filters: &'a [Filter], size: Option<usize>, token: Option<&'a str>, paging: &'a Paging) -> Query<'a> {
        let eye = Eye { now: NOW, lag: TimeDelta::zero() };
        Query { scopes: &[&[("owner-id", "me")]], ids: &[], filters, size, token, eye, paging }
    }

    fn walk(table: &Table<Thing>, filters: &[Filter], size: usize, paging: &Paging) -> Vec<usize> {
        let (mut token, mut sizes, mut seen) = (None::<String>, vec![], BTreeSet::new());
        loop {
            let page = table.page(&query(filters, Some(size), token.as_deref(), paging)).unwrap();
            sizes.push(page.rows.len());
            seen.extend(page.rows.iter().map(|row| row.id.clone()));
            token = page.next_token;
            if token.is_none() {
                assert_eq!(seen.len(), sizes.iter().sum::<usize>(), "no row twice");
                return sizes;
            }
        }
    }

    fn filter(name: &str, value: &str) -> [Filter; 1] {
        [Filter::new(name, vec![value.into()])]
    }

    #[test]
    fn pages_give_every_row_once() {
        let (table, paging) = (table(), Paging::default());
        let check = |filters: &[Filter], size, expected: &[usize]| {
            assert_eq!(walk(&table, filters, size, &paging), expected, "{filters:?}");
        };
        check(&[], 10, &[10, 10, 3]);
        check(&filter("tag:parity", "odd"), 5, &[5, 5, 1]);
        check(&filter("tag:parity", "o*"), 5, &[5, 5, 1]);
        check(&filter("tag-key", "parity"), 23, &[23]);
        check(&filter("colour", "red"), 6, &[6, 5]);
        check(&filter("id", "r-1?"), 100, &[10]);
        check(&filter("tag:parity", "none"), 5, &[0]);
    }

    #[test]
    fn pages_may_be_short_and_the_last_one_empty() {
        let table = table();
        let paging = Paging { examined: 1, empty_last_page: true, ..Paging::default() };
        assert_eq!(walk(&table, &filter("id", "r-2*"), 5, &paging), [0, 0, 0, 0, 3]);
        assert_eq!(walk(&table, &filter("colour", "blue"), 6, &paging), [6, 6, 0]);
    }

    #[test]
    fn what_went_or_changed_is_not_found_by_what_it_was() {
        let (mut table, paging) = (table(), Paging::default());
        table.remove("r-01", NOW);
        table.change("r-03", |thing| thing.tags = tags(&[("parity", "none")]));
        table.forget(NOW);
        assert_eq!(walk(&table, &filter("tag:parity", "odd"), 100, &paging), [9]);
        assert_eq!(walk(&table, &filter("tag:parity", "none"), 100, &paging), [1]);
        assert_eq!(table.count(&[("colour", "red"), ("tag:parity", "odd")]), 9);
        assert_eq!((table.len(), table.owned_by("me")), (22, 22));
    }

    #[test]
    fn who_lags_behind_sees_what_went_and_not_what_came() {
        let (mut table, paging) = (table(), Paging::default());
        let later = NOW + TimeDelta::seconds(10);
        table.remove("r-01", later);
        let new = Thing { id: text("r-99"), owner: text("me"), tags: Tags::new(), colour: "green" };
        table.insert(new, later);
        let ids = |lag| {
            let eye = Eye { now: later, lag: TimeDelta::seconds(lag) };
            let page = table.page(&Query { eye, ..query(&[], None, None, &paging) }).unwrap();
            let ids: BTreeSet<String> = page.rows.iter().map(|row| row.id.to_string()).collect();
            (ids.contains("r-01"), ids.contains("r-99"))
        };
        assert_eq!(ids(0), (false, true));
        assert_eq!(ids(5), (true, false));
    }

    #[test]
    fn unknown_filters_and_tokens_are_refused() {
        let (table, paging) = (table(), Paging::default());
        let code = |filters: &[Filter], token| table.page(&query(filters, None, token, &paging)).unwrap_err().code;
        assert_eq!(code(&filter("size", "1"), None), "InvalidParameterValue");
        let forged = format!("{:08x}{:016x}{:016x}", 7, 0, 0);
        for token in ["", "x", "zz", "7", "ffff", "é", &forged] {
            assert_eq!(code(&[], Some(token)), "InvalidPaginationToken", "{token}");
        }
        let old = token_of_number(3, NOW - TimeDelta::days(2));
        assert_eq!(code(&[], Some(&old)), "InvalidPaginationToken", "expired");
    }
}
