//! Writing the wiki: pages made, edited as a whole and by section, fought over, moved, reverted, protected, deleted.

use super::super::super::harness::browser::Browser;
use super::super::super::wiki_writing::saved;
use super::super::person::Control;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[
    ("page-create", create_a_page),
    ("page-edit", edit_with_a_preview),
    ("page-draft", keep_a_draft),
    ("section", edit_a_section),
    ("conflict", edit_the_same_lines),
    ("merge", edit_other_lines),
    ("move", move_with_a_redirect),
    ("revert", compare_and_revert),
    ("protect", protect),
    ("page-delete", delete_and_restore),
];

/// A page with a text, made by the flow's member; the person is that member, and looks at it.
fn page(stage: &mut Stage<'_>, text: &str) -> Browser {
    let mut member = stage.member(&stage.name.clone());
    saved(&mut member, &title(stage).replace(' ', "_"), text);
    stage.person.be(&member);
    stage.person.go(&format!("/wiki/{}", title(stage)));
    member
}

fn title(stage: &Stage<'_>) -> String {
    format!("Page {}", stage.name)
}

fn create_a_page(stage: &mut Stage<'_>) {
    stage.as_member();
    let title = title(stage);
    let person = &mut stage.person;
    person.go("/wiki");
    person.follow("All pages");
    person.expect("All wiki pages");
    person.fill("Title of a page", &title);
    person.press("Go to it");
    person.expect("This page does not exist yet");
    person.follow("Create this page");
    person.expect("Create");
    person.fill("Text", "## First\n\nSee [[Backups]] and [[Nothing there]].");
    person.press("Preview");
    person.expect("See Backups and Nothing there.");
    person.fill("What you changed", "It was missing");
    person.press("Create the page");
    // The preview said so too.
    person.expect_not("What you changed");
    person.expect("See Backups and Nothing there.");
    person.follow("Backups");
    person.follow("Links here");
    person.expect(&title);
    person.follow("Changes");
    person.expect("It was missing");
}

fn edit_with_a_preview(stage: &mut Stage<'_>) {
    page(stage, "First words.");
    let person = &mut stage.person;
    person.follow("Edit");
    person.expect("Edit “");
    person.fill("Text", "Better *words*.");
    person.press("Preview");
    person.expect("Better words.");
    person.expect("What you change");
    person.fill("What you changed", "Clearer");
    person.tick("Only a small correction");
    person.press("Save");
    person.expect_not("What you changed");
    person.expect("Better words.");
    person.follow("History");
    person.expect("Clearer");
    person.expect("minor");
    person.follow("Source");
    person.expect("Better *words*.");
}

fn keep_a_draft(stage: &mut Stage<'_>) {
    page(stage, "First words.");
    let title = title(stage);
    let person = &mut stage.person;
    person.follow("Edit");
    person.fill("Text", "Unfinished");
    person.press("Save draft");
    person.expect(if person.scripts { "Draft saved" } else { "Your draft is kept" });
    person.follow("Account");
    person.follow("Drafts");
    person.follow(&title);
    person.expect("This is your draft");
    assert_eq!(person.value("Text"), "Unfinished");
    person.press("Throw it away");
    person.expect("You have no drafts");
}

fn edit_a_section(stage: &mut Stage<'_>) {
    page(stage, "## Bread\n\nFlour.\n\n## Soup\n\nWater.");
    let person = &mut stage.person;
    person.follow("edit section Soup");
    person.expect("Edit “");
    assert!(!person.value("Text").contains("Flour"), "a section alone is edited");
    person.append("Text", "\n\nAnd salt.");
    person.press("Save");
    person.expect("And salt.");
    person.expect("Flour.");
}

