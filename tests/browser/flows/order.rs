//! Keeping order: reports and the queue of them, and what is done with topics.

use super::super::super::harness::town::answer;
use super::super::person::Control;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[
    ("report", report),
    ("queue", work_through_the_queue),
    ("topic-marks", lock_and_pin),
    ("topic-edit", rename_and_move),
    ("topic-delete", delete_and_restore),
    ("topic-rename", rename_ones_own),
];

fn report(stage: &mut Stage<'_>) {
    let mut author = stage.author();
    let path = stage.topic(&mut author, "What is reported", "Buy my pills.");
    stage.as_member();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Report #1");
    person.expect("What is wrong with it?");
    person.choose("Something else");
    person.press("Report it");
    person.expect("Say what is wrong with it");
    person.choose("Spam");
    person.fill("What should the moderators know?", "Pills, again.");
    person.press("Report it");
    person.expect("The moderators will look at the post");
    person.follow("Back to the topic");
    person.expect("Buy my pills.");
}

fn work_through_the_queue(stage: &mut Stage<'_>) {
    let mut author = stage.author();
    let path = stage.topic(&mut author, &format!("Kept {}", stage.name), "Harmless words.");
    let pills = format!("Buy my pills, says {}.", stage.name);
    answer(&mut author, &path, &pills);
    let mut reporter = stage.member(&stage.name.clone());
    for id in [1, 2].map(|number| super::post_id(stage.server, &path, number)) {
        let form = reporter.form(&format!("/posts/{id}/report"), &format!("/posts/{id}/report"));
        assert_eq!(reporter.submit(&form.set("reason", "spam")).status, 200);
    }
    stage.as_administrator();
    let person = &mut stage.person;
    person.go("/");
    let of = |number| format!("Kept {} #{number}", stage.name);
    // Beside it stands how many reports wait.
    person.enter(Control::LinkBeginning("Moderation"));
    person.expect("Harmless words.");
    person.enter(Control::ButtonOf(&of(1), "Dismiss"));
    person.expect_not("Harmless words.");
    person.enter(Control::ButtonOf(&of(2), "Delete the post"));
    person.expect_not(&pills);
    person.follow("Handled reports");
    person.expect(&of(2));
    person.follow(&of(1));
    person.expect("Harmless words.");
    person.follow("Show the whole topic");
    // What is deleted is folded, for those who keep order to see.
    person.enter(Control::Fold("Deleted by"));
    person.expect(&pills);
}

fn lock_and_pin(stage: &mut Stage<'_>) {
    let mut author = stage.member(&stage.name.clone());
    let path = stage.topic(&mut author, &format!("Marked {}", stage.name), "Words.");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.press("Lock");
    person.expect("locked");
    person.press("Pin");
    person.expect("pinned");
    person.follow("Welcome");
    person.expect("Pinned");
    person.be(&author);
    person.go(&path);
    person.expect("This topic is locked");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.press("Unlock");
    person.reach(Control::Button("Lock"));
    person.expect("Send the reply");
    person.press("Unpin");
    person.expect_not("pinned");
}

fn rename_and_move(stage: &mut Stage<'_>) {
    let mut author = stage.member(&stage.name.clone());
    let path = stage.topic(&mut author, "A title", "Words.");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Edit the topic");
    person.fill("Title", " ");
    person.press("Save");
    person.expect("empty");
    let title = format!("A better title {}", stage.name);
    person.fill("Title", &title);
    person.select("Category", "Gardens");
    person.tick("Pinned");
    person.press("Save");
    person.expect(&title);
    person.expect("pinned");
    person.follow("Gardens");
    person.expect("New topic");
    person.expect(&title);
    // The address of old leads there.
    person.go(&path);
    person.expect(&title);
}

fn delete_and_restore(stage: &mut Stage<'_>) {
    let mut author = stage.member(&stage.name.clone());
    let title = format!("Taken away {}", stage.name);
    let path = stage.topic(&mut author, &title, "Words.");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Delete the topic");
    person.expect("is taken out of sight");
    person.press("Delete it");
    person.expect_not("is taken out of sight");
    assert_eq!(stage.server.get(&path).status, 404);
    person.go("/moderation");
    person.follow("Deleted topics");
    person.expect(&title);
    person.follow(&title);
    person.expect("This topic was deleted");
    person.press("Restore the topic");
    person.expect("Send the reply");
    assert_eq!(stage.server.get(&path).status, 200);
}

fn rename_ones_own(stage: &mut Stage<'_>) {
    let mut author = stage.member(&stage.name.clone());
    let path = stage.topic(&mut author, "Mispelt", "Words.");
    stage.person.be(&author);
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Rename");
    person.expect("Rename the topic");
    let title = format!("Spelt well {}", stage.name);
    person.fill("Title", &title);
    person.press("Save");
    person.expect(&title);
    person.expect("Words.");
}
