//! Links that are sent by mail, whose addresses are, invitations, and the outbox.

use veritable_domain::account::{Address, Scopes};
use veritable_domain::ids::UserId;
use veritable_domain::text::{Comment, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{
    Accounts, Administration, By, Command, Link, LinkKind, Mail, Outcome, Refusal,
};

use super::harness::{Community, Writer, column, number, refusal};
use super::people::{DAY_MS, administer, behind, in_future, own};

fn link(to: &str, hash: u8, kind: LinkKind) -> Link {
    let mail = Mail { to: Address::new(to).unwrap(), subject: "A link".into(), body: "it".into() };
    Link { hash: [hash; 32], kind, expires_at: in_future(), mail }
}

/// Somebody who joins and has not confirmed the address.
pub(super) fn join(client: &mut Client, name: &str) -> UserId {
    let address = Address::new(&format!("{name}@example.org")).unwrap();
    let mail = Mail { to: address.clone(), subject: "Confirm it".into(), body: "a link".into() };
    let hash = [name.as_bytes()[0]; 32];
    let link = Link { hash, kind: LinkKind::Verify, expires_at: in_future(), mail };
    let join = Accounts::SignUp {
        name: UserName::new(name).unwrap(),
        address: Some(address),
        password_hash: "$scrypt$".into(),
        invitation: None,
        waits_for_approval: false,
        link: Some(link),
    };
    match client.call(Command::accounts(By::OPERATOR, join)).unwrap() {
        Outcome::UserCreated { user } => user,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_leaves_the_outbox_when_it_was_sent_or_is_given_up() {
    let writer = Writer::start();
    let client = &mut writer.client();
    join(client, "mia");
    let db = writer.forums();
    let message = number(&db, "SELECT id FROM outbox");
    let later = in_future();
    let failed = |next_at| Accounts::MailFailed { message, error: "no answer".into(), next_at };
    client.call(Command::accounts(By::OPERATOR, failed(Some(later)))).unwrap();
    let waiting = format!(
        "SELECT count(*) FROM outbox WHERE attempts = 1 AND error = 'no answer' AND next_at = {}",
        later.0
    );
    assert_eq!(number(&db, &waiting), 1);
    client.call(Command::accounts(By::OPERATOR, failed(None))).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM outbox"), 0);
    join(client, "otto");
    let message = number(&db, "SELECT id FROM outbox");
    client.call(Command::accounts(By::OPERATOR, Accounts::MailSent { message })).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM outbox"), 0);
}

#[test]
fn whatever_takes_an_account_back_ends_every_link_that_was_asked_for_before() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let address = Address::new("mia@example.org").unwrap();
    client.call(own(here.member, Accounts::ChangeAddress { address, link: None, notice: None })).unwrap();
    let scopes = Scopes::ALL;
    let token = |hash: u8| Accounts::CreateApiToken {
        user: here.member,
        name: "bot".into(),
        hash: [hash; 32],
        scopes,
        expires_at: None,
        notice: None,
    };
    client.call(own(here.member, token(1))).unwrap();
    let user = here.member;
    let empty = || Comment::truncated("");
    let offer = |hash: u8| Administration::OfferPassword {
        user,
        hash: [hash; 32],
        expires_at: in_future(),
        mail: None,
    };
    let verify =
        |hash: u8| Command::accounts(By::OPERATOR, Accounts::Verify { hash: [hash; 32], notice: None });
    let reset = |hash: u8| {
        let reset = Accounts::ResetPassword { hash: [hash; 32], password_hash: "$scrypt$new".into() };
        Command::accounts(By::OPERATOR, reset)
    };
    // Somebody who has the password asks for an address of their own; what the owner and administrators do ends it.
    let ways = [
        vec![reset(101)],
        vec![administer(here.administrator, offer(50))],
        vec![administer(here.administrator, Administration::EndSessions { user })],
        vec![
            administer(
                here.administrator,
                Administration::SetDisabled { user, disabled: true, reason: empty() },
            ),
            administer(
                here.administrator,
                Administration::SetDisabled { user, disabled: false, reason: empty() },
            ),
        ],
    ];
    for (n, way) in (1_u8..).zip(ways) {
        let theirs = link("mallory@example.org", n, LinkKind::Verify);
        let address = theirs.mail.to.clone();
        client
            .call(own(user, Accounts::ChangeAddress { address, link: Some(theirs), notice: None }))
            .unwrap();
        let link = link("mia@example.org", 100 + n, LinkKind::Reset);
        client.call(Command::accounts(By::OPERATOR, Accounts::SendLink { user, link })).unwrap();
        for command in way {
            client.call(command).unwrap();
        }
        assert_eq!(refusal(client, verify(n)), Refusal::LinkDead, "way {n}");
        assert_eq!(refusal(client, reset(100 + n)), Refusal::LinkDead, "way {n}");
    }
    let db = writer.forums();
    let sql = format!("SELECT address FROM users WHERE id = {user}");
    assert_eq!(column::<String>(&db, &sql), ["mia@example.org"]);
    assert_eq!(number(&db, "SELECT count(*) FROM api_tokens WHERE revoked_at IS NULL"), 0);
}

#[test]
fn an_address_is_whose_it_was_shown_to_be_and_the_old_one_is_told() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let verify =
        |hash: u8, notice| Command::accounts(By::OPERATOR, Accounts::Verify { hash: [hash; 32], notice });
    // Two may say that an address is theirs; it is the one's who shows it first.
    let join = |name: &str, hash: u8| {
        let link = link("mia@example.org", hash, LinkKind::Verify);
        Command::accounts(
            By::OPERATOR,
            Accounts::SignUp {
                name: UserName::new(name).unwrap(),
                address: Some(link.mail.to.clone()),
                password_hash: "$scrypt$".into(),
                invitation: None,
                waits_for_approval: false,
                link: Some(link),
            },
        )
    };
    let Outcome::UserCreated { user } = client.call(join("mia", 1)).unwrap() else { panic!("mia") };
    let Outcome::UserCreated { .. } = client.call(join("mallory", 2)).unwrap() else { panic!("mallory") };
    client.call(verify(1, None)).unwrap();
    assert_eq!(refusal(client, verify(2, None)), Refusal::AddressTaken);
    assert_eq!(client.call(join("eve", 3)).unwrap(), Outcome::Account { user });
    assert_eq!(refusal(client, verify(3, None)), Refusal::LinkDead, "it was not sent");
    assert_eq!(refusal(client, join("Eve", 4)), Refusal::NameTaken, "as if the address had been free");
    let db = writer.forums();
    assert_eq!(number(&db, "SELECT count(*) FROM users WHERE address_key = 'mia@example.org'"), 1);
    behind(&writer, &format!("UPDATE users SET created_at = {}", UnixMillis::now().0 - 8 * DAY_MS));
    client.call(Command::accounts(By::OPERATOR, Accounts::ForgetOld)).unwrap();
    assert_eq!(column::<String>(&db, "SELECT name FROM users WHERE erased_at IS NULL"), ["mia"]);
    // The old address is told when another takes its place, and no other is.
    let to = |address: &str| link(address, 0, LinkKind::Verify).mail;
    let change = |hash: u8, address: &str| {
        let link = link(address, hash, LinkKind::Verify);
        let address = link.mail.to.clone();
        own(user, Accounts::ChangeAddress { address, link: Some(link), notice: None })
    };
    let told = |address: &str| {
        number(&writer.forums(), &format!("SELECT count(*) FROM outbox WHERE address = '{address}'"))
    };
    client.call(change(5, "new@example.org")).unwrap();
    let before = (told("mia@example.org"), told("else@example.org"));
    client.call(verify(5, Some(to("mia@example.org")))).unwrap();
    client.call(change(6, "newer@example.org")).unwrap();
    client.call(verify(6, Some(to("else@example.org")))).unwrap();
    assert_eq!((told("mia@example.org"), told("else@example.org")), (before.0 + 1, before.1));
}

#[test]
fn a_dead_invitation_is_refused_before_anything_else_is_looked_at() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let address = Address::new("mia@example.org").unwrap();
    client.call(own(here.member, Accounts::ChangeAddress { address, link: None, notice: None })).unwrap();
    for (name, address) in
        [("new", "new@example.org"), ("new", "mia@example.org"), ("Mia", "new@example.org")]
    {
        for with_link in [false, true] {
            let link = link(address, 1, LinkKind::Verify);
            let join = Accounts::SignUp {
                name: UserName::new(name).unwrap(),
                address: Some(link.mail.to.clone()),
                password_hash: "$scrypt$".into(),
                invitation: Some([77; 32]),
                waits_for_approval: false,
                link: with_link.then_some(link),
            };
            assert_eq!(
                refusal(client, Command::accounts(By::OPERATOR, join)),
                Refusal::LinkDead,
                "{name} {address}"
            );
        }
    }
}
