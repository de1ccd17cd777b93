//! Pictures of the report, to be looked at.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cli::report::data::Data;
use serde_json::json;

use crate::chromium::Browser;
use crate::fleet::{fleet, nothing};
use crate::opening::opened;

/// `cargo test -p cli --test report screenshots -- --ignored`
#[test]
#[ignore = "makes pictures, and asserts nothing of what they look like"]
fn screenshots() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&folder).unwrap();
    let mut browser = Browser::start();
    let reports = [("nothing", nothing()), ("10", fleet(10)), ("500", fleet(500)), ("5000", fleet(5000))];
    for (name, data) in &reports {
        fs::write(folder.join(format!("{name}-paper.png")), on_paper(&mut browser, data)).unwrap();
        for scheme in ["light", "dark"] {
            for width in [1400, 400] {
                browser.scheme(scheme);
                browser.size(width, 1000);
                opened(&mut browser, data);
                browser.js("document.querySelectorAll('details').forEach((one) => { one.open = document.querySelector('.leaf') !== null; })");
                let file = folder.join(format!("{name}-{scheme}-{width}.png"));
                fs::write(&file, picture(&mut browser, width)).unwrap();
                eprintln!("{}", file.display());
            }
        }
    }
}

/// As it comes onto paper, in landscape.
fn on_paper(browser: &mut Browser, data: &Data) -> Vec<u8> {
    browser.size(1030, 1000);
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    opened(browser, data);
    browser.js("dispatchEvent(new Event('beforeprint'))");
    browser.settle();
    let picture = picture(browser, 1030);
    browser.call("Emulation.setEmulatedMedia", json!({"media": ""}));
    picture
}

/// The whole page, however long.
fn picture(browser: &mut Browser, width: u32) -> Vec<u8> {
    let height = browser.js("document.documentElement.scrollHeight").as_u64().unwrap();
    let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
    let picture = browser.call("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip}));
    BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
}
