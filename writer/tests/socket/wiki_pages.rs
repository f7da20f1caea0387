//! Pages get other titles, go, come back, and are protected.

use veritable_domain::content::{Rendered, WikiLink};
use veritable_domain::ids::{NamespaceId, PageId, RevisionId, UserId};
use veritable_domain::permission::Denial;
use veritable_domain::wiki::PageTitle;
use veritable_writer_api::message::{By, Command, Refusal, Wiki};

use super::counters::assert_counts;
use super::harness::{Community, NOBODY, Writer, column, comment, content, number, refusal, rendered};
use super::search::assert_in_step;
use super::wiki::{edit, save};

fn move_to(by: UserId, page: PageId, base: RevisionId, title: &str, leave: bool) -> Command {
    let link = WikiLink { namespace: "Help".into(), title: title.into() };
    let mut redirect = content(&format!("#REDIRECT [[Help:{title}]]"));
    redirect.rendered = Rendered { links: vec![link.clone()], redirect: Some(link), ..redirect.rendered };
    let change = Wiki::MovePage {
        page,
        base_revision: base,
        namespace: NamespaceId(4),
        title: PageTitle::new(title, true).unwrap(),
        rendered: Rendered { categories: vec![("Trees".into(), None)], ..rendered("under its new title") },
        redirect: leave.then_some(redirect),
        comment: comment("belongs there"),
    };
    Command::wiki(By::user(by), change)
}

fn delete(by: UserId, page: PageId) -> Command {
    Command::wiki(By::user(by), Wiki::DeletePage { page, comment: comment("spam") })
}

fn restore(by: UserId, page: PageId) -> Command {
    Command::wiki(By::user(by), Wiki::RestorePage { page, comment: comment("") })
}

fn protect(by: UserId, page: PageId, protected: bool) -> Command {
    Command::wiki(By::user(by), Wiki::ProtectPage { page, protected, comment: comment("") })
}

const SHOWN: &str = "SELECT namespace_id || ':' || title || coalesce(' -> ' || redirect_to, '') FROM pages
                     WHERE deleted_at IS NULL ORDER BY id";
const COMMENTS: &str = "SELECT comment FROM revisions ORDER BY id";

#[test]
fn a_page_moves_with_its_history_and_leaves_a_redirect() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (page, first, _) = save(client, edit(here.member, "Oak", None, content("a tree")));
    let (same, moved, created) = save(client, move_to(here.other, page, first, "Oaks", true));
    assert_eq!((same, created), (page, false));
    let db = writer.forums();
    assert_eq!(column::<String>(&db, SHOWN), ["4:Oaks", "1:Oak -> Help:Oaks"]);
    assert_eq!(
        column::<String>(&db, COMMENTS),
        ["why", "Moved from \"Oak\" to \"Help:Oaks\": belongs there", "Moved to \"Help:Oaks\""]
    );
    assert_eq!(column::<String>(&db, "SELECT source FROM revisions WHERE page_id = 1"), ["a tree"; 2]);
    assert_eq!(column::<Option<i64>>(&db, "SELECT parent_id FROM revisions ORDER BY id")[1], Some(first.0));
    assert_eq!(number(&db, "SELECT revision_id FROM pages WHERE id = 1"), moved.0);
    assert_eq!(column::<String>(&db, "SELECT sort_key FROM page_categories"), ["Oaks"]);
    assert_eq!(column::<String>(&db, "SELECT title FROM page_links"), ["Oaks"], "the redirect's");
    assert_eq!(
        number(&db, "SELECT count(*) FROM audit WHERE deed LIKE 'page.%' AND deed <> 'page.delete'"),
        0,
        "anybody may"
    );
    // Back over the redirect is onto a title that is taken.
    assert_eq!(refusal(client, move_home(here.other, page, moved)), Refusal::TitleTaken);
    save(client, delete(here.moderator, PageId(2)));
    save(client, move_home(here.other, page, moved));
    assert_eq!(column::<String>(&db, SHOWN), ["1:Oak"]);
    assert_counts(&db);
    assert_in_step(&db);
}

fn move_home(by: UserId, page: PageId, base: RevisionId) -> Command {
    let mut command = move_to(by, page, base, "Oak", false);
    if let Command::Wiki(_, change) = &mut command
        && let Wiki::MovePage { namespace, .. } = change.as_mut()
    {
        *namespace = NamespaceId::MAIN;
    }
    command
}

