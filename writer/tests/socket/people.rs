//! Accounts: what is forgotten and what stays, second factors, and who may keep others' accounts.

use rusqlite::Connection;
use veritable_domain::account::Address;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Denial, Role};
use veritable_domain::tag::Tag;
use veritable_domain::text::{Comment, DisplayName, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{
    Accounts, Administration, By, Command, Factor, Forum, IdempotencyKey, Import, ImportUser, Mail,
    NewSession, Refusal, ToWriter,
};

use super::batching::{LATE, Wire};
use super::harness::{Community, Writer, column, edit_post, import, number, refusal, reply, topic, user};
use super::links::join;

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn administer(by: UserId, change: Administration) -> Command {
    Command::administration(By::user(by), change)
}

pub(super) fn own(by: UserId, change: Accounts) -> Command {
    Command::accounts(By::user(by), change)
}

pub(super) fn in_future() -> UnixMillis {
    UnixMillis(UnixMillis::now().0 + DAY_MS)
}

pub(super) fn open(user: UserId, token: u8, factor: Factor) -> Command {
    let session =
        NewSession { hash: [token; 32], csrf: [1; 16], expires_at: in_future(), user_agent: "a test".into() };
    Command::accounts(By::OPERATOR, Accounts::OpenSession { user, session, factor, replaces: None })
}

/// Changes the database behind the writer's back: time passes.
pub(super) fn behind(writer: &Writer, sql: &str) {
    let db = Connection::open(writer.config.forums_db()).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
fn what_is_too_old_is_forgotten_and_what_is_not_stays() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (late, fresh) = (join(client, "late"), join(client, "fresh"));
    client.call(open(here.member, 1, Factor::None)).unwrap();
    client.call(open(here.member, 2, Factor::None)).unwrap();
    for place in [1, 2] {
        let place = veritable_domain::draft::Place::Topic(veritable_domain::ids::CategoryId(place));
        client.call(own(here.member, Accounts::SaveDraft { place, body: vec![0] })).unwrap();
    }
    for (hash, days) in [(7, -100), (8, -10), (9, 1)] {
        let expires_at = UnixMillis(UnixMillis::now().0 + days * DAY_MS);
        let note = Comment::truncated("");
        let invite = Administration::Invite { hash: [hash; 32], role: Role::Member, note, expires_at };
        client.call(administer(here.moderator, invite)).unwrap();
    }
    let now = UnixMillis::now().0;
    behind(
        &writer,
        &format!(
            "UPDATE users SET created_at = {0} WHERE id = {late};
             UPDATE users SET created_at = {0} WHERE id = {1};
             UPDATE sessions SET expires_at = {now} WHERE token_hash = x'{2}';
             UPDATE links SET expires_at = {now} WHERE user_id = {late};
             UPDATE drafts SET updated_at = {3} WHERE place = 'topic:1';",
            now - 8 * DAY_MS,
            here.other,
            "01".repeat(32),
            now - 400 * DAY_MS,
        ),
    );
    client.call(Command::accounts(By::OPERATOR, Accounts::ForgetOld)).unwrap();
    let db = writer.forums();
    assert_eq!(column::<i64>(&db, "SELECT id FROM users WHERE erased_at IS NOT NULL"), [late.0]);
    assert_eq!(
        number(&db, &format!("SELECT count(*) FROM users WHERE id = {fresh} AND erased_at IS NULL")),
        1
    );
    assert_eq!(column::<Vec<u8>>(&db, "SELECT token_hash FROM sessions"), [vec![2; 32]]);
    assert_eq!(column::<i64>(&db, "SELECT user_id FROM links"), [fresh.0]);
    assert_eq!(column::<String>(&db, "SELECT place FROM drafts"), ["topic:2"]);
    assert_eq!(
        column::<Vec<u8>>(&db, "SELECT hash FROM invitations ORDER BY id"),
        [vec![8; 32], vec![9; 32]]
    );
    // The name is free again.
    join(client, "late");
}

#[test]
fn an_account_that_is_named_nowhere_is_forgotten_without_a_loss_to_the_cache() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (_, only_deleted) = topic(client, here.other, here.category, "Theirs");
    let (in_topic, kept) = topic(client, here.administrator, here.category, "Ours");
    let (answer, _) = reply(client, here.other, in_topic, None);
    for post in [answer, only_deleted] {
        client.call(Command::forum(By::user(here.other), Forum::DeletePost { post })).unwrap();
    }
    client.call(edit_post(here.moderator, kept, 1, "better words")).unwrap();
    let late = join(client, "late");
    let old = UnixMillis::now().0 - 8 * DAY_MS;
    behind(&writer, &format!("UPDATE users SET created_at = {old} WHERE id = {late}"));
    let mut watcher = Wire::connect(&writer);
    watcher.send(&ToWriter::Subscribe);
    watcher.request(1, IdempotencyKey::fresh(), LATE, Command::Ping);
    watcher.reply();
    let mut touched = |command: Command| {
        client.call(command).unwrap();
        watcher.event().tags
    };
    let own_tags = |user: UserId| vec![Tag::Account(user), Tag::User(user)];
    let forget = Command::accounts(By::OPERATOR, Accounts::ForgetOld);
    assert_eq!(touched(forget), own_tags(late), "an address that nobody confirmed");
    assert_eq!(touched(own(here.member, Accounts::Erase)), own_tags(here.member), "never wrote");
    for user in [here.other, here.moderator] {
        let tags = touched(own(user, Accounts::Erase));
        assert!(tags.contains(&Tag::Site) && tags.contains(&Tag::User(user)), "{tags:?}");
    }
}

