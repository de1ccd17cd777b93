//! Resources of one kind: by id, filtered, page by page.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::answer::Refusal;
use crate::filter::Filter;

/// A resource that EC2 lists.
pub trait Resource {
    /// Its id.
    fn id(&self) -> &str;
    /// Its tags.
    fn tags(&self) -> &BTreeMap<String, String>;
    /// The values that a filter with this name looks at, or `None` where EC2 has no such filter.
    /// `tag:…` and `tag-key` are seen to already.
    fn values(&self, filter: &str) -> Option<Vec<&str>>;
    /// The id of what it belongs to, which filters named [`Resource::PARENT`] look for often.
    fn parent(&self) -> &str {
        ""
    }
    /// The filter that looks for [`Resource::parent`].
    const PARENT: &'static str = "";
}

/// Resources in the order of their ids, with an index of their tags and parents.
#[derive(Debug)]
pub struct Table<T> {
    rows: BTreeMap<String, T>,
    index: HashMap<(String, String), BTreeSet<String>>,
}

/// A page, and where the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Page<T> {
    pub rows: Vec<T>,
    pub next_token: Option<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), index: HashMap::new() }
    }
}

impl<T: Resource> Table<T> {
    /// Adds a resource, or puts it in the place of the one with its id.
    pub fn insert(&mut self, row: T) {
        let id = String::from(row.id());
        self.remove(&id);
        for key in index_keys(&row) {
            self.index.entry(key).or_default().insert(id.clone());
        }
        self.rows.insert(id, row);
    }

    /// Takes a resource out.
    pub fn remove(&mut self, id: &str) -> Option<T> {
        let row = self.rows.remove(id)?;
        for key in index_keys(&row) {
            if let Some(ids) = self.index.get_mut(&key) {
                ids.remove(id);
            }
        }
        Some(row)
    }

    /// The resource with this id.
    pub fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id)
    }

    /// The resource with this id, to change what no index knows: neither its tags nor its parent.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(id)
    }

    /// All resources, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The page after `token` of what `filters` let through, each row seen through `view`.
    pub(crate) fn page<V>(
        &self,
        filters: &[Filter],
        size: Option<usize>,
        token: Option<&str>,
        view: impl Fn(&T) -> Option<V>,
    ) -> Result<Page<V>, Refusal> {
        let after = token.map(id_of_token).transpose()?;
        let mut rows = Vec::new();
        let mut last = None;
        for row in self.candidates(filters, after.as_deref()) {
            if !matches_all(row, filters)? {
                continue;
            }
            if size.is_some_and(|size| rows.len() == size) {
                return Ok(Page { rows, next_token: last.map(token_of_id) });
            }
            let Some(seen) = view(row) else { continue };
            rows.push(seen);
            last = Some(row.id());
        }
        Ok(Page { rows, next_token: None })
    }

    /// The rows after `after` that the index leaves: all of them where no filter can be looked up.
    fn candidates<'a>(&'a self, filters: &[Filter], after: Option<&'a str>) -> Box<dyn Iterator<Item = &'a T> + 'a> {
        let indexed = filters.iter().find_map(|filter| {
            let is_indexed = filter.name.starts_with("tag:") || (filter.name == T::PARENT && !T::PARENT.is_empty());
            let values = filter.literals().filter(|_| is_indexed)?;
            let ids = values.into_iter().filter_map(|value| self.index.get(&(filter.name.clone(), value)));
            Some(ids.flatten().map(String::as_str).collect::<BTreeSet<&str>>())
        });
        let is_after = move |id: &str| after.is_none_or(|after| id > after);
        match indexed {
            Some(ids) => Box::new(ids.into_iter().filter(move |id| is_after(id)).filter_map(|id| self.rows.get(id))),
            None => match after {
                None => Box::new(self.rows.values()),
                Some(after) => {
                    let bounds = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
                    Box::new(self.rows.range::<str, _>(bounds).map(|(_, row)| row))
                }
            },
        }
    }
}

fn index_keys<T: Resource>(row: &T) -> impl Iterator<Item = (String, String)> {
    let tags = row.tags().iter().map(|(key, value)| (format!("tag:{key}"), value.clone()));
    let parent = (!T::PARENT.is_empty()).then(|| (T::PARENT.into(), row.parent().into()));
    tags.chain(parent).collect::<Vec<_>>().into_iter()
}