#[test]
fn what_cannot_move_is_refused_and_nothing_changes() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (page, first, _) = save(client, edit(here.member, "Oak", None, content("one")));
    let (_, second, _) = save(client, edit(here.member, "Oak", Some(first), content("two")));
    let mut says = |command| refusal(client, command);
    assert_eq!(says(move_to(here.other, page, first, "Oaks", true)), Refusal::Conflict { current: second.0 });
    assert_eq!(says(move_to(NOBODY, page, second, "Oaks", true)), Refusal::Denied(Denial::LoginRequired));
    let gone = Refusal::NotFound { what: "page".into() };
    assert_eq!(says(move_to(here.other, PageId(99), second, "Oaks", true)), gone);
    let client = &mut writer.client();
    let (_, second, _) = save(client, protect(here.moderator, page, true));
    let mut says = |command| refusal(client, command);
    assert_eq!(says(move_to(here.member, page, second, "Oaks", true)), Refusal::Denied(Denial::Role));
    assert_eq!(says(move_home(here.moderator, PageId(99), second)), gone);
    let db = writer.forums();
    assert_eq!(column::<String>(&db, SHOWN), ["1:Oak"]);
    let client = &mut writer.client();
    assert_eq!(save(client, move_home(here.moderator, page, second)), (page, second, false), "it is there");
    save(client, move_to(here.moderator, page, second, "Oaks", true));
    assert_eq!(
        column::<String>(&db, "SELECT deed FROM audit WHERE deed LIKE 'page.%' ORDER BY id"),
        ["page.protect", "page.move"]
    );
}

#[test]
fn a_deleted_page_is_gone_until_it_is_restored_and_its_title_is_free() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (page, first, _) = save(client, edit(here.member, "Oak", None, content("spam")));
    for by in [here.member, here.other] {
        for command in [delete(by, page), protect(by, page, true), restore(by, page)] {
            assert_eq!(refusal(client, command), Refusal::Denied(Denial::Role));
        }
    }
    save(client, delete(here.moderator, page));
    let gone = Refusal::NotFound { what: "page".into() };
    for command in [delete(here.moderator, page), protect(here.moderator, page, true)] {
        assert_eq!(refusal(client, command), gone);
    }
    let stale = edit(here.member, "Oak", Some(first), content("more spam"));
    assert_eq!(refusal(client, stale), Refusal::Conflict { current: 0 });
    // Whoever makes it anew does not bring its history back.
    let (anew, _, created) = save(client, edit(here.other, "Oak", None, content("a tree")));
    assert!(created && anew != page);
    assert_eq!(refusal(client, restore(here.moderator, page)), Refusal::TitleTaken);
    save(client, delete(here.administrator, anew));
    save(client, restore(here.moderator, page));
    assert_eq!(refusal(client, restore(here.moderator, page)), gone, "it is there");
    let db = writer.forums();
    assert_eq!(column::<String>(&db, SHOWN), ["1:Oak"]);
    assert_eq!(
        column::<String>(&db, &format!("{} ", COMMENTS.replace("ORDER", "WHERE page_id = 1 ORDER"))),
        ["why", "Deleted: spam", "Restored"]
    );
    assert_eq!(
        column::<String>(
            &db,
            "SELECT deed || ' ' || object || ' ' || detail FROM audit WHERE deed LIKE 'page.%' ORDER BY id"
        ),
        ["page.delete page:1 Oak: spam", "page.delete page:2 Oak: spam", "page.restore page:1 Oak"]
    );
    assert_eq!(
        column::<Option<i64>>(&db, "SELECT deleted_by FROM pages"),
        [None, Some(here.administrator.0)]
    );
    assert_counts(&db);
}

#[test]
fn protecting_twice_is_protecting_once_and_the_operator_is_named() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (page, first, _) = save(client, edit(here.member, "Rules", None, content("one")));
    let by_operator = Wiki::ProtectPage { page, protected: true, comment: comment("") };
    let (_, second, _) = save(client, Command::wiki(By::OPERATOR, by_operator));
    assert_eq!(save(client, protect(here.moderator, page, true)), (page, second, false));
    let (_, third, _) = save(client, edit(here.moderator, "Rules", Some(second), content("two")));
    save(client, protect(here.moderator, page, false));
    let db = writer.forums();
    assert_eq!(
        column::<String>(
            &db,
            "SELECT author_name || '|' || comment || '|' || minor FROM revisions ORDER BY id"
        ),
        ["|why|0", "operator|Protected|1", "|why|0", "|No longer protected|1"]
    );
    assert_eq!(
        column::<String>(&db, "SELECT deed FROM audit WHERE deed LIKE 'page.%' ORDER BY id"),
        ["page.protect", "page.edit", "page.unprotect"]
    );
    assert!(first < second && second < third);
}
