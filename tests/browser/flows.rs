//! Everything people do here, done with a keyboard only, with scripts off and again with scripts on.

mod people;

use super::super::harness::chromium::Chromium;
use super::super::harness::server::Server;
use super::person::Person;
use super::server;

/// What a flow is given.
struct Stage<'a> {
    server: &'a Server,
    person: Person,
    /// A name that nobody else has: of this flow and way of doing it.
    name: String,
}

type Flow = fn(&mut Stage<'_>);

/// Every flow, those of each noun in a file of its own. To add one is to add a line there.
const FLOWS: &[&[(&str, Flow)]] = &[&[("read", read)], people::FLOWS];

#[test]
fn every_flow_with_a_keyboard_without_scripts_and_with_them() {
    let test = "every_flow_with_a_keyboard_without_scripts_and_with_them";
    let Some(mut chromium) = Chromium::start(test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    for scripts in [false, true] {
        for (number, (name, flow)) in FLOWS.iter().copied().flatten().enumerate() {
            eprintln!("flow {name}, scripts {}", if scripts { "on" } else { "off" });
            chromium.set_scripts(scripts);
            chromium.set_cookies("http://127.0.0.1", std::iter::empty());
            // A household each, or the limits of one would be met.
            let address = format!("198.51.{}.{number}", u8::from(scripts));
            chromium.call(
                "Network.setExtraHTTPHeaders",
                serde_json::json!({"headers": {"X-Forwarded-For": address}}),
            );
            let name = format!("{name}-{}", if scripts { "on" } else { "off" });
            let person = Person::new(chromium, &server, &name);
            let mut stage = Stage { server: &server, person, name };
            flow(&mut stage);
            chromium = stage.person.chromium;
        }
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
    let title = person.chromium.value("document.querySelector('main .list a.name').textContent");
    let title = title.as_str().unwrap().trim().to_owned();
    person.follow(&title);
    person.expect(&title);
    person.fill("Search", "wiki");
    person.press("Search");
    person.expect("Wiki pages");
}
