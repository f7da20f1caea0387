//! Writing in the forum: topics, replies, quotations, edits, drafts.

use super::super::person::Control;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[
    ("new-topic", open_a_topic),
    ("draft", keep_a_draft_and_resume_it),
    ("reply", reply),
    ("quote", quote),
    ("edit", edit_and_compare),
    ("edit-conflict", edit_what_another_edited),
    ("delete-post", delete_and_restore),
    ("log-in-to-reply", log_in_to_reply),
];

fn open_a_topic(stage: &mut Stage<'_>) {
    stage.as_member();
    let person = &mut stage.person;
    person.go("/");
    person.follow("New topic");
    person.expect("Where does it belong?");
    person.follow("Bicycles");
    person.expect("New topic in Bicycles");
    let title = format!("About {}", stage.name);
    person.fill("Text", "Some **strong** words.");
    person.press("Preview");
    person.expect("Some strong words.");
    person.fill("Title", &title);
    person.press("Open the topic");
    person.expect("1 post");
    person.expect_not("**strong** words");
    person.follow("Bicycles");
    person.expect("New topic");
    person.expect(&title);
}

fn keep_a_draft_and_resume_it(stage: &mut Stage<'_>) {
    stage.as_member();
    let person = &mut stage.person;
    person.go("/new-topic/1");
    person.fill("Title", "Unfinished");
    person.fill("Text", "Half of a sentence");
    person.press("Save draft");
    person.expect(if person.scripts { "Draft saved" } else { "Your draft is kept here" });
    person.follow("Account");
    person.follow("Drafts");
    person.expect("Half of a sentence");
    person.follow("Unfinished");
    person.expect("This is your draft");
    assert_eq!(person.value("Title"), "Unfinished");
    person.append("Text", " and the other half.");
    person.press("Open the topic");
    person.expect("Half of a sentence and the other half.");
    person.go("/drafts");
    person.expect("You have no drafts");
    // One that is thrown away.
    person.go("/new-topic/2");
    person.fill("Title", "Never");
    person.fill("Text", "Better not");
    person.press("Save draft");
    person.expect(if person.scripts { "Draft saved" } else { "Your draft is kept here" });
    person.go("/drafts");
    person.press("Throw it away");
    person.expect("You have no drafts");
}

fn reply(stage: &mut Stage<'_>) {
    let mut author = stage.author();
    let path = stage.topic(&mut author, "What is answered", "A question.");
    stage.as_member();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Reply");
    person.fill("Your reply", "An *answer*.");
    person.press("Preview");
    person.expect("An answer.");
    person.append(if person.scripts { "Your reply" } else { "Text" }, " And more.");
    person.press("Send the reply");
    person.expect("An answer. And more.");
    person.expect_not("*answer*");
    // To a post, on a page of its own.
    person.follow("Reply to #1");
    person.expect("You answer #1");
    person.fill("Text", "To the first.");
    person.press("Send the reply");
    person.expect("in reply to #1");
    person.expect("To the first.");
}

fn quote(stage: &mut Stage<'_>) {
    let name = format!("{}-author", stage.name);
    let mut author = stage.member(&name);
    let path = stage.topic(&mut author, "What is quoted", "Quotable words.");
    stage.as_member();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Quote #1");
    person.expect("You answer #1");
    assert!(person.value("Text").contains("> Quotable words."), "the quotation is there");
    person.append("Text", "Well said.");
    person.press("Send the reply");
    person.expect("Well said.");
    person.expect("Quotable words.");
    let quoted = person.reads("#p2 blockquote");
    assert!(quoted.contains("Quotable words."), "{quoted}");
}

fn edit_and_compare(stage: &mut Stage<'_>) {
    stage.as_member();
    let mut browser = stage.author();
    let path = stage.topic(&mut browser, "What is edited", "First words.");
    stage.person.be(&browser);
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Edit #1");
    person.expect("Edit post #1");
    person.fill("Text", "Better words.");
    person.fill("What you changed", "Clearer");
    person.press("Save the changes");
    person.expect("Better words.");
    person.follow("edited");
    person.expect("Version 2");
    person.follow("Version 1");
    person.expect("First words.");
    person.follow("All versions");
    person.expect("Clearer");
    person.choose("Compare version 1 as the older one");
    person.choose("Compare version 2 as the newer one");
    person.press("Compare the chosen ones");
    person.expect("Lines removed");
    person.expect("Better words.");
    person.follow("The post");
    person.expect("Better words.");
}

fn edit_what_another_edited(stage: &mut Stage<'_>) {
    let mut browser = stage.member(&stage.name.clone());
    let path = stage.topic(&mut browser, "Edited twice at once", "First words.");
    stage.person.be(&browser);
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Edit #1");
    person.expect("Edit post #1");
    let place = person.path();
    let other = browser.form(&place, &place).set("body", "Words of a window elsewhere.");
    assert_eq!(browser.submit(&other).status, 303);
    person.fill("Text", "My words.");
    person.press("Save the changes");
    person.expect("Somebody else changed this post while you wrote");
    assert_eq!(person.value("Text"), "My words.");
    person.append("Text", " And theirs.");
    person.press("Save the changes");
    person.expect("My words. And theirs.");
}

fn delete_and_restore(stage: &mut Stage<'_>) {
    let mut browser = stage.member(&stage.name.clone());
    let path = stage.topic(&mut browser, "What is deleted", "First words.");
    super::super::super::harness::town::answer(&mut browser, &path, "Regrettable words.");
    stage.person.be(&browser);
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Delete #2");
    person.expect("Delete this post?");
    person.follow("Cancel");
    person.expect("Regrettable words.");
    person.follow("Delete #2");
    person.press("Delete it");
    person.expect("This post was deleted");
    person.follow("Restore #2");
    person.expect("Restore this post?");
    person.press("Restore it");
    person.expect("Regrettable words.");
    person.reach(Control::Link("Delete #2"));
}

/// A guest is led to where one logs in, and back to where they were.
fn log_in_to_reply(stage: &mut Stage<'_>) {
    let mut author = stage.member(&stage.name.clone());
    let path = stage.topic(&mut author, "Who answers?", "A question.");
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Log in to reply");
    person.fill("User name", &stage.name);
    person.fill("Password", super::super::super::harness::people::PASSWORD);
    person.press("Log in");
    person.expect("Send the reply");
    person.fill("Text", "I do.");
    person.press("Send the reply");
    person.expect("I do.");
}
