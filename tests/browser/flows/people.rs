//! Joining, logging in and out, passwords and sessions.

use super::super::super::accounts::{link_in, mail_to};
use super::super::super::harness::people::PASSWORD;
use super::super::person::Person;
use super::{Flow, Stage};

/// These flows.
pub(super) const FLOWS: &[(&str, Flow)] = &[
    ("join", join),
    ("login", log_in_and_out),
    ("forgot", forget_and_reset),
    ("password", change_password),
    ("sessions", end_other_sessions),
];

/// Signs up and confirms the address.
pub(super) fn join(stage: &mut Stage<'_>) {
    let (address, person) = (format!("{}@example.org", stage.name), &mut stage.person);
    person.go("/login");
    person.follow("Sign up");
    person.expect("At least 8 characters");
    person.fill("User name", "a/b");
    person.fill("E-mail address", &address);
    person.fill("Password", PASSWORD);
    person.press("Sign up");
    person.expect("must not contain");
    person.fill("User name", &stage.name);
    person.fill("Password", PASSWORD);
    person.press("Sign up");
    person.expect("Look into your mailbox");
    let link = link_in(&mail_to(stage.server, &address), "verify");
    person.go(&link);
    person.press("Yes, confirm it");
    person.expect("Your e-mail address is confirmed");
}

pub(super) fn log_in(person: &mut Person, name: &str, password: &str) {
    person.go("/login");
    person.fill("User name", name);
    person.fill("Password", password);
    person.press("Log in");
}

fn log_in_and_out(stage: &mut Stage<'_>) {
    join(stage);
    let person = &mut stage.person;
    log_in(person, &stage.name, "not the password");
    person.expect("is wrong");
    person.fill("Password", PASSWORD);
    person.press("Log in");
    person.expect("Log out");
    person.follow("Latest");
    person.expect(&stage.name);
    person.press("Log out");
    person.expect("You are logged out");
}

fn forget_and_reset(stage: &mut Stage<'_>) {
    join(stage);
    let person = &mut stage.person;
    person.go("/login");
    person.follow("Forgotten password?");
    person.expect("Forgotten");
    person.fill("User name", &stage.name);
    person.press("Send the link");
    person.expect("If there is such an account");
    let address = format!("{}@example.org", stage.name);
    let mail = super::super::super::harness::wait_for("the mail", || {
        let mail = mail_to(stage.server, &address);
        mail.contains("/reset/").then_some(mail)
    });
    person.go(&link_in(&mail, "reset"));
    person.fill("New password", "quite other words");
    person.press("Change the password");
    person.expect("Your password is changed");
    person.fill("User name", &stage.name);
    person.fill("Password", "quite other words");
    person.press("Log in");
    person.expect("Log out");
}

fn change_password(stage: &mut Stage<'_>) {
    join(stage);
    log_in(&mut stage.person, &stage.name, PASSWORD);
    let person = &mut stage.person;
    person.expect("Log out");
    person.follow("Account");
    person.expect("Change the password");
    person.fill("Current password", "not it");
    person.fill("New password", "quite other words");
    person.press("Change the password");
    person.expect("not your password");
    person.fill("Current password", PASSWORD);
    person.fill("New password", "quite other words");
    person.press("Change the password");
    person.expect("Your password is changed");
}

fn end_other_sessions(stage: &mut Stage<'_>) {
    join(stage);
    let mut elsewhere = super::super::super::harness::browser::Browser::new(stage.server);
    assert_eq!(elsewhere.log_in(&stage.name, PASSWORD).status, 303);
    log_in(&mut stage.person, &stage.name, PASSWORD);
    let person = &mut stage.person;
    person.expect("Log out");
    person.follow("Account");
    person.expect("Where you are logged in");
    person.press("Log out everywhere else");
    person.expect("You are logged out everywhere else");
    assert_eq!(elsewhere.send("GET", "/account", &[], b"").status, 303);
}
