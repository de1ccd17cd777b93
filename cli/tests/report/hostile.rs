//! Tags are hostile input: whatever stands in one is text.

use cli::report::data::{Data, Foreign, Letters};

use crate::chromium::Browser;
use crate::fleet::fleet;
use crate::opening::opened;

const HOSTILE: [&str; 12] = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "\"><img src=x onerror=\"window.owned = 1\">",
    "<!--<script>",
    "'; window.owned = 1; //",
    "{{script}}{{data}}",
    "javascript:window.owned=1",
    "<svg onload=window.owned=1><style>*{display:none}</style>",
    "&lt;b&gt; &amp; \u{2028}\u{2029}",
    "vol-\u{202e}1000\u{2066}",
    "__proto__",
    "a\nb\tc\0d",
];

/// A fleet in which everything that a stranger may have written says `text`.
fn everywhere(text: &str) -> Data {
    let foreign = || Foreign::from(text);
    let mut data = fleet(500);
    for policy in &mut data.policies {
        (policy.name, policy.retain) = (foreign(), foreign());
    }
    for volume in data.groups.iter_mut().flat_map(|group| &mut group.volumes) {
        (volume.name, volume.now, volume.why) = (foreign(), foreign(), foreign());
    }
    data.places[4].error = Some(foreign());
    data.notes = vec![foreign()];
    if let Letters::Read { queue, causes, notes } = &mut data.letters {
        (*queue, *notes) = (foreign(), vec![foreign()]);
        for cause in causes {
            (cause.code, cause.message, cause.whereabouts) = (foreign(), foreign(), foreign());
        }
    }
    for next in &mut data.deletions.next {
        (next.name, next.policy) = (foreign(), foreign());
    }
    data
}

#[test]
fn nothing_that_a_tag_says_is_run_and_all_of_it_is_shown() {
    let mut browser = Browser::start();
    opened(&mut browser, &fleet(500));
    let shape = "(() => { const count = (name) => document.querySelectorAll(name).length; \
         return [count('script'), count('style'), count('img, svg, iframe, object, embed, link, base, form')]; })()";
    let expected = browser.js(shape);
    for text in HOSTILE {
        opened(&mut browser, &everywhere(text));
        browser.click(".buttons button:first-child");
        browser.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
        browser.click(".leaf .name");
        assert_eq!(browser.js("window.owned ?? null"), serde_json::Value::Null, "{text:?} ran");
        assert_eq!(browser.js(shape), expected, "{text:?} became an element");
        let shown = Foreign::from(text);
        let places = [
            ".leaf .name bdi",
            "#coverage .notice bdi",
            "#coverage tbody th bdi",
            "#letters tbody th bdi",
            ".said bdi",
            "#deletions td bdi",
        ];
        for place in places {
            let found = browser.js(&format!("document.querySelector({place:?}).textContent"));
            assert_eq!(found, shown.as_str(), "{place}");
        }
        assert_eq!(
            browser.js("[...document.querySelectorAll('option')].map((one) => one.text).includes('weekly')"),
            false
        );
    }
}

#[test]
fn very_long_values_are_cut_and_do_not_push_the_page_apart() {
    let mut browser = Browser::start();
    for text in ["x".repeat(100_000), "long words ".repeat(10_000), "字".repeat(50_000)] {
        opened(&mut browser, &everywhere(&text));
        for width in [1400, 400] {
            browser.size(width, 900);
            browser.settle();
            let wide = browser.js("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= width.into(), "{wide} pixels of {width}");
        }
    }
}

/// The page's own word, apart from how the data is written: no other script could run, and none can load anything.
#[test]
fn the_security_policy_stops_every_other_script() {
    let mut browser = Browser::start();
    opened(&mut browser, &fleet(10));
    browser.js(
        "(() => { const script = document.createElement('script'); script.textContent = 'window.owned = 1'; document.body.append(script); \
         const div = document.createElement('div'); div.innerHTML = '<img src=\"file:///x\" onerror=\"window.owned = 1\">'; document.body.append(div); })()",
    );
    browser.js("new Promise((done) => setTimeout(() => done(true), 200))");
    assert_eq!(browser.js("window.owned ?? null"), serde_json::Value::Null);
    let fetched = browser.js("fetch('http://127.0.0.1:9/').then(() => 'fetched', (error) => error.name)");
    assert_eq!(fetched, "TypeError");
    let violated = browser.events.iter().filter(|event| event.to_string().contains("Content Security Policy")).count();
    assert!(violated >= 2, "{:?}", browser.events);
}