#[test]
fn of_a_person_who_is_gone_nothing_is_left_but_what_was_written() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    topic(client, here.member, here.category, "Mine");
    let address = Address::new("mia@example.org").unwrap();
    let notice = Some(Mail { to: address.clone(), subject: "s".into(), body: "b".into() });
    client.call(own(here.member, Accounts::ChangeAddress { address, link: None, notice })).unwrap();
    client.call(open(here.member, 1, Factor::None)).unwrap();
    client.call(own(here.member, Accounts::BeginTotp { secret: [5; 20] })).unwrap();
    let by = By { user: Some(here.moderator), address: "192.0.2.7".into() };
    let note = Comment::truncated("for Mia");
    let invite = Administration::Invite { hash: [3; 32], role: Role::Member, note, expires_at: in_future() };
    client.call(Command::administration(by, invite)).unwrap();
    client.call(own(here.member, Accounts::Erase)).unwrap();
    client.call(administer(here.administrator, Administration::Erase { user: here.moderator })).unwrap();
    let db = writer.forums();
    let name = format!("deleted user {}", here.member);
    assert_eq!(column::<String>(&db, "SELECT name FROM users WHERE post_count > 0"), [name]);
    for table in ["sessions", "links", "drafts", "outbox", "recovery_codes", "api_tokens"] {
        assert_eq!(number(&db, &format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    let kept = "SELECT count(*) FROM users WHERE erased_at IS NOT NULL AND (address IS NOT NULL OR display_name <> ''
                OR password_hash IS NOT NULL OR totp_secret IS NOT NULL OR role <> 1)";
    assert_eq!(number(&db, kept), 0);
    assert_eq!(number(&db, "SELECT count(*) FROM audit WHERE address <> ''"), 0);
    let refused = refusal(client, own(here.member, Accounts::Erase));
    assert_eq!(refused, Refusal::Denied(Denial::LoginRequired), "whoever is gone may nothing");
    let last =
        refusal(client, administer(here.administrator, Administration::Erase { user: here.administrator }));
    assert_eq!(last, Refusal::LastAdministrator);
}

#[test]
fn a_step_of_time_and_a_recovery_code_are_good_once() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    client.call(own(here.member, Accounts::BeginTotp { secret: [5; 20] })).unwrap();
    // Not before it is confirmed, and only what is being set up can be.
    client.call(open(here.member, 1, Factor::None)).unwrap();
    let confirm = |secret: u8| Accounts::ConfirmTotp {
        secret: [secret; 20],
        step: 100,
        codes: vec![[7; 32], [8; 32]],
        session: None,
        notice: None,
    };
    assert!(matches!(refusal(client, own(here.member, confirm(6))), Refusal::Conflict { .. }));
    client.call(own(here.member, confirm(5))).unwrap();
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM sessions"), 0);
    assert!(matches!(refusal(client, own(here.member, confirm(5))), Refusal::Conflict { .. }));
    let begin = own(here.member, Accounts::BeginTotp { secret: [9; 20] });
    assert!(matches!(refusal(client, begin), Refusal::Conflict { .. }), "one that is on is not replaced");
    for (token, factor, good) in [
        (1, Factor::None, false),
        (2, Factor::Totp { step: 100 }, false),
        (3, Factor::Totp { step: 101 }, true),
        (4, Factor::Totp { step: 101 }, false),
        (5, Factor::Totp { step: 99 }, false),
        (6, Factor::Recovery { hash: [7; 32] }, true),
        (7, Factor::Recovery { hash: [7; 32] }, false),
        (8, Factor::Recovery { hash: [1; 32] }, false),
        (9, Factor::Recovery { hash: [8; 32] }, true),
    ] {
        let result = client.call(open(here.member, token, factor));
        assert_eq!(result.is_ok(), good, "{factor:?}: {result:?}");
    }
}

