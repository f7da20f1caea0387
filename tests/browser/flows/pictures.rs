//! Pictures: uploaded, shown in a text, removed.

use super::super::super::harness::routes::drawn;
use super::super::person::Control;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[("picture", upload_show_and_remove)];

fn upload_show_and_remove(stage: &mut Stage<'_>) {
    stage.as_member();
    let title = format!("Illustrated {}", stage.name);
    let dir = tempfile::tempdir().unwrap();
    let (nonsense, picture) = (dir.path().join("nonsense.png"), dir.path().join("a kettle.png"));
    std::fs::write(&nonsense, "no picture").unwrap();
    std::fs::write(&picture, drawn()).unwrap();
    let person = &mut stage.person;
    person.go("/");
    person.follow("Account");
    person.follow("Pictures");
    person.expect("You have uploaded none yet");
    person.choose_file("A picture", &nonsense);
    person.press("Upload it");
    person.expect("PNG, JPEG, GIF or WebP");
    person.choose_file("A picture", &picture);
    person.press("Upload it");
    person.expect("Your picture is uploaded");
    person.expect("a kettle");
    let markdown = person.value("In a text");
    assert!(markdown.starts_with("![a kettle"), "{markdown}");
    person.go("/new-topic/1");
    person.fill("Title", &title);
    person.fill("Text", &markdown);
    person.press("Open the topic");
    person.expect("1 post");
    let width = "document.querySelector('.post img').naturalWidth";
    super::super::super::harness::wait_for("the picture", || {
        (person.chromium.value(width) == 4).then_some(())
    });
    person.follow("Account");
    person.follow("Pictures");
    person.enter(Control::ButtonOf("a kettle", "Remove it"));
    person.expect("That picture is removed");
    person.expect("You have uploaded none yet");
}
