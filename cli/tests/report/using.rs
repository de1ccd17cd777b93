//! It can be used: with the mouse, and without.

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::fleet::fleet;
use crate::opening::opened;

fn open(volumes: usize) -> Browser {
    let mut browser = Browser::start();
    opened(&mut browser, &fleet(volumes));
    browser
}

fn count(browser: &mut Browser) -> String {
    browser.js("document.querySelector('.count').textContent").as_str().unwrap().into()
}

/// Chooses in a field as a person would: its value, and the event that comes with it.
fn choose(browser: &mut Browser, label: &str, text: &str) {
    let script = format!(
        "(() => {{ const label = [...document.querySelectorAll('.filters label')].find((one) => one.textContent.startsWith({label})); \
         const field = label.querySelector('select'); \
         field.value = [...field.options].find((one) => one.text === {text}).value; \
         field.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()",
        label = json!(label),
        text = json!(text)
    );
    browser.js(&script);
    browser.settle();
}

/// The names of the volumes that are in the document.
fn volumes(browser: &mut Browser) -> Vec<String> {
    let names = browser.js("[...document.querySelectorAll('.leaf .name')].map((name) => name.textContent)");
    names.as_array().unwrap().iter().map(|name| name.as_str().unwrap().into()).collect()
}

#[test]
fn the_filters_narrow_the_calendar_and_each_other() {
    let mut browser = open(5000);
    let all = count(&mut browser);
    choose(&mut browser, "Region", "eu-central-1");
    assert_eq!(count(&mut browser), format!("1,110 of {all}"));
    choose(&mut browser, "Policy", "weekly");
    assert_eq!(count(&mut browser), format!("110 of {all}"));
    choose(&mut browser, "Account", "210987654321");
    assert_eq!(count(&mut browser), format!("55 of {all}"));
    choose(&mut browser, "Verdict today", "uncovered");
    let uncovered = volumes(&mut browser);
    assert!(!uncovered.is_empty() && uncovered.len() < 10, "{uncovered:?}");
    browser.click(".buttons button:last-child");
    assert_eq!(count(&mut browser), all);
}

#[test]
fn a_search_finds_names_volumes_and_instances() {
    let mut browser = open(5000);
    let wanted = fleet(5000).groups[1].volumes[17].clone();
    for text in [wanted.id.clone(), wanted.instance.to_uppercase()] {
        browser.click("#search");
        browser.js("document.getElementById('search').value = ''");
        browser.call("Input.insertText", json!({"text": text}));
        browser.js("new Promise((done) => setTimeout(() => done(true), 300))");
        let found = volumes(&mut browser);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with(&wanted.id));
    }
    browser.js("document.getElementById('search').value = ''");
    browser.call("Input.insertText", json!({"text": "db-primary 1"}));
    browser.js("new Promise((done) => setTimeout(() => done(true), 300))");
    assert!(count(&mut browser).contains(" of 4,995 volumes"));
    browser.call("Input.insertText", json!({"text": " no such volume"}));
    browser.js("new Promise((done) => setTimeout(() => done(true), 300))");
    assert_eq!(count(&mut browser), "0 of 4,995 volumes");
    assert_eq!(browser.js("document.querySelector('.empty').textContent"), "No volume is like that.");
}

#[test]
fn a_figure_at_the_top_shows_which_volumes_it_is_of() {
    let mut browser = open(5000);
    let chip =
        "[...document.querySelectorAll('.chips button')].findIndex((one) => one.textContent.includes('never')) + 1";
    let number = browser.js(chip);
    let figure = browser.js(&format!("document.querySelector('.chips button:nth-child({number}) b').textContent"));
    browser.click(&format!(".chips button:nth-child({number})"));
    assert_eq!(count(&mut browser), format!("{} of 4,995 volumes", figure.as_str().unwrap()));
    assert_eq!(browser.js("document.activeElement.id"), "calendar");
}

/// Where the focus is: the row's number, the column's, and what is read aloud.
fn focus(browser: &mut Browser) -> (u64, u64, String) {
    let script = "(() => { const it = document.activeElement; \
         return [it.parentElement.ariaRowIndex, it.getAttribute('aria-colindex'), it.ariaLabel ?? it.textContent]; })()";
    let found = browser.js(script);
    let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
    (number(&found[0]), number(&found[1]), found[2].as_str().unwrap_or_default().into())
}