fn edit_the_same_lines(stage: &mut Stage<'_>) {
    let mut member = page(stage, "One line.");
    let title = title(stage).replace(' ', "_");
    let person = &mut stage.person;
    person.follow("Edit");
    person.expect("Edit “");
    saved(&mut member, &title, "The line of another.");
    person.fill("Text", "My own line.");
    person.press("Save");
    person.expect("changed this page while you wrote");
    let text = person.value("Text");
    assert!(
        text.contains("<<<<<<<") && text.contains("My own line.") && text.contains("The line of another.")
    );
    person.press("Save");
    person.expect("There are still marks");
    person.fill("Text", "The line of both.");
    person.press("Save");
    person.expect_not("changed this page while you wrote");
    person.expect("The line of both.");
}

fn edit_other_lines(stage: &mut Stage<'_>) {
    let mut member = page(stage, "One.\n\nTwo.\n\nThree.\n\nFour.");
    let title = title(stage).replace(' ', "_");
    let person = &mut stage.person;
    person.follow("Edit");
    person.expect("Edit “");
    saved(&mut member, &title, "First.\n\nTwo.\n\nThree.\n\nFour.");
    person.append("Text", " Last.");
    person.press("Save");
    person.expect("Both changes fit together");
    assert!(person.value("Text").starts_with("First."), "the merged text is offered");
    person.press("Save");
    person.expect_not("Both changes fit together");
    person.expect("First.");
    person.expect("Four. Last.");
}

fn move_with_a_redirect(stage: &mut Stage<'_>) {
    page(stage, "Words that move.");
    let (old, new) = (title(stage), format!("Moved {}", stage.name));
    let person = &mut stage.person;
    person.follow("Move");
    person.expect("Move “");
    person.is_refused("New title", "Backups", "Move it", "There is a page of that title already");
    person.fill("New title", &new);
    person.fill("Why", "A better name");
    person.press("Move it");
    person.expect_not("Move “");
    person.expect("Words that move.");
    person.go(&format!("/wiki/{old}"));
    person.expect("Redirected from");
    person.follow(&old);
    // The page that it led to named the old one, too.
    person.expect_not("Redirected from");
    person.expect(&old);
    person.expect(&new);
}

fn compare_and_revert(stage: &mut Stage<'_>) {
    let mut member = page(stage, "First words.");
    for text in ["Second words.", "Vandalism."] {
        saved(&mut member, &title(stage).replace(' ', "_"), text);
    }
    let person = &mut stage.person;
    person.follow("History");
    person.expect("The older one is chosen on the left");
    person.choose("From the revision of");
    person.press("Compare the chosen ones");
    person.expect("Second words.");
    person.expect("Vandalism.");
    person.follow("go back to the first");
    person.expect("What this changes");
    person.press("Revert to it");
    person.expect_not("What this changes");
    person.expect("Second words.");
    person.expect_not("Vandalism.");
    person.follow("History");
    person.expect("Back to the revision of");
}

fn protect(stage: &mut Stage<'_>) {
    let member = page(stage, "Contested words.");
    let path = format!("/wiki/{}", title(stage));
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Protect");
    person.expect("Only moderators will be able to change or move it");
    person.fill("Why", "A quarrel");
    person.press("Protect it");
    person.expect("protected");
    person.be(&member);
    person.go(&path);
    person.follow("History");
    person.expect("A quarrel");
    let edit = person.chromium.value("[...document.links].some(link => link.textContent === 'Edit')");
    assert_eq!(edit, false, "members are not offered what they may not do");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Unprotect");
    person.press("Open it");
    person.reach(Control::Link("Protect"));
}

fn delete_and_restore(stage: &mut Stage<'_>) {
    page(stage, "Words that go.");
    let title = title(stage);
    let path = format!("/wiki/{title}");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go(&path);
    person.follow("Delete");
    person.expect("Moderators can bring it back");
    person.fill("Why", "A copy of another");
    person.press("Delete it");
    person.expect("A copy of another");
    person.enter(Control::LinkBeginning("Moderation"));
    person.follow("Deleted pages");
    person.follow(&title);
    person.expect("Words that go.");
    person.press("Restore it with its history");
    // Its text stood on the page before, too.
    person.expect_not("Restore it with its history");
    person.expect("Words that go.");
    person.reach(Control::Link("Protect"));
}
