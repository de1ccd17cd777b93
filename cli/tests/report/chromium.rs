//! Debian's Chromium, driven over a pipe by the `DevTools` protocol: no driver, no server, no port.
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

const CHROMIUM: &str = "/usr/bin/chromium";
/// It runs as root in CI, and finds no network where it looks for updates.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];
/// Nothing takes as long, even where everything else runs at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

/// One browser at a time: two would only wait for each other, and measure it.
static ONE: Mutex<()> = Mutex::new(());

/// A browser with one page open.
pub struct Browser {
    process: Child,
    folder: PathBuf,
    requests: File,
    answers: Receiver<Value>,
    session: Option<String>,
    next: u64,
    /// What the page said by itself since it was opened.
    pub events: Vec<Value>,
    _one: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts it, with an empty page.
    pub fn start() -> Self {
        assert!(
            Path::new(CHROMIUM).exists(),
            "{CHROMIUM} is not there; install it: apt-get install --no-install-recommends chromium"
        );
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = new_folder();
        let (requests, answers) = (folder.join("requests"), folder.join("answers"));
        let made = Command::new("mkfifo").args([&requests, &answers]).status().unwrap();
        assert!(made.success());
        // Chromium reads from descriptor 3 and writes to 4.
        let command = format!("exec {CHROMIUM} \"$@\" 3<\"$PIPES/requests\" 4>\"$PIPES/answers\"");
        let process = Command::new("sh")
            .args(["-c", &command, "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .env("PIPES", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let requests = OpenOptions::new().write(true).open(requests).unwrap();
        let answers = listen(File::open(answers).unwrap());
        let (session, events) = (None, Vec::new());
        let mut browser = Self { process, folder, requests, answers, session, next: 0, events, _one: one };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let session = browser.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = session["sessionId"].as_str().map(String::from);
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.size(1400, 1000);
        browser
    }

    /// Opens `html` as a file, as a person would, and waits until it is loaded.
    pub fn open(&mut self, html: &str) {
        let file = self.folder.join("report.html");
        fs::write(&file, html).unwrap();
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.until("Page.loadEventFired");
        self.events.clear();
        self.call("Page.navigate", json!({"url": self.url()}));
        self.until("Page.loadEventFired");
        // What has yet to be drawn, or to be complained of.
        self.settle();
    }

    /// Of the file that is open.
    pub fn url(&self) -> String {
        format!("file://{}/report.html", self.folder.display())
    }

    /// Two frames.
    pub fn settle(&mut self) {
        self.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
    }

    /// Runs JavaScript in the page, and gives what comes of it.
    pub fn js(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses a key, as a person does: `ArrowDown`, `Enter`, `Tab`, `a`, `Control+End`.
    pub fn press(&mut self, key: &str) {
        let (modifiers, key) = key.strip_prefix("Control+").map_or((0, key), |key| (2, key));
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 0,
        };
        let event = |kind| json!({"type": kind, "key": key, "code": key, "text": text, "modifiers": modifiers, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", event(if text.is_empty() { "rawKeyDown" } else { "keyDown" }));
        let mut up = event("keyUp");
        up["text"] = json!("");
        self.call("Input.dispatchKeyEvent", up);
        self.settle();
    }

    /// Clicks into the middle of an element.
    pub fn click(&mut self, selector: &str) {
        let find = format!(
            "(() => {{ const it = document.querySelector({}); it.scrollIntoView({{ block: 'center' }}); \
             const {{ x, y, width, height }} = it.getBoundingClientRect(); return [x + width / 2, y + height / 2]; }})()",
            json!(selector)
        );
        let at = self.js(&find);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
        self.settle();
    }

    /// How large its window is, in pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// `light` or `dark`.
    pub fn scheme(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// One of the methods of `DevTools`. Answers that are events are kept.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.next_answer(method);
            if answer["id"] == json!(self.next) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Waits for an event, unless it has come already.
    fn until(&mut self, event: &str) {
        while !self.events.iter().any(|seen| seen["method"] == event) {
            self.next_answer(event);
        }
    }

    fn next_answer(&mut self, wanted: &str) -> Value {
        let answer = self.answers.recv_timeout(PATIENCE);
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let answer = answer.unwrap_or_else(|error| panic!("waited for {wanted}: {error}\n{}", log()));
        if answer.get("method").is_some() {
            self.events.push(answer.clone());
        }
        answer
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("report-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Messages end with a zero byte.
fn listen(answers: File) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for message in BufReader::new(answers).split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else { continue };
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    receiver
}
