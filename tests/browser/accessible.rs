//! That nothing stands in the way of those who read with other means: axe-core looks at every kind of page, on wide and
//! narrow screens, light and dark.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::harness::chromium::Chromium;
use super::super::harness::people::{Community, Who};
use super::super::harness::routes::{Objects, read_paths};
use super::super::harness::{rounds, seed, skipped};

/// Widths in CSS pixels, and whether colours are dark. The narrow one is a small telephone's.
const SCREENS: [(u32, bool); 4] = [(1_100, false), (360, true), (1_100, true), (360, false)];
/// Rules that axe does not count as faults of ours: none.
const RUN: &str = "axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(found => \
    found.violations.map(one => one.id + ': ' + one.help + ' ' + one.nodes.slice(0, 3).map(node => node.html).join(' ')))";
/// Pixels by which a page is wider than its screen, and what it is that is too wide.
const TOO_WIDE: &str = "(() => { const wide = document.documentElement.scrollWidth - innerWidth; \
    const which = [...document.querySelectorAll('body *')].find(e => e.getBoundingClientRect().right > innerWidth + 1); \
    return wide > 0 ? wide + ' pixels: ' + (which ? which.outerHTML.slice(0, 200) : '') : null; })()";

/// axe-core's file, or `None` with a line that says which test was skipped.
fn axe(test: &str) -> Option<String> {
    let at = std::env::var_os("AXE_CORE").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/axe-core/package/axe.min.js")
    });
    let found = std::fs::read_to_string(&at);
    if found.is_err() {
        skipped(test, &format!("{} is absent (.ci/run fetches it, or set AXE_CORE)", at.display()));
    }
    found.ok()
}

/// One who looks at pages with axe's eyes. With `PICTURES=FOLDER` in the environment pictures of them are left there,
/// for people to look at.
pub(crate) struct Eyes {
    axe: Option<String>,
    pictures: Option<PathBuf>,
    faults: Vec<String>,
    /// Pages looked at, and where the counting began.
    number: usize,
    seed: usize,
}

impl Eyes {
    /// `test` is named where axe-core is absent.
    pub(crate) fn open(test: &str) -> Eyes {
        let pictures = std::env::var_os("PICTURES").map(PathBuf::from);
        Eyes { axe: axe(test), pictures, faults: Vec::new(), number: 0, seed: seed() }
    }

    /// Looks at the page that a browser shows, which must let the page's scripts run.
    pub(crate) fn look(&mut self, chromium: &mut Chromium, shown: &str) {
        // Everyday runs look at each page on one screen, another one for each; all are looked at for their pictures.
        let all = if self.pictures.is_some() { SCREENS.len() } else { rounds(1, SCREENS.len()) };
        for (width, dark) in
            SCREENS.into_iter().cycle().skip((self.number + self.seed) % SCREENS.len()).take(all)
        {
            chromium.set_screen(width, dark);
            let shown = format!("{shown} at {width}{}", if dark { ", dark" } else { "" });
            if let Some(axe) = &self.axe {
                // At once, or it could be asked of another page than it was put into.
                let Value::Array(found) = chromium.value(&format!("{axe}\n;{RUN}")) else {
                    panic!("axe says nothing of {shown}")
                };
                self.faults.extend(found.iter().map(|fault| format!("{shown}: {fault}")));
            }
            if let Value::String(wide) = chromium.value(TOO_WIDE) {
                self.faults.push(format!("{shown}: the page is wider than its screen by {wide}"));
            }
            if let Some(folder) = &self.pictures {
                let name = shown.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                chromium.picture(&folder.join(format!("{:03}-{name}.png", self.number)));
            }
        }
        chromium.set_screen(SCREENS[0].0, SCREENS[0].1);
        self.number += 1;
    }

    /// Fails if there is anything to be mended.
    pub(crate) fn close(self) {
        let faults = self.faults;
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

#[test]
fn axe_finds_nothing_on_any_kind_of_page() {
    let test = "browser::accessible::axe_finds_nothing_on_any_kind_of_page";
    let Some(mut chromium) = Chromium::start(test) else { return };
    let mut eyes = Eyes::open(test);
    let mut community = Community::new();
    // Before anything is made there: what a page says that has nothing to show.
    let empty = [
        (
            Who::Owner,
            ["/drafts", "/uploads", "/account/tokens", "/u/owner", "/search?q=qwertzuiop"].as_slice(),
        ),
        (Who::Moderator, &["/moderation", "/moderation/handled", "/moderation/deleted", "/wiki-deleted"]),
        (Who::Moderator, &["/invitations", "/wiki-links/Nowhere"]),
        (
            Who::Administrator,
            &["/admin/groups", "/admin/approvals", "/admin/users?q=zzz", "/admin/audit?deed=x"],
        ),
    ];
    for (who, paths) in empty {
        walk(&mut chromium, &mut eyes, &mut community, who, paths.iter().map(ToString::to_string));
    }
    let objects = Objects::make(&mut community);
    for who in [Who::Guest, Who::Owner, Who::Moderator, Who::Administrator] {
        let wrong = ["/t/nothing/999999", "/latest?before=nonsense", "/wiki/A%7CB", "/posts/999999/edit"];
        let paths = read_paths(&objects, who).into_iter().chain(wrong.map(str::to_owned));
        walk(&mut chromium, &mut eyes, &mut community, who, paths);
    }
    eyes.close();
}

fn walk(
    chromium: &mut Chromium,
    eyes: &mut Eyes,
    community: &mut Community,
    who: Who,
    paths: impl Iterator<Item = String>,
) {
    let base = format!("http://{}", community.server.address);
    chromium.set_cookies(&base, community.browser(who).cookies());
    for path in paths {
        // What is no page to look at is saved as a file.
        if path != "/account/data/download" {
            chromium.load(&format!("{base}{path}"));
            eyes.look(chromium, &format!("{path} as {}", who.name()));
        }
    }
}
