//! What administrators alone may do: others' accounts, groups, categories, and invitations to more than membership.

use veritable_domain::ids::InvitationId;
use veritable_domain::permission::{Access, Denial, Groups, Role};
use veritable_domain::text::{Comment, Label};
use veritable_writer_api::message::{Administration, CategorySettings, Outcome, Refusal};

use super::harness::{Community, Writer, column, number, refusal};
use super::people::{administer, behind, in_future};

#[test]
fn others_accounts_groups_and_categories_are_the_administrators() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let label = |text: &str| Label::new(text).unwrap();
    let changes = || {
        let (user, empty) = (here.other, Comment::truncated(""));
        [
            Administration::SetRole { user, role: Role::Administrator },
            Administration::SetGroups { user, into: Groups::NONE, out_of: Groups::OWN },
            Administration::SetDisabled { user, disabled: true, reason: empty.clone() },
            Administration::Approve { user, notice: None },
            Administration::Reject { user },
            Administration::ConfirmAddress { user },
            Administration::EndSessions { user },
            Administration::OfferPassword { user, hash: [1; 32], expires_at: in_future(), mail: None },
            Administration::EndSecondFactor { user },
            Administration::Erase { user },
            Administration::SaveGroup { group: None, name: label("x"), description: empty },
            Administration::DeleteGroup { group: 4 },
            Administration::MoveCategory { category: here.category, up: true },
            Administration::Invite {
                hash: [2; 32],
                role: Role::Administrator,
                note: Comment::truncated(""),
                expires_at: in_future(),
            },
        ]
    };
    for by in [here.member, here.moderator] {
        for change in changes() {
            let name = format!("{change:?}");
            assert_eq!(refusal(client, administer(by, change)), Refusal::Denied(Denial::Role), "{name}");
        }
    }
    let revoke = Administration::RevokeInvitation { invitation: InvitationId(1) };
    assert_eq!(refusal(client, administer(here.member, revoke)), Refusal::Denied(Denial::Role));
    // Groups that are not there, and one that goes with all it stood for.
    let four = Groups::one(4);
    let set = |into| {
        let set = Administration::SetGroups { user: here.other, into, out_of: Groups::NONE };
        administer(here.administrator, set)
    };
    assert!(matches!(refusal(client, set(four)), Refusal::NotFound { .. }));
    let save = |name| {
        let description = Comment::truncated("");
        administer(
            here.administrator,
            Administration::SaveGroup { group: None, name: label(name), description },
        )
    };
    assert_eq!(client.call(save("Keyholders")).unwrap(), Outcome::GroupSaved { group: 4 });
    client.call(set(four.and(Groups::ADMINISTRATORS))).unwrap();
    let db = writer.forums();
    assert_eq!(
        column::<i64>(&db, "SELECT groups FROM users WHERE groups <> 0"),
        [16],
        "roles are not given this way"
    );
    assert_eq!(client.call(save("Gardeners")).unwrap(), Outcome::GroupSaved { group: 5 });
    client.call(set(Groups::one(5))).unwrap();
    let both = 16 + 32;
    assert_eq!(column::<i64>(&db, "SELECT groups FROM users WHERE groups <> 0"), [both], "the others stay");
    client.call(administer(here.administrator, Administration::DeleteGroup { group: 4 })).unwrap();
    assert_eq!(column::<i64>(&db, "SELECT groups FROM users WHERE groups <> 0"), [32]);
    let deeds = column::<String>(&db, "SELECT deed FROM audit WHERE actor_id IS NOT NULL ORDER BY id");
    assert_eq!(deeds, ["group.create", "user.groups", "group.create", "user.groups", "group.delete"]);
}

#[test]
fn only_administrators_take_back_an_invitation_that_they_alone_could_make() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let mut invite = |hash: u8, role| {
        let note = Comment::truncated("");
        let invite = Administration::Invite { hash: [hash; 32], role, note, expires_at: in_future() };
        match client.call(administer(here.administrator, invite)).unwrap() {
            Outcome::Invited { invitation } => Administration::RevokeInvitation { invitation },
            other => panic!("{other:?}"),
        }
    };
    let (privileged, plain) = (invite(1, Role::Moderator), invite(2, Role::Member));
    let denied = Refusal::Denied(Denial::Role);
    assert_eq!(refusal(client, administer(here.moderator, privileged.clone())), denied);
    client.call(administer(here.moderator, plain)).unwrap();
    client.call(administer(here.administrator, privileged)).unwrap();
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM invitations"), 0);
}

#[test]
fn no_two_categories_are_given_one_name() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let save = |category, name: &str, description: &str| {
        let (name, description) = (Label::new(name).unwrap(), Comment::truncated(description));
        let settings = CategorySettings { name, description, locked: false, access: Access::OPEN };
        administer(here.administrator, Administration::SaveCategory { category, settings })
    };
    let made = client.call(save(None, "Gardens", "")).unwrap();
    let Outcome::CategoryCreated { category } = made else { panic!("{made:?}") };
    assert_eq!(refusal(client, save(None, "Gardens", "")), Refusal::NameTaken);
    client.call(save(Some(category), "Gardens", "Its own name")).unwrap();
    assert_eq!(refusal(client, save(Some(here.category), "Gardens", "")), Refusal::NameTaken);
    // As an import may have brought it: what it is called is not what was changed.
    behind(&writer, &format!("UPDATE categories SET name = 'Gardens' WHERE id = {}", here.category));
    client.call(save(Some(here.category), "Gardens", "Imported")).unwrap();
}
