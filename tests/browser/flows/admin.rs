//! What administrators do: accounts, groups, categories, invitations, approvals, and the log of it all.

use super::super::super::harness::people::PASSWORD;
use super::super::person::Control;
use super::people::log_in;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[
    ("users", change_an_account),
    ("groups", make_fill_and_delete_a_group),
    ("categories", make_change_and_order_categories),
    ("invitations", invite_and_take_back),
    ("approvals", approve_and_turn_away),
    ("erase", delete_somebody),
];

/// The page of an account, found by its name.
fn find(stage: &mut Stage<'_>, name: &str) {
    let person = &mut stage.person;
    person.go("/");
    person.follow("Administration");
    person.follow("Users");
    person.fill("Name or e-mail address", name);
    person.press("Find");
    person.follow(name);
    person.expect("Last seen");
}

fn change_an_account(stage: &mut Stage<'_>) {
    let name = stage.name.clone();
    let _logged_in = stage.member(&name);
    stage.as_administrator();
    find(stage, &name);
    let person = &mut stage.person;
    person.select("Role", "moderator");
    person.press("Change the role");
    person.expect("The role is changed");
    person.press("End all sessions");
    person.expect("Its sessions are ended");
    person.press("Show a link for a new password");
    person.expect("whoever has it chooses the password");
    person.follow(&name);
    person.fill("Why", "Spam");
    person.press("Switch it off");
    person.expect("The account is switched off");
    person.follow("What was done to it");
    person.expect("user.role");
    person.expect("Spam");
    find(stage, &name);
    let person = &mut stage.person;
    person.press("Switch it on again");
    person.expect("The account is switched on again");
    let person = stage.as_guest();
    log_in(person, &name, PASSWORD);
    person.expect("Moderation");
}

fn make_fill_and_delete_a_group(stage: &mut Stage<'_>) {
    let name = stage.name.clone();
    let _logged_in = stage.member(&name);
    let group = format!("Group {name}");
    stage.as_administrator();
    let person = &mut stage.person;
    person.go("/admin");
    person.follow("Groups");
    person.expect("There are no groups yet");
    person.fill("Name", &group);
    person.fill("Description", "Who has a key");
    person.press("Make the group");
    person.expect("It is made");
    person.expect("Nobody is in it.");
    person.is_refused("User name", "nobody there", "Take in", "no such");
    person.fill("User name", &name);
    person.press("Take in");
    person.reach(Control::ButtonOf(&name, "Take out"));
    person.press("Take out");
    person.expect("Nobody is in it.");
    find(stage, &name);
    let person = &mut stage.person;
    person.tick(&group);
    person.press("Change the groups");
    person.expect("The groups are changed");
    person.go("/admin/groups");
    person.follow(&group);
    person.fill("Description", "Who has keys");
    person.press("Save the group");
    person.expect("It is saved");
    person.press("Delete the group");
    person.expect("It is deleted");
    person.expect("There are no groups yet");
}

fn make_change_and_order_categories(stage: &mut Stage<'_>) {
    let name = format!("Category {}", stage.name);
    stage.as_administrator();
    let person = &mut stage.person;
    person.go("/admin");
    person.follow("Categories");
    person.is_refused("Name", " ", "Make the category", "empty");
    person.fill("Name", &name);
    person.fill("Description", "For whatever");
    person.press("Make the category");
    person.expect("It is made");
    person.enter(Control::ButtonOf(&name, "Up"));
    person.reach(Control::ButtonOf(&name, "Down"));
    person.follow(&name);
    person.fill("Description", "For nearly whatever");
    person.tick("Locked");
    person.press("Save the category");
    person.expect("It is saved");
    person.expect("For nearly whatever");
    person.go("/");
    person.follow(&name);
    person.expect("locked");
    person.expect("No topics yet");
}

fn invite_and_take_back(stage: &mut Stage<'_>) {
    let name = stage.name.clone();
    stage.as_administrator();
    let person = &mut stage.person;
    person.go("/admin");
    person.follow("Invitations");
    for note in [format!("For {name}"), format!("For nobody, {name}")] {
        person.go("/invitations");
        person.fill("For whom", &note);
        person.select("It ends", "in 7 days");
        person.press("Make a link");
        person.expect("shown only now");
    }
    person.go("/invitations");
    person.enter(Control::ButtonOf(&format!("For nobody, {name}"), "Take it back"));
    person.expect("The invitation is taken back");
    person.fill("For whom", &format!("Once more for {name}"));
    person.press("Make a link");
    person.expect("shown only now");
    let link = person.reads("code.secret");
    let path = link[link.find("/signup").unwrap()..].to_owned();
    let person = stage.as_guest();
    person.go(&path);
    person.expect("You are invited");
    person.fill("User name", &name);
    person.fill("E-mail address", &format!("{name}@example.org"));
    person.fill("Password", PASSWORD);
    person.press("Sign up");
    person.expect("Look into your mailbox");
}

fn approve_and_turn_away(stage: &mut Stage<'_>) {
    let (name, other) = (format!("{}-good", stage.name), format!("{}-bad", stage.name));
    let db = rusqlite::Connection::open(stage.server.data_dir.join("forums.db")).unwrap();
    db.busy_timeout(super::super::super::harness::PATIENCE).unwrap();
    for name in [&name, &other] {
        let _logged_in = stage.member(name);
        // As they are where the site asks for approval.
        let sql = "UPDATE users SET approved_at = NULL WHERE name_key = ?1";
        assert_eq!(db.execute(sql, [name]).unwrap(), 1);
    }
    stage.as_administrator();
    let person = &mut stage.person;
    person.go("/");
    person.follow("Administration");
    person.follow("2 accounts wait for approval");
    person.enter(Control::ButtonOf(&name, "Approve"));
    person.expect("The account is approved");
    person.enter(Control::ButtonOf(&other, "Turn away"));
    person.expect("turned away and deleted");
    person.expect("Nobody waits");
    let person = stage.as_guest();
    log_in(person, &name, PASSWORD);
    person.expect("Log out");
}

fn delete_somebody(stage: &mut Stage<'_>) {
    let name = stage.name.clone();
    let mut member = stage.member(&name);
    let path = stage.topic(&mut member, "What stays", "Words that stay.");
    stage.as_administrator();
    find(stage, &name);
    let person = &mut stage.person;
    person.tick("Forget this person for good");
    person.press("Delete the account");
    person.expect("The account is deleted");
    person.go(&path);
    person.expect("Words that stay.");
    person.expect_not(&name);
    person.go("/admin");
    person.follow("Audit log");
    person.fill("What", "user.erase");
    person.press("Find");
    person.expect("user.erase");
}
