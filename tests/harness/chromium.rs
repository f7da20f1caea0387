//! A real browser: headless Chromium, spoken to over its pipe (the Chrome DevTools Protocol: JSON, each message ended by
//! a zero byte). A crate for all of the protocol is a hundred thousand generated lines, of which tests need ten calls;
//! WebDriver cannot turn scripts off, nor tell what was refused.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use serde_json::{Value, json};

use super::http::Reply;
use super::{PATIENCE, skipped};

/// Where Chromium reads and writes with `--remote-debugging-pipe`.
const PIPE: [i32; 2] = [3, 4];

/// A running browser; ends when dropped.
pub(crate) struct Chromium {
    child: Child,
    _profile: tempfile::TempDir,
    to: File,
    from: Receiver<Value>,
    last: u64,
    session: String,
    /// What was told and not yet looked at: `Page.`, `Network.`, `Runtime.` ... events.
    events: Vec<Value>,
}

/// The browser, or `None` with a line that says which test was skipped.
fn program(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        let all = std::env::split_paths(&paths).map(|folder| folder.join("chromium"));
        all.into_iter().find(|path| path.exists())
    });
    if found.is_none() {
        skipped(test, "there is no chromium (apt install chromium, or set CHROMIUM)");
    }
    found
}

impl Chromium {
    /// Starts one with one empty tab.
    pub(crate) fn start(test: &str) -> Option<Chromium> {
        let program = program(test)?;
        let profile = tempfile::tempdir().unwrap();
        let (reads, to) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let (from, writes) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mappings = [(reads, PIPE[0]), (writes, PIPE[1])];
        let mappings =
            mappings.into_iter().map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd }).collect();
        let child = Command::new(program)
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-quic"])
            // Tests run as root; what is shown comes from a server of theirs alone.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-features=Translate,OptimizationHints,MediaRouter", "--mute-audio"])
            // Nothing but this host is to be reached, whatever a page asks for.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .fd_mappings(mappings)
            .unwrap()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, received) = channel();
        std::thread::spawn(move || {
            let mut messages = BufReader::new(File::from(from)).split(0);
            while let Some(Ok(message)) = messages.next() {
                let message = serde_json::from_slice(&message).expect("JSON from Chromium");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Chromium {
            child,
            _profile: profile,
            to: File::from(to),
            from: received,
            last: 0,
            session: String::new(),
            events: Vec::new(),
        };
        browser.open();
        Some(browser)
    }

    fn open(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        self.session = session;
        for domain in ["Page", "Runtime", "Network", "Log", "Audits"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.call("Emulation.setFocusEmulationEnabled", json!({"enabled": true}));
        self.call("Page.setLifecycleEventsEnabled", json!({"enabled": true}));
    }

    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends a call and waits for nothing.
    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("Chromium listens");
        self.last
    }

    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let id = self.send(method, params);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answer = self.next(deadline).unwrap_or_else(|| panic!("no answer to {method}"));
            if answer["id"] != id {
                continue;
            }
            return match answer.get("error") {
                Some(error) => Err(error["message"].to_string()),
                None => Ok(answer["result"].take()),
            };
        }
    }

    /// The next message; events are kept.
    fn next(&mut self, deadline: Instant) -> Option<Value> {
        let wait = deadline.saturating_duration_since(Instant::now());
        match self.from.recv_timeout(wait) {
            Ok(message) => {
                if message.get("method").is_some() {
                    // A dialog holds up everything until it is answered.
                    if message["method"] == "Page.javascriptDialogOpening" {
                        self.send("Page.handleJavaScriptDialog", json!({"accept": true}));
                    }
                    self.events.push(message.clone());
                }
                Some(message)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("Chromium ended"),
        }
    }

    /// What was told since the last time.
    pub(crate) fn events(&mut self) -> Vec<Value> {
        // An answer comes after what happened before it.
        self.call("Runtime.evaluate", json!({"expression": "0"}));
        std::mem::take(&mut self.events)
    }

    /// Loads a page, until everything in it is there.
    pub(crate) fn load(&mut self, url: &str) {
        self.events.clear();
        let begun = self.call("Page.navigate", json!({"url": url}));
        assert!(begun.get("errorText").is_none(), "{url}: {begun}");
        // That of this very page: the one before may not have been whole.
        let loader = &begun["loaderId"];
        self.wait(url, |event| {
            let params = &event["params"];
            event["method"] == "Page.lifecycleEvent"
                && params["name"] == "load"
                && params["loaderId"] == *loader
        });
    }

    /// Shows an answer that somebody else got, its headers included.
    pub(crate) fn show(&mut self, reply: &Reply) {
        use base64::Engine;
        const URL: &str = "http://127.0.0.1:9/shown";
        self.call("Fetch.enable", json!({"patterns": [{"urlPattern": format!("{URL}*")}]}));
        self.send("Page.navigate", json!({"url": URL}));
        let is_paused = |event: &Value| event["method"] == "Fetch.requestPaused";
        let paused = self.wait("a request to answer", is_paused)["params"]["requestId"].clone();
        // Its bytes are as they were sent; how long they are, the browser counts itself.
        let left_out = ["content-length", "connection", "transfer-encoding", "location", "set-cookie"];
        let headers: Vec<Value> = reply
            .headers
            .iter()
            .filter(|(name, _)| !left_out.contains(&name.to_ascii_lowercase().as_str()))
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let body = base64::engine::general_purpose::STANDARD.encode(&reply.body);
        let answer = json!({
            "requestId": paused, "responseCode": 200, "responseHeaders": headers, "body": body,
        });
        self.events.clear();
        self.call("Fetch.fulfillRequest", answer);
        self.wait("the page", |event| event["method"] == "Page.loadEventFired");
    }

    fn wait(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(&is) {
                return self.events.remove(at);
            }
            self.next(deadline).unwrap_or_else(|| panic!("waited in vain for {what}"));
        }
    }

    /// The value of an expression in the page, waited for when it is a promise; `None` while a page goes.
    pub(crate) fn try_value(&mut self, expression: &str) -> Option<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut result = self.try_call("Runtime.evaluate", params).ok()?;
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        Some(result["result"]["value"].take())
    }

    pub(crate) fn value(&mut self, expression: &str) -> Value {
        super::wait_for("a page to ask", || self.try_value(expression))
    }

    /// Presses a key that types nothing: `Tab`, `Enter`, `Space`, `ArrowDown` ...
    pub(crate) fn press(&mut self, key: &str) {
        self.press_with(key, 0);
    }

    /// The same with modifiers held down: 8 is Shift.
    pub(crate) fn press_with(&mut self, key: &str, modifiers: u8) {
        let (key, code, number, text) = match key {
            "Tab" => ("Tab", "Tab", 9, ""),
            "Enter" => ("Enter", "Enter", 13, "\r"),
            "Space" => (" ", "Space", 32, " "),
            "ArrowDown" => ("ArrowDown", "ArrowDown", 40, ""),
            "Escape" => ("Escape", "Escape", 27, ""),
            "Home" => ("Home", "Home", 36, ""),
            other => panic!("no key is called {other}"),
        };
        let mut down = json!({
            "type": if text.is_empty() { "rawKeyDown" } else { "keyDown" },
            "key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers,
        });
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({"type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": number});
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    pub(crate) fn set_cookies<'a>(&mut self, url: &str, cookies: impl Iterator<Item = (&'a str, &'a str)>) {
        self.call("Network.clearBrowserCookies", json!({}));
        for (name, value) in cookies {
            self.call("Network.setCookie", json!({"url": url, "name": name, "value": value}));
        }
    }

    /// Whether pages' scripts run.
    pub(crate) fn set_scripts(&mut self, run: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": !run}));
    }

    /// CSS pixels of the page, and whether its reader prefers dark colours.
    pub(crate) fn set_screen(&mut self, width: u32, dark: bool) {
        let screen = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// A picture of what is seen, for people.
    pub(crate) fn picture(&mut self, path: &std::path::Path) {
        use base64::Engine;
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.call("Page.captureScreenshot", params);
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends by itself when its pipe does; this is for when it hangs.
        let _gone_already = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if self.child.try_wait().ok().flatten().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ended_meanwhile = self.child.kill();
        let _reaped = self.child.wait();
    }
}
