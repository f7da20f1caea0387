//! Everything people do here, done with a keyboard only, with scripts off and with scripts on: in everyday runs each
//! second flow the one way and the others the other way, with `VERITABLE_FULL=1` or `FLOW=NAME` both ways. Where scripts
//! run, axe looks at every page on the way.

mod admin;
mod forum;
mod order;
mod people;
mod pictures;
mod settings;
mod wiki;

use super::super::accounts::join;
use super::super::harness::browser::Browser;
use super::super::harness::chromium::Chromium;
use super::super::harness::server::Server;
use super::super::harness::{rounds, seed};
use super::accessible::Eyes;
use super::person::Person;
use super::server;

/// What a flow is given.
struct Stage<'a> {
    server: &'a Server,
    administrator: Browser,
    person: Person,
    /// A name that nobody else has: of this flow and way of doing it.
    name: String,
    /// How many were made with [`Stage::member`].
    members: u8,
}

type Flow = fn(&mut Stage<'_>);

/// Every flow, those of each noun in a file of its own. To add one is to add a line there.
const FLOWS: &[&[(&str, Flow)]] = &[
    &[("read", read)],
    people::FLOWS,
    settings::FLOWS,
    forum::FLOWS,
    order::FLOWS,
    wiki::FLOWS,
    pictures::FLOWS,
    admin::FLOWS,
];

#[test]
fn every_flow_with_a_keyboard_without_scripts_and_with_them() {
    let test = "browser::flows::every_flow_with_a_keyboard_without_scripts_and_with_them";
    let Some(chromium) = Chromium::start(test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    let person = Person::new(chromium, Eyes::open(test), &server);
    let administrator = server.administrator();
    let mut stage = Stage { server: &server, administrator, person, name: String::new(), members: 0 };
    // One flow, while one writes it.
    let only = std::env::var("FLOW").ok();
    let (seed, mut driven, mut failed) = (seed(), 0, Vec::new());
    for scripts in [false, true] {
        for (number, (name, flow)) in FLOWS.iter().copied().flatten().enumerate() {
            let is_wanted = match &only {
                Some(only) => only == name,
                None => scripts == ((number + seed) % 2 == 1) || rounds(0, 1) == 1,
            };
            if !is_wanted {
                continue;
            }
            driven += 1;
            eprintln!("flow {name}, scripts {}", if scripts { "on" } else { "off" });
            // A household each, or the limits of one would be met.
            stage.person.renew(scripts, &format!("198.51.{}.{number}", u8::from(scripts)));
            stage.name = format!("{name}-{}", if scripts { "on" } else { "off" });
            // One that fails hides none of the others.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| flow(&mut stage)));
            failed.extend(done.err().map(|_| stage.name.clone()));
        }
    }
    assert!(driven > 0, "no flow is called {only:?}");
    assert!(failed.is_empty(), "these flows failed, as was said above: {failed:?}");
    stage.person.eyes.close();
}

impl Stage<'_> {
    /// Has the person be a member who is logged in; their name is the stage's.
    fn as_member(&mut self) {
        let browser = self.member(&self.name.clone());
        self.person.be(&browser);
    }

    fn as_administrator(&mut self) {
        self.person.be(&self.administrator);
    }

    /// The session that there was goes on.
    fn as_guest(&mut self) -> &mut Person {
        self.person.be(&Browser::new(self.server));
        &mut self.person
    }

    /// A member more, in a household of their own, or the limits of one would be met.
    fn member(&mut self, name: &str) -> Browser {
        let mut browser = Browser::new(self.server);
        self.members += 1;
        browser.from = Some(format!("198.51.100.{}", self.members));
        join(self.server, browser, name)
    }

    /// Somebody else, for the person to have to do with.
    fn author(&mut self) -> Browser {
        self.member(&format!("{}-author", self.name))
    }

    /// Opens a topic as somebody; its path.
    fn topic(&self, by: &mut Browser, title: &str, body: &str) -> String {
        super::super::harness::town::open_topic(by, 1, title, body)
    }
}

fn read(stage: &mut Stage<'_>) {
    let person = &mut stage.person;
    person.go("/");
    // The first Tab leads past the menus.
    person.chromium.press("Tab");
    person.follow("Skip to content");
    assert_eq!(person.chromium.value("location.hash"), "#main");
    person.follow("Latest");
    person.expect("Latest");
    let title = person.reads("main .list a.name");
    person.follow(&title);
    person.expect(&title);
    person.fill("Search", "wiki");
    person.press("Search");
    person.expect("Wiki pages");
}

/// The id of a post by its number in the topic at a path.
fn post_id(server: &Server, path: &str, number: i64) -> i64 {
    let topic = super::super::harness::town::topic_id(path);
    let posts = server.get(&format!("/api/topics/{topic}/posts")).json();
    let all = posts["posts"].as_array().unwrap();
    all.iter().find(|post| post["number"] == number).unwrap()["id"].as_i64().unwrap()
}