fn matches_all<T: Resource>(row: &T, filters: &[Filter]) -> Result<bool, Refusal> {
    for filter in filters {
        let matches = if let Some(key) = filter.name.strip_prefix("tag:") {
            filter.matches(row.tags().get(key).map(String::as_str))
        } else if filter.name == "tag-key" {
            filter.matches(row.tags().keys().map(String::as_str))
        } else {
            let values = row.values(&filter.name).ok_or_else(|| {
                Refusal::client("InvalidParameterValue", format!("The filter '{}' is invalid", filter.name))
            })?;
            filter.matches(values)
        };
        if !matches {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A token says after which id the next page begins, so that what comes and goes between two pages shows in them
/// just as it does in EC2. It is opaque: written in hexadecimal digits.
fn token_of_id(id: &str) -> String {
    id.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn id_of_token(token: &str) -> Result<String, Refusal> {
    let digits: Vec<char> = token.chars().collect();
    let bytes = digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok());
    let id = bytes.collect::<Option<Vec<u8>>>().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = id.filter(|id| !id.is_empty() && digits.len().is_multiple_of(2));
    id.ok_or_else(|| {
        Refusal::client("InvalidPaginationToken", "The specified pagination token is not valid or is expired.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(String, BTreeMap<String, String>);

    impl Resource for Row {
        fn id(&self) -> &str {
            &self.0
        }
        fn tags(&self) -> &BTreeMap<String, String> {
            &self.1
        }
        fn values(&self, filter: &str) -> Option<Vec<&str>> {
            (filter == "id").then(|| vec![self.0.as_str()])
        }
    }

    fn table() -> Table<Row> {
        let mut table = Table::default();
        for number in 0..23 {
            let parity = if number % 2 == 0 { "even" } else { "odd" };
            table.insert(Row(format!("r-{number:02}"), [("parity".into(), parity.into())].into()));
        }
        table
    }

    fn walk(table: &Table<Row>, filters: &[Filter], size: usize) -> Vec<usize> {
        let (mut token, mut sizes, mut seen) = (None, vec![], BTreeSet::new());
        loop {
            let page = table.page(filters, Some(size), token.as_deref(), |row| Some(row.0.clone())).unwrap();
            sizes.push(page.rows.len());
            seen.extend(page.rows);
            token = page.next_token;
            if token.is_none() {
                assert_eq!(seen.len(), sizes.iter().sum::<usize>(), "no row twice");
                return sizes;
            }
        }
    }

    #[test]
    fn pages_give_every_row_once() {
        assert_eq!(walk(&table(), &[], 10), [10, 10, 3]);
        assert_eq!(walk(&table(), &[Filter::new("tag:parity", vec!["odd".into()])], 5), [5, 5, 1]);
        assert_eq!(walk(&table(), &[Filter::new("tag:parity", vec!["o*".into()])], 5), [5, 5, 1]);
        assert_eq!(walk(&table(), &[Filter::new("tag-key", vec!["parity".into()])], 23), [23]);
        assert_eq!(walk(&table(), &[Filter::new("id", vec!["r-1?".into()])], 100), [10]);
        assert_eq!(walk(&table(), &[Filter::new("tag:parity", vec!["none".into()])], 5), [0]);
    }

    #[test]
    fn a_row_that_went_is_not_found_by_its_tag() {
        let mut table = table();
        table.remove("r-01");
        assert_eq!(walk(&table, &[Filter::new("tag:parity", vec!["odd".into()])], 100), [10]);
    }

    #[test]
    fn unknown_filters_and_tokens_are_refused() {
        let table = table();
        let code = |filters: &[Filter], token| table.page(filters, None, token, |_| Some(())).unwrap_err().code;
        assert_eq!(code(&[Filter::new("colour", vec!["blue".into()])], None), "InvalidParameterValue");
        for token in ["", "x", "zz", "7", "ffff", "é"] {
            assert_eq!(code(&[], Some(token)), "InvalidPaginationToken", "{token}");
        }
    }
}
