//! Somebody in front of a real browser who has a keyboard only: goes from control to control with Tab, and looks where
//! the focus is.

use serde_json::{Value, json};

use super::super::harness::chromium::Chromium;
use super::super::harness::server::Server;
use super::super::harness::wait_for;

/// More than any page has.
const MOST_CONTROLS: usize = 600;

/// Tells what has the focus, and whether a person sees it.
const FOCUSED: &str = r#"(() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return null;
  const said = e.ariaLabel || [...(e.labels || [])].map(label => label.textContent).join(' ')
    || (e.matches('input,textarea,select') ? e.placeholder : e.textContent) || '';
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {
    kind: e.matches('input,textarea,select') ? 'field' : e.matches('button') ? 'button' : e.matches('a') ? 'link'
      : e.localName,
    name: said.trim().replace(/\s+/g, ' '),
    rings: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none',
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0
      && box.left < innerWidth,
    html: e.outerHTML.slice(0, 200),
  };
})()"#;

/// A control, as a person calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control<'a> {
    /// By the beginning of its label.
    Field(&'a str),
    Button(&'a str),
    Link(&'a str),
}

impl Control<'_> {
    fn is(self, focused: &Value) -> bool {
        let name = focused["name"].as_str().unwrap_or_default();
        match self {
            Control::Field(label) => focused["kind"] == "field" && name.starts_with(label),
            Control::Button(text) => focused["kind"] == "button" && name == text,
            Control::Link(text) => focused["kind"] == "link" && name == text,
        }
    }
}

/// One who has a server to look at.
pub(crate) struct Person {
    pub(crate) chromium: Chromium,
    base: String,
    /// What pictures are called, and how many there are.
    pictures: (String, usize),
}

impl Person {
    /// `name` is what pictures are called.
    pub(crate) fn new(chromium: Chromium, server: &Server, name: &str) -> Person {
        Person { chromium, base: format!("http://{}", server.address), pictures: (name.to_owned(), 0) }
    }

    pub(crate) fn go(&mut self, path: &str) {
        self.chromium.load(&format!("{}{path}", self.base));
    }

    /// What a page says; empty while one goes, and before one is whole: without its style sheet it has no looks.
    pub(crate) fn text(&mut self) -> String {
        let text =
            self.chromium.try_value("document.readyState === 'complete' ? document.body.innerText : ''");
        text.and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The path and query of the page.
    pub(crate) fn path(&mut self) -> String {
        let path = self.chromium.value("location.pathname + location.search");
        path.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says something. With `PICTURES=FOLDER` in the environment a picture of it is left there, for
    /// people to look at.
    pub(crate) fn expect(&mut self, text: &str) {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(text, || {
                last = self.text();
                last.contains(text).then_some(())
            });
        }));
        if found.is_err() {
            panic!("{} does not say {text:?}: {last}", self.path());
        }
        if let Some(folder) = std::env::var_os("PICTURES") {
            let (name, number) = &mut self.pictures;
            *number += 1;
            let path = std::path::PathBuf::from(folder).join(format!("{name}-{number:02}.png"));
            self.chromium.picture(&path);
        }
    }

    /// Goes with Tab to a control, from wherever the focus is; whatever has it on the way must be seen to.
    pub(crate) fn reach(&mut self, control: Control<'_>) {
        let mut passed = Vec::new();
        for _ in 0..MOST_CONTROLS {
            let focused = self.chromium.value(FOCUSED);
            if !focused.is_null() {
                assert!(focused["rings"] == json!(true), "nobody sees the focus: {}", focused["html"]);
                assert!(focused["seen"] == json!(true), "the focus is out of sight: {}", focused["html"]);
                if control.is(&focused) {
                    return;
                }
                passed.push(format!("{} {}", focused["kind"], focused["name"]));
            }
            self.chromium.press("Tab");
        }
        let path = self.path();
        passed.dedup();
        passed.truncate(60);
        panic!("{control:?} cannot be reached on {path}: {passed:?}");
    }

    /// Fills in a field, whatever was in it.
    pub(crate) fn fill(&mut self, label: &str, text: &str) {
        self.reach(Control::Field(label));
        let select = json!({"type": "rawKeyDown", "key": "a", "modifiers": 2, "commands": ["selectAll"]});
        self.chromium.call("Input.dispatchKeyEvent", select);
        self.chromium.type_text(text);
    }

    pub(crate) fn press(&mut self, button: &str) {
        self.reach(Control::Button(button));
        self.chromium.press("Enter");
    }

    pub(crate) fn follow(&mut self, link: &str) {
        self.reach(Control::Link(link));
        self.chromium.press("Enter");
    }
}
