//! Pages: made, changed, fought over, linked.

use veritable_domain::content::{Content, WikiLink};
use veritable_domain::ids::{NamespaceId, PageId, RevisionId, UserId};
use veritable_domain::permission::Denial;
use veritable_domain::wiki::PageTitle;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{By, Command, Outcome, Refusal, Wiki};

use super::harness::{Community, NOBODY, Writer, column, comment, content, number, refusal};

pub(crate) fn edit(by: UserId, title: &str, base: Option<RevisionId>, content: Content) -> Command {
    let edit = Wiki::EditPage {
        namespace: NamespaceId::MAIN,
        title: PageTitle::new(title, true).unwrap(),
        base_revision: base,
        content,
        comment: comment("why"),
        minor: false,
    };
    Command::wiki(By::user(by), edit)
}

pub(crate) fn save(client: &mut Client, command: Command) -> (PageId, RevisionId, bool) {
    match client.call(command).unwrap() {
        Outcome::PageSaved { page, revision, created } => (page, revision, created),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_is_made_changed_and_left_alone_when_nothing_changed() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let me = Community::found(client).member;
    let (page, first, created) = save(client, edit(me, "Start", None, content("one")));
    assert!(created);
    let (same, second, created) = save(client, edit(me, "Start", Some(first), content("two")));
    assert_eq!((same, created), (page, false));
    let unchanged = save(client, edit(me, "Start", Some(second), content("two")));
    assert_eq!(unchanged, (page, second, false));
    let db = writer.forums();
    assert_eq!(column::<String>(&db, "SELECT source FROM revisions ORDER BY id"), ["one", "two"]);
    assert_eq!(
        column::<Option<i64>>(&db, "SELECT parent_id FROM revisions ORDER BY id"),
        [None, Some(first.0)]
    );
    assert_eq!(column::<String>(&db, "SELECT html FROM pages"), ["<p>two</p>"]);
    assert_eq!(number(&db, "SELECT revision_id FROM pages"), second.0);
    assert_eq!(number(&db, "SELECT edit_count FROM users WHERE name = 'Mia'"), 2);
}

#[test]
fn the_second_of_two_editors_is_told() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (_, first, _) = save(client, edit(here.member, "Fought", None, content("one")));
    let late = edit(here.other, "Fought", None, content("also one"));
    assert_eq!(refusal(client, late), Refusal::Conflict { current: first.0 });
    let (_, second, _) = save(client, edit(here.member, "Fought", Some(first), content("two")));
    let stale = edit(here.other, "Fought", Some(first), content("mine"));
    assert_eq!(refusal(client, stale), Refusal::Conflict { current: second.0 });
    let never = edit(here.other, "Unwritten", Some(first), content("mine"));
    assert_eq!(refusal(client, never), Refusal::Conflict { current: 0 });
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM revisions"), 2);
}

#[test]
fn who_may_not_edit_is_refused() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let by_guest = edit(NOBODY, "Rules", None, content("x"));
    assert_eq!(refusal(client, by_guest), Refusal::Denied(Denial::LoginRequired));
    let mut nowhere = edit(here.member, "Rules", None, content("x"));
    if let Command::Wiki(_, change) = &mut nowhere
        && let Wiki::EditPage { namespace, .. } = change.as_mut()
    {
        *namespace = NamespaceId(99);
    }
    assert_eq!(refusal(client, nowhere), Refusal::NotFound { what: "namespace".into() });
    let (page, _, _) = save(client, edit(here.member, "Rules", None, content("one")));
    let protect = Wiki::ProtectPage { page, protected: true, comment: comment("vandals") };
    let (_, first, _) = save(client, Command::wiki(By::user(here.moderator), protect));
    let by_member = edit(here.member, "Rules", Some(first), content("two"));
    assert_eq!(refusal(client, by_member), Refusal::Denied(Denial::Role));
    save(client, edit(here.moderator, "Rules", Some(first), content("two")));
}

#[test]
fn links_categories_and_redirects_follow_the_current_revision() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let me = Community::found(client).member;
    let link = |namespace: &str, title: &str| WikiLink { namespace: namespace.into(), title: title.into() };
    let mut linked = content("links");
    linked.rendered.links =
        vec![link("", "Target"), link("user", "Mia"), link("Nowhere", "Thing"), link("", "Target")];
    linked.rendered.categories = vec![("Plants".into(), None), ("Trees".into(), Some("oak".into()))];
    let (_, first, _) = save(client, edit(me, "Oak", None, linked));
    let db = writer.forums();
    let links = "SELECT namespace_id || '|' || title FROM page_links ORDER BY namespace_id, title";
    assert_eq!(column::<String>(&db, links), ["1|Nowhere:Thing", "1|Target", "3|Mia"]);
    let categories = "SELECT category || '|' || sort_key FROM page_categories ORDER BY category";
    assert_eq!(column::<String>(&db, categories), ["Plants|Oak", "Trees|oak"]);

    let mut redirect = content("moved");
    redirect.rendered.redirect = Some(link("Help", "Oaks"));
    redirect.rendered.links = vec![link("Help", "Oaks")];
    save(client, edit(me, "Oak", Some(first), redirect));
    assert_eq!(column::<String>(&db, links), ["4|Oaks"]);
    assert_eq!(column::<String>(&db, categories), Vec::<String>::new());
    assert_eq!(column::<String>(&db, "SELECT redirect_to FROM pages"), ["Help:Oaks"]);
}
