//! That nothing stands in the way of those who read with other means: axe-core looks at every kind of page, on wide and
//! narrow screens, light and dark.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::harness::chromium::Chromium;
use super::super::harness::people::{Community, Who};
use super::super::harness::rounds;
use super::super::harness::routes::{Objects, read_paths};

/// Rules that axe does not count as faults of ours: none.
const RUN: &str = "axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(found => \
    found.violations.map(one => one.id + ': ' + one.help + ' ' + one.nodes.slice(0, 3).map(node => node.html).join(' ')))";

/// axe-core's file, or `None` with a line that says which test was skipped.
fn axe(test: &str) -> Option<String> {
    let at = std::env::var_os("AXE_CORE").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/axe-core/package/axe.min.js")
    });
    let found = std::fs::read_to_string(&at);
    if found.is_err() {
        eprintln!("SKIPPED {test}: {} is absent (.ci/run fetches it, or set AXE_CORE)", at.display());
    }
    found.ok()
}

#[test]
fn axe_finds_nothing_on_any_kind_of_page() {
    let test = "axe_finds_nothing_on_any_kind_of_page";
    let (Some(axe), Some(mut chromium)) = (axe(test), Chromium::start(test)) else { return };
    let mut community = Community::new();
    let objects = Objects::make(&mut community);
    let base = format!("http://{}", community.server.address);
    let mut faults = Vec::new();
    for who in [Who::Guest, Who::Owner, Who::Moderator, Who::Administrator] {
        chromium.set_cookies(&base, community.browser(who).cookies());
        for (number, path) in read_paths(&objects, who).iter().enumerate() {
            let screens = [(1_100, false), (390, true), (1_100, true), (390, false)];
            // Everyday runs look at each page on one screen, another one for each kind.
            let some = rounds(1, screens.len());
            for (width, dark) in screens.iter().cycle().skip(number % screens.len()).take(some) {
                chromium.set_screen(*width, *dark);
                chromium.load(&format!("{base}{path}"));
                chromium.value(&format!("{axe}; 0"));
                let Value::Array(found) = chromium.value(RUN) else { panic!("axe says nothing of {path}") };
                let shown =
                    format!("{path} as {} at {width}{}", who.name(), if *dark { ", dark" } else { "" });
                faults.extend(found.iter().map(|fault| format!("{shown}: {fault}")));
                let wide = chromium.value("document.documentElement.scrollWidth - innerWidth");
                if wide.as_i64().is_some_and(|wide| wide > 0) {
                    faults.push(format!("{shown}: the page is {wide} pixels wider than its screen"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
