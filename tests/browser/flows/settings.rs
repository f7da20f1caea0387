//! What people do with their own accounts: a second factor, names and addresses, tokens, their data, their end.

use super::super::super::account_settings::code;
use super::super::super::accounts::{link_in, mail_to};
use super::super::super::harness::people::PASSWORD;
use super::super::super::harness::wait_for;
use super::super::person::Control;
use super::people::log_in;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[
    ("second-factor", second_factor),
    ("name-and-address", change_name_and_address),
    ("tokens", make_and_end_a_token),
    ("data", take_data_away),
    ("delete-account", delete_account),
];

fn second_factor(stage: &mut Stage<'_>) {
    stage.as_member();
    let person = &mut stage.person;
    person.go("/account");
    person.follow("Second factor");
    person.press("Set it up");
    person.expect("Scan this picture");
    let secret = person.reads("code.secret");
    person.fill("Code", "000000");
    person.fill("Your password", PASSWORD);
    person.press("Switch it on");
    person.expect("not the code that the app shows");
    person.fill("Code", &code(&secret, 0));
    person.fill("Your password", PASSWORD);
    person.press("Switch it on");
    person.expect("Keep these recovery codes");
    let recovery = person.reads(".codes code");
    person.follow("I have kept them");
    person.expect("10 recovery codes");
    for (wrong, right) in [("000000", code(&secret, 1)), ("nothing", recovery)] {
        person.press("Log out");
        person.expect("You are logged out");
        log_in(person, &stage.name, PASSWORD);
        person.expect("Enter your code");
        person.fill("Code", wrong);
        person.press("Log in");
        person.expect("This code is wrong");
        person.fill("Code", &right);
        person.press("Log in");
        person.expect("Log out");
    }
    person.go("/account/second-factor");
    person.expect("9 recovery codes");
    person.fill("Your password", PASSWORD);
    person.press("Make new codes");
    person.expect("Your new recovery codes");
    person.follow("I have kept them");
    person.expect("10 recovery codes");
    person.reach(Control::Button("Make new codes"));
    person.chromium.press("Tab");
    person.fill("Your password", PASSWORD);
    person.press("Switch it off");
    person.expect("Your password alone is asked for");
}

fn change_name_and_address(stage: &mut Stage<'_>) {
    stage.as_member();
    let person = &mut stage.person;
    person.go("/");
    person.follow("Account");
    person.expect("Display name");
    let called = format!("Somebody {}", stage.name);
    person.fill("How you are called", &called);
    person.press("Save the name");
    person.expect("You are called otherwise now");
    person.follow(&stage.name);
    person.expect(&called);
    person.follow("Account");
    let address = format!("{}-new@example.org", stage.name);
    person.fill("New e-mail address", &address);
    person.fill("Your password", "not it");
    person.press("Change the address");
    person.expect("not your password");
    person.fill("New e-mail address", &address);
    person.fill("Your password", PASSWORD);
    person.press("Change the address");
    person.expect("Look into your mailbox");
    let link = link_in(&mail_to(stage.server, &address), "verify");
    person.go(&link);
    person.press("Yes, confirm it");
    person.expect("Your e-mail address is confirmed");
    person.go("/account");
    person.expect(&address);
}

fn make_and_end_a_token(stage: &mut Stage<'_>) {
    stage.as_member();
    let person = &mut stage.person;
    person.go("/account");
    person.follow("API tokens");
    person.expect("You have no tokens");
    person.fill("What for", "A program of mine");
    person.tick("read what you may read");
    person.fill("Your password", PASSWORD);
    person.press("Make the token");
    person.expect("has to be for something");
    person.fill("What for", "A program of mine");
    person.fill("Your password", PASSWORD);
    // What was ticked is kept, and so is what was not.
    person.tick("read what you may read");
    person.tick("post and edit as you");
    person.select("It ends", "in 30 days");
    person.press("Make the token");
    person.expect("It is shown only now");
    let token = person.reads("code.secret");
    let asked = || {
        let bearer = format!("Authorization: Bearer {token}");
        stage.server.connect().send("GET", "/api/me", &[&bearer, "Connection: close"], b"").unwrap().status
    };
    person.follow("API tokens");
    person.expect("for read, write");
    assert_eq!(asked(), 200);
    person.enter(Control::ButtonOf("A program of mine", "End it"));
    person.expect("That token is ended");
    assert_eq!(asked(), 401);
}

fn take_data_away(stage: &mut Stage<'_>) {
    stage.as_member();
    let dir = tempfile::tempdir().unwrap();
    let person = &mut stage.person;
    let allowed = serde_json::json!({"behavior": "allow", "downloadPath": dir.path()});
    person.chromium.call("Page.setDownloadBehavior", allowed);
    person.go("/account");
    person.follow("Your data");
    person.expect("what you wrote");
    person.follow("Download your data");
    let data = wait_for("the file", || {
        let file = std::fs::read_dir(dir.path()).unwrap().next()?.unwrap().path();
        serde_json::from_slice::<serde_json::Value>(&std::fs::read(file).ok()?).ok()
    });
    assert!(data.to_string().contains(&stage.name), "{data}");
}

fn delete_account(stage: &mut Stage<'_>) {
    stage.as_member();
    let person = &mut stage.person;
    person.go("/account");
    person.follow("Delete");
    person.expect("What you wrote stays");
    person.fill("Your password", "not it");
    person.tick("I am sure");
    person.press("Delete my account");
    person.expect("not your password");
    person.fill("Your password", PASSWORD);
    person.tick("I am sure");
    person.press("Delete my account");
    person.expect("Your account is deleted");
    log_in(person, &stage.name, PASSWORD);
    person.expect("is wrong");
}