#[test]
fn an_administrator_who_cannot_log_in_is_not_the_one_who_is_left() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    behind(
        &writer,
        &format!("UPDATE users SET password_hash = '$scrypt$' WHERE id = {}", here.administrator),
    );
    let second = user(client, "Second", Role::Administrator);
    let last = || administer(here.administrator, Administration::Erase { user: here.administrator });
    for unfit in ["password_hash = NULL", "verified_at = NULL", "approved_at = NULL", "disabled_at = 1"] {
        let fit = "password_hash = '$scrypt$', verified_at = 1, approved_at = 1, disabled_at = NULL";
        behind(
            &writer,
            &format!(
                "UPDATE users SET {fit} WHERE id = {second}; UPDATE users SET {unfit} WHERE id = {second}"
            ),
        );
        assert_eq!(refusal(client, last()), Refusal::LastAdministrator, "{unfit}");
    }
    // One whose address was not confirmed in time is kept where there is no other.
    behind(
        &writer,
        &format!(
            "UPDATE users SET verified_at = NULL, address = 'a@example.org', created_at = 1, disabled_at = NULL WHERE id = {second};
             UPDATE users SET disabled_at = 1 WHERE id = {}",
            here.administrator
        ),
    );
    client.call(Command::accounts(By::OPERATOR, Accounts::ForgetOld)).unwrap();
    let db = writer.forums();
    assert_eq!(
        number(&db, &format!("SELECT count(*) FROM users WHERE id = {second} AND erased_at IS NULL")),
        1
    );
    // A link for a password is as good as one, while it is good.
    behind(
        &writer,
        &format!(
            "UPDATE users SET verified_at = 1, password_hash = NULL WHERE id = {second};
             UPDATE users SET disabled_at = NULL WHERE id = {}",
            here.administrator
        ),
    );
    assert_eq!(refusal(client, last()), Refusal::LastAdministrator);
    let offer =
        Administration::OfferPassword { user: second, hash: [9; 32], expires_at: in_future(), mail: None };
    client.call(administer(here.administrator, offer)).unwrap();
    client.call(last()).unwrap();
}

#[test]
fn no_new_name_looks_like_another_and_imported_ones_stay_as_they_are() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let create = |name: &str| {
        let name = UserName::new(name).unwrap();
        let create = Accounts::CreateUser { name, role: Role::Member, address: None, password_hash: None };
        Command::accounts(By::OPERATOR, create)
    };
    // One letter of each is Cyrillic, or not seen, or of another width.
    for posing in ["Аda", "Adа", "A\u{AD}da", "ａda", "ADA", "M\u{456}a", "0tto", "deIeted user 3"] {
        assert_eq!(refusal(client, create(posing)), Refusal::NameTaken, "{posing:?}");
    }
    client.call(create("Adam")).unwrap();
    // Those that come with a community keep theirs.
    let users = ["Аda", "Adа", ".."].map(|name| ImportUser {
        foreign_id: name.into(),
        name: UserName::new(name).unwrap(),
        display_name: String::new(),
        role: Role::Member,
        created_at: UnixMillis(1),
    });
    let tally = import(client, Import::Users { source: "test".into(), users: users.to_vec() });
    assert_eq!((tally.added, tally.notes.len()), (3, 0), "{tally:?}");
    // Nobody is called as somebody else is; as oneself one may be.
    let called =
        |name: &str| own(here.member, Accounts::SetDisplayName { name: DisplayName::new(name).unwrap() });
    for posing in ["Ada", "Аda", "a d a\u{200B}".replace(' ', "").as_str(), "MO"] {
        assert_eq!(refusal(client, called(posing)), Refusal::NameTaken, "{posing:?}");
    }
    for good in ["Mia", "Mia M.", ""] {
        client.call(called(good)).unwrap();
    }
    // The name of somebody who is gone is free again.
    client.call(own(here.other, Accounts::Erase)).unwrap();
    client.call(create("0tto")).unwrap();
}
