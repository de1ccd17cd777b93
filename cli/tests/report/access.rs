//! It can be read: aloud, and by who sees few contrasts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::chromium::Browser;
use crate::fleet::fleet;
use crate::opening::opened;

/// What a screen reader is given: role and name of everything that is not ignored.
fn tree(browser: &mut Browser) -> Vec<(String, String, Value)> {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
    let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_string();
    nodes.map(|node| (text(&node["role"]), text(&node["name"]), node["properties"].clone())).collect()
}

#[test]
fn everything_that_is_used_has_a_role_and_a_name() {
    let mut browser = Browser::start();
    opened(&mut browser, &fleet(500));
    let nodes = tree(&mut browser);
    let named = [
        "button",
        "combobox",
        "searchbox",
        "treegrid",
        "gridcell",
        "rowheader",
        "columnheader",
        "image",
        "region",
        "heading",
        "table",
    ];
    for (role, name, _) in &nodes {
        assert!(!named.contains(&role.as_str()) || !name.trim().is_empty(), "{role} without a name");
    }
    let check = |wanted: &str, words: &str| {
        let is_there = nodes.iter().any(|(role, name, _)| role == wanted && name.contains(words));
        assert!(
            is_there,
            "no {wanted} {words:?} among {:?}",
            nodes.iter().filter(|(role, ..)| role == wanted).collect::<Vec<_>>()
        );
    };
    check("treegrid", "Calendar");
    check("rowheader", "eu-central-1, account 123456789012, 50 volumes");
    check("columnheader", "today");
    check("columnheader", "Fri, 27 Nov 2026");
    check("gridcell", "today: all ");
    check("gridcell", " uncovered");
    check("image", "Snapshots that are still there, by the day they were begun. Most: ");
    check("heading", "Coverage");
    check("searchbox", "Search");
    check("combobox", "Verdict today");
    let roles: BTreeSet<&str> = nodes.iter().map(|(role, ..)| role.as_str()).collect();
    assert!(["main", "banner", "contentinfo", "search", "status"].iter().all(|role| roles.contains(role)), "{roles:?}");
}

#[test]
fn a_volumes_day_is_told_in_words() {
    let mut browser = Browser::start();
    opened(&mut browser, &fleet(10));
    let nodes = tree(&mut browser);
    for words in ["today: fresh", "today: stale", "27 Nov: stale", "24 Nov: fresh"] {
        assert!(nodes.iter().any(|(role, name, _)| role == "gridcell" && name == words), "{words}");
    }
}

/// Text on its ground, as <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio> counts it: the least of all there is.
const CONTRASTS: &str = "(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
  const grounds = (it) => {
    for (; it; it = it.parentElement) {
      const style = getComputedStyle(it);
      const drawn = style.backgroundImage.match(/rgba?\\([^)]*\\)/g);
      if (drawn) return drawn.map(parts);
      const color = parts(style.backgroundColor);
      if (color.length === 3 || color[3] === 1) return [color];
    }
    return [[255, 255, 255]];
  };
  const found = new Map();
  for (const it of document.querySelectorAll('body *')) {
    const has = [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
    if (!has || !it.checkVisibility() || it.closest('script, .unseen, .skip')) continue;
    const ink = light(parts(getComputedStyle(it).color));
    for (const ground of grounds(it).map(light)) {
      const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
      const key = it.tagName + '.' + it.className;
      found.set(key, Math.min(ratio, found.get(key) ?? 99));
    }
  }
  return [...found];
})()";

#[test]
fn every_text_stands_out_from_its_ground_in_light_and_in_dark() {
    let mut browser = Browser::start();
    // All verdicts, and groups with few, some and many uncovered.
    let mut data = fleet(5000);
    let first = &mut data.groups[0].volumes[0];
    first.days = "fpwsnexg.fpwsnexg.fpwsnexg.fps".into();
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        opened(&mut browser, &data);
        browser.click(".buttons button:first-child");
        browser.js("document.querySelector('.legend').open = true");
        browser.settle();
        let found = browser.js(CONTRASTS);
        let found: Vec<(String, f64)> = serde_json::from_value(found).unwrap();
        let all: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        for letter in ["v-f", "v-p", "v-w", "v-s", "v-n", "v-e", "v-u", "v-g", "v-x"] {
            assert!(all.contains(&format!("SPAN.cell {letter}").as_str()), "no {letter} among {all:?}");
        }
        for (name, ratio) in &found {
            assert!(*ratio >= 4.5, "{name} in {scheme}: {ratio:.2}");
        }
    }
}

#[test]
fn who_tabs_through_the_page_sees_where_they_are() {
    let mut browser = Browser::start();
    opened(&mut browser, &fleet(10));
    let mut seen = BTreeSet::new();
    for _ in 0..25 {
        browser.press("Tab");
        let state = browser.js("(() => { const it = document.activeElement; const style = getComputedStyle(it); \
             return [it.tagName, style.outlineStyle, style.outlineWidth]; })()");
        assert!(state[0] == "BODY" || (state[1] != "none" && state[2] != "0px"), "{state}");
        seen.insert(state[0].as_str().unwrap().to_string());
    }
    assert!(["A", "BUTTON", "INPUT", "SELECT", "DIV", "SUMMARY"].iter().all(|name| seen.contains(*name)), "{seen:?}");
}