fn rows(browser: &mut Browser) -> u64 {
    browser.js("Number(document.querySelector('[role=treegrid]').ariaRowCount)").as_u64().unwrap()
}

#[test]
fn the_calendar_can_be_walked_through_with_the_keyboard_alone() {
    let mut browser = open(5000);
    browser.js("document.querySelector('.buttons button:last-child').focus()");
    browser.press("Tab");
    assert_eq!(focus(&mut browser), (2, 1, "daily, 4,500 volumes".into()));
    browser.press("ArrowDown");
    assert_eq!(focus(&mut browser), (3, 1, "ap-southeast-2, account 123456789012, 500 volumes".into()));

    // To the right a closed group opens, and then the days come.
    let closed = rows(&mut browser);
    browser.press("ArrowRight");
    let open = rows(&mut browser);
    assert!(open > closed, "{open} rows after {closed}");
    assert_eq!(browser.js("document.activeElement.parentElement.ariaExpanded"), "true");
    browser.press("ArrowRight");
    browser.press("ArrowRight");
    let (_, column, words) = focus(&mut browser);
    assert_eq!(column, 3);
    assert!(words.starts_with("30 Oct: "), "{words}");
    browser.press("End");
    assert!(focus(&mut browser).2.starts_with("today: "));
    browser.press("Home");
    assert_eq!(focus(&mut browser).1, 1);

    // To the left an open group closes, and from within one goes to its head.
    browser.press("ArrowDown");
    browser.press("ArrowLeft");
    assert_eq!(focus(&mut browser).0, 3);
    browser.press("ArrowLeft");
    assert_eq!(rows(&mut browser), closed);
    browser.press("Enter");
    assert_eq!(rows(&mut browser), open);
    browser.press("ArrowUp");
    assert_eq!(focus(&mut browser).0, 2);
}

#[test]
fn the_focus_goes_where_thousands_of_rows_end_and_stays_when_they_are_scrolled_away() {
    let mut browser = open(5000);
    browser.click(".buttons button:first-child");
    browser.js("document.querySelector('.buttons button:last-child').focus()");
    browser.press("Tab");
    browser.press("Control+End");
    let last = rows(&mut browser);
    assert_eq!(focus(&mut browser).0, last);
    let in_sight = "(() => { const it = document.activeElement.getBoundingClientRect(); \
         const grid = document.querySelector('[role=treegrid]').getBoundingClientRect(); \
         return it.bottom <= grid.bottom + 1 && it.top >= grid.top; })()";
    assert_eq!(browser.js(in_sight), true);
    browser.js("document.querySelector('[role=treegrid]').scrollTop = 0");
    browser.settle();
    assert_eq!(focus(&mut browser).0, last, "the focus was lost");
    browser.press("ArrowUp");
    assert_eq!((focus(&mut browser).0, browser.js(in_sight)), (last - 1, json!(true)));
    browser.press("PageUp");
    assert!(focus(&mut browser).0 < last - 10);
    browser.press("Control+Home");
    assert_eq!((focus(&mut browser).0, browser.js(in_sight)), (2, json!(true)));
}

#[test]
fn a_slash_leads_to_the_search() {
    let mut browser = open(10);
    browser.press("/");
    assert_eq!(browser.js("document.activeElement.id"), "search");
    browser.press("/");
    assert_eq!(browser.js("document.getElementById('search').value"), "/");
}

#[test]
fn what_is_pointed_at_is_explained_in_full() {
    let mut browser = open(10);
    let wanted = fleet(10).groups[0].volumes[3].clone();
    assert_eq!(wanted.now.as_str(), "stale, 4d");
    choose(&mut browser, "Verdict today", "stale");
    browser.click(".leaf .now.bad");
    let said = browser.js("document.querySelector('.said').textContent");
    let said = said.as_str().unwrap();
    for words in [&wanted.id, &wanted.instance, "daily", "eu-central-1", "the newest backup is 4d old"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
