//! Somebody in front of a real browser who has a keyboard only: goes from control to control with Tab, and looks where
//! the focus is.

use std::path::Path;

use serde_json::{Value, json};

use super::super::harness::browser::Browser;
use super::super::harness::chromium::Chromium;
use super::super::harness::server::Server;
use super::super::harness::wait_for;
use super::accessible::Eyes;

/// More than any page has.
const MOST_CONTROLS: usize = 600;
/// More than any list to choose from has.
const MOST_CHOICES: usize = 100;

/// Tells what has the focus, whether a person sees it, and what it stands in.
const FOCUSED: &str = r#"(() => {
  const e = document.activeElement;
  if (!e || e === document.body || e === document.documentElement) return null;
  const called = e => e.ariaLabel || [...(e.labels || [])].map(label => label.textContent).join(' ')
    || (e.matches('input,textarea,select') ? e.placeholder : e.textContent) || '';
  const tidy = text => text.trim().replace(/\s+/g, ' ');
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {
    kind: e.matches('input,textarea,select') ? 'field' : e.matches('button') ? 'button' : e.matches('a') ? 'link'
      : e.localName,
    name: tidy(called(e)),
    value: e.matches('select') ? tidy(e.selectedOptions[0]?.textContent ?? '') : e.matches('[type=checkbox],[type=radio]') ? e.checked : e.value,
    choices: e.type === 'radio' && e.form ? [e.form.elements[e.name]].flatMap(all => all.length ? [...all] : [all])
      .map(one => tidy(called(one))) : [],
    around: tidy((e.closest('li,article,fieldset,section') ?? e.closest('form') ?? e).textContent),
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
    /// Some of the choices of which one can be taken, by the beginning of one's label.
    Choice(&'a str),
    Button(&'a str),
    Link(&'a str),
    /// Where what it is called ends with something that changes.
    LinkBeginning(&'a str),
    /// What folds and unfolds something.
    Fold(&'a str),
    /// A button in the item, post or section that has a text.
    ButtonOf(&'a str, &'a str),
}

impl Control<'_> {
    fn is(self, focused: &Value) -> bool {
        let text = |key: &str| focused[key].as_str().unwrap_or_default();
        let named = |kind: &str, name: &str| text("kind") == kind && text("name") == name;
        match self {
            Control::Field(label) => text("kind") == "field" && text("name").starts_with(label),
            Control::Choice(label) => {
                let mut choices = focused["choices"].as_array().into_iter().flatten();
                choices.any(|choice| choice.as_str().is_some_and(|choice| choice.starts_with(label)))
            }
            Control::Button(name) => named("button", name),
            Control::Link(name) => named("link", name),
            Control::LinkBeginning(name) => text("kind") == "link" && text("name").starts_with(name),
            Control::Fold(name) => text("kind") == "summary" && text("name").starts_with(name),
            Control::ButtonOf(of, name) => named("button", name) && text("around").contains(of),
        }
    }
}

/// One who has a server to look at.
pub(crate) struct Person {
    pub(crate) chromium: Chromium,
    /// Looks at each page that says what is expected; only where scripts run.
    pub(crate) eyes: Eyes,
    pub(crate) scripts: bool,
    base: String,
}

impl Person {
    pub(crate) fn new(chromium: Chromium, eyes: Eyes, server: &Server) -> Person {
        Person { chromium, eyes, scripts: false, base: format!("http://{}", server.address) }
    }

    /// Becomes another person, somewhere else, as whom nobody is logged in.
    pub(crate) fn renew(&mut self, scripts: bool, address: &str) {
        self.scripts = scripts;
        self.chromium.set_scripts(scripts);
        self.chromium.set_cookies(&self.base, std::iter::empty());
        let headers = json!({"headers": {"X-Forwarded-For": address}});
        self.chromium.call("Network.setExtraHTTPHeaders", headers);
    }

    /// Goes on with somebody else's session.
    pub(crate) fn be(&mut self, browser: &Browser) {
        self.chromium.set_cookies(&self.base, browser.cookies());
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

    /// What stands in the first such element.
    pub(crate) fn reads(&mut self, selector: &str) -> String {
        let text = self.chromium.value(&format!("document.querySelector('{selector}').textContent"));
        text.as_str().unwrap_or_default().trim().to_owned()
    }

    /// Waits until the page says something.
    pub(crate) fn expect(&mut self, text: &str) {
        self.wait(text, |said| said.contains(text));
        // What is plain text is as the browser shows it.
        if self.scripts && self.chromium.value("document.contentType") == "text/html" {
            let shown = format!("{} with {text:?}", self.path());
            self.eyes.look(&mut self.chromium, &shown);
        }
    }

    /// Waits until the page says something no more.
    pub(crate) fn expect_not(&mut self, text: &str) {
        self.wait(&format!("no {text}"), |said| !said.is_empty() && !said.contains(text));
    }

    fn wait(&mut self, what: &str, is: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || {
                last = self.text();
                is(&last).then_some(())
            });
        }));
        if found.is_err() {
            panic!("{} does not say {what:?}: {last}", self.path());
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
        self.edit("selectAll");
        self.chromium.type_text(text);
    }

    /// Writes at the end of what a field has.
    pub(crate) fn append(&mut self, label: &str, text: &str) {
        self.reach(Control::Field(label));
        self.edit("moveToEndOfDocument");
        self.chromium.type_text(text);
    }

    fn edit(&mut self, command: &str) {
        let key = json!({"type": "rawKeyDown", "key": "a", "modifiers": 2, "commands": [command]});
        self.chromium.call("Input.dispatchKeyEvent", key);
    }

    /// What a field has.
    pub(crate) fn value(&mut self, label: &str) -> String {
        self.reach(Control::Field(label));
        self.chromium.value(FOCUSED)["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Ticks a box, or takes its tick away.
    pub(crate) fn tick(&mut self, label: &str) {
        self.reach(Control::Field(label));
        self.chromium.press("Space");
    }

    /// Takes one of several choices, by the beginning of its label.
    pub(crate) fn choose(&mut self, label: &str) {
        self.reach(Control::Choice(label));
        for _ in 0..MOST_CHOICES {
            if Control::Field(label).is(&self.chromium.value(FOCUSED)) {
                // The first of them has the focus and is not taken where none is.
                self.chromium.press("Space");
                return;
            }
            self.chromium.press("ArrowDown");
        }
        panic!("{label:?} cannot be chosen on {}", self.path());
    }

    /// Selects one of a field's values.
    pub(crate) fn select(&mut self, label: &str, value: &str) {
        self.reach(Control::Field(label));
        self.chromium.press("Home");
        for _ in 0..MOST_CHOICES {
            if self.chromium.value(FOCUSED)["value"] == value {
                return;
            }
            self.chromium.press("ArrowDown");
        }
        panic!("{value:?} cannot be selected on {}", self.path());
    }

    /// Puts a file into a field; which one, the system's own dialog would ask.
    pub(crate) fn choose_file(&mut self, label: &str, file: &Path) {
        self.reach(Control::Field(label));
        let field = self.chromium.call("Runtime.evaluate", json!({"expression": "document.activeElement"}));
        let params = json!({"objectId": field["result"]["objectId"], "files": [file]});
        self.chromium.call("DOM.setFileInputFiles", params);
    }

    /// Fills in a field, presses a button, and is told why that is refused.
    pub(crate) fn is_refused(&mut self, label: &str, text: &str, button: &str, why: &str) {
        self.fill(label, text);
        self.press(button);
        self.expect(why);
    }

    /// Presses whatever control.
    pub(crate) fn enter(&mut self, control: Control<'_>) {
        self.reach(control);
        self.chromium.press("Enter");
    }

    pub(crate) fn press(&mut self, button: &str) {
        self.enter(Control::Button(button));
    }

    pub(crate) fn follow(&mut self, link: &str) {
        self.enter(Control::Link(link));
    }
}
