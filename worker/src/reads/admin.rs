//! What administrators and moderators look at: accounts, groups, categories, invitations, the audit log.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::ids::{CategoryId, UserId};
use veritable_domain::permission::{Access, Groups, Role};
use veritable_domain::time::UnixMillis;

use super::{When, first, rows, user_path, when};

macro_rules! users {
    ($where:literal) => {
        concat!(
            "SELECT id, name, display_name, role, groups, address, created_at, verified_at IS NOT NULL, ",
            "approved_at IS NOT NULL, disabled_at, totp_confirmed_at IS NOT NULL, password_hash IS NOT NULL, ",
            "post_count, edit_count FROM users WHERE erased_at IS NULL AND ",
            $where
        )
    };
}

const LATEST: &str = users!("id < ?1 ORDER BY id DESC LIMIT ?2");
const BY_NAME: &str = users!("name_key >= ?1 AND name_key < ?3 ORDER BY name_key LIMIT ?2");
const BY_ADDRESS: &str = users!("address_key = ?1 LIMIT ?2");
const STAFF: &str = users!("role > 1 ORDER BY role DESC, id DESC LIMIT ?1");
const DISABLED: &str = users!("disabled_at IS NOT NULL ORDER BY disabled_at DESC, id DESC LIMIT ?1");
const WAITING: &str = users!("approved_at IS NULL AND created_at > 0 ORDER BY created_at, id LIMIT ?1");
const IN_GROUP: &str = users!("groups > 0 AND groups & ?1 <> 0 LIMIT ?2");
const ONE: &str = users!("id = ?1");
const SEEN: &str = "SELECT count(*), max(seen_at) FROM sessions WHERE user_id = ?1";

const COUNT_WAITING: &str = "SELECT count(*) FROM users INDEXED BY users_waiting WHERE approved_at IS NULL AND created_at > 0 AND erased_at IS NULL";
const COUNT_MAIL: &str = "SELECT count(*) FROM outbox WHERE next_at > 0";
const MAIL_ERROR: &str =
    "SELECT error FROM outbox WHERE next_at > 0 AND error <> '' ORDER BY next_at DESC LIMIT 1";

const GROUPS: &str = "SELECT id, name, description FROM groups WHERE id > 0 ORDER BY id";
const CATEGORIES: &str = "SELECT id, name, description, locked, read_groups, post_groups, moderate_groups, \
    topic_count FROM categories WHERE position > ?1 ORDER BY position, id";

const INVITATIONS: &str = "SELECT i.id, i.note, i.role, i.created_at, i.expires_at, i.used_at, m.name, u.name \
    FROM invitations i LEFT JOIN users m ON m.id = i.created_by LEFT JOIN users u ON u.id = i.used_by \
    WHERE i.id < ?1 ORDER BY i.id DESC LIMIT ?2";

macro_rules! audit {
    ($where:literal) => {
        concat!(
            "SELECT a.id, a.at, u.name, a.actor_id, a.address, a.deed, a.object, a.detail FROM audit a ",
            "LEFT JOIN users u ON u.id = a.actor_id WHERE a.id < ?1 AND ",
            $where,
            " ORDER BY a.id DESC LIMIT ?2"
        )
    };
}

const AUDIT: &str = audit!("?3 IS NULL AND ?4 = '' AND ?5 = ''");
const AUDIT_BY_ACTOR: &str =
    audit!("a.actor_id = ?3 AND (?4 = '' OR a.deed = ?4) AND (?5 = '' OR a.object = ?5)");
const AUDIT_BY_OBJECT: &str =
    audit!("a.object = ?5 AND (?4 = '' OR a.deed = ?4) AND (?3 IS NULL OR a.actor_id = ?3)");
const AUDIT_BY_DEED: &str = audit!("a.deed = ?4 AND ?3 IS NULL AND ?5 = ''");

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("admin::LATEST", LATEST),
    ("admin::BY_NAME", BY_NAME),
    ("admin::BY_ADDRESS", BY_ADDRESS),
    ("admin::STAFF", STAFF),
    ("admin::DISABLED", DISABLED),
    ("admin::WAITING", WAITING),
    ("admin::IN_GROUP", IN_GROUP),
    ("admin::ONE", ONE),
    ("admin::SEEN", SEEN),
    ("admin::COUNT_WAITING", COUNT_WAITING),
    ("admin::COUNT_MAIL", COUNT_MAIL),
    ("admin::MAIL_ERROR", MAIL_ERROR),
    ("admin::GROUPS", GROUPS),
    ("admin::CATEGORIES", CATEGORIES),
    ("admin::INVITATIONS", INVITATIONS),
    ("admin::AUDIT", AUDIT),
    ("admin::AUDIT_BY_ACTOR", AUDIT_BY_ACTOR),
    ("admin::AUDIT_BY_OBJECT", AUDIT_BY_OBJECT),
    ("admin::AUDIT_BY_DEED", AUDIT_BY_DEED),
];

/// An account as administrators see it.
#[derive(Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) role: Role,
    /// Numbers of the site's own groups that it is in.
    #[serde(serialize_with = "numbers")]
    pub(crate) groups: Groups,
    pub(crate) address: Option<String>,
    pub(crate) created_at: When,
    /// The address is its owner's.
    pub(crate) verified: bool,
    pub(crate) approved: bool,
    pub(crate) disabled_at: Option<When>,
    pub(crate) second_factor: bool,
    pub(crate) has_password: bool,
    pub(crate) post_count: i64,
    pub(crate) edit_count: i64,
}

impl User {
    /// Where its profile is.
    pub(crate) fn path(&self) -> String {
        user_path(&self.name)
    }
}

fn numbers<S: serde::Serializer>(groups: &Groups, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(groups.numbers())
}

/// Which accounts to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Staff,
    Disabled,
    Waiting,
}

impl Which {
    pub(crate) const ALL: [Which; 4] = [Which::All, Which::Staff, Which::Disabled, Which::Waiting];

    /// As addresses have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Which::All => "all",
            Which::Staff => "staff",
            Which::Disabled => "disabled",
            Which::Waiting => "waiting",
        }
    }
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        display_name: row.get(2)?,
        role: Role::from_number(row.get(3)?),
        groups: Groups::from_bits(row.get(4)?),
        address: row.get(5)?,
        created_at: when(row, 6)?,
        verified: row.get(7)?,
        approved: row.get(8)?,
        disabled_at: row.get::<_, Option<i64>>(9)?.map(|at| When(UnixMillis(at))),
        second_factor: row.get(10)?,
        has_password: row.get(11)?,
        post_count: row.get(12)?,
        edit_count: row.get(13)?,
    })
}

/// Accounts of a kind; `before` is the number that those shown are below, of all.
pub(crate) fn users(db: &Connection, which: Which, before: i64, limit: usize) -> rusqlite::Result<Vec<User>> {
    match which {
        Which::All => rows(db, LATEST, params![before, limit.cast_signed()], user),
        Which::Staff => rows(db, STAFF, [limit.cast_signed()], user),
        Which::Disabled => rows(db, DISABLED, [limit.cast_signed()], user),
        Which::Waiting => rows(db, WAITING, [limit.cast_signed()], user),
    }
}

/// Accounts whose name begins like this, or whose address it is.
pub(crate) fn users_like(db: &Connection, text: &str, limit: usize) -> rusqlite::Result<Vec<User>> {
    if text.contains('@') {
        return rows(db, BY_ADDRESS, params![text.trim().to_lowercase(), limit.cast_signed()], user);
    }
    let from = veritable_domain::text::user_key(text);
    // Nothing that begins like this comes after it: there is no such character.
    let to = format!("{from}\u{10FFFF}");
    rows(db, BY_NAME, params![from, limit.cast_signed(), to], user)
}

/// Accounts in a group, some hundred at most.
pub(crate) fn users_in(db: &Connection, group: u8, limit: usize) -> rusqlite::Result<Vec<User>> {
    rows(db, IN_GROUP, params![Groups::one(group).bits(), limit.cast_signed()], user)
}

/// One account.
pub(crate) fn one(db: &Connection, id: UserId) -> rusqlite::Result<Option<User>> {
    first(db, ONE, [id.0], user)
}

/// Sessions of an account, and when the last one was used.
pub(crate) fn seen(db: &Connection, id: UserId) -> rusqlite::Result<(i64, Option<When>)> {
    let found = first(db, SEEN, [id.0], |row| {
        Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(|at| When(UnixMillis(at)))))
    })?;
    Ok(found.unwrap_or_default())
}

/// What waits for an administrator.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) approvals: i64,
    pub(crate) mail: i64,
    /// Why the last message was not sent.
    pub(crate) mail_error: Option<String>,
}

/// What waits for an administrator.
pub(crate) fn due(db: &Connection) -> rusqlite::Result<Due> {
    let count = |sql: &str| first(db, sql, [], |row| row.get(0)).map(Option::unwrap_or_default);
    let mail_error = first(db, MAIL_ERROR, [], |row| row.get(0))?;
    Ok(Due { approvals: count(COUNT_WAITING)?, mail: count(COUNT_MAIL)?, mail_error })
}

/// A group of the site's own.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) id: u8,
    pub(crate) name: String,
    pub(crate) description: String,
}

/// All of them.
pub(crate) fn groups(db: &Connection) -> rusqlite::Result<Vec<Group>> {
    rows(db, GROUPS, [], |row| Ok(Group { id: row.get(0)?, name: row.get(1)?, description: row.get(2)? }))
}

/// A category as administrators see it.
#[derive(Debug)]
pub(crate) struct Category {
    pub(crate) id: CategoryId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) locked: bool,
    pub(crate) access: Access,
    pub(crate) topic_count: i64,
}

/// All of them, in their order.
pub(crate) fn categories(db: &Connection) -> rusqlite::Result<Vec<Category>> {
    rows(db, CATEGORIES, [i64::MIN], |row| {
        let groups = |column| row.get(column).map(Groups::from_bits);
        Ok(Category {
            id: CategoryId(row.get(0)?),
            name: row.get(1)?,
            description: row.get(2)?,
            locked: row.get(3)?,
            access: Access { read: groups(4)?, post: groups(5)?, moderate: groups(6)? },
            topic_count: row.get(7)?,
        })
    })
}

/// An invitation.
#[derive(Debug, Serialize)]
pub(crate) struct Invitation {
    pub(crate) id: i64,
    pub(crate) note: String,
    pub(crate) role: Role,
    pub(crate) created_at: When,
    pub(crate) expires_at: When,
    pub(crate) used_at: Option<When>,
    /// Who made it; `None`: whoever runs the server.
    pub(crate) made_by: Option<String>,
    pub(crate) used_by: Option<String>,
}

impl Invitation {
    /// Whether somebody can still use it.
    pub(crate) fn is_open(&self, now: &UnixMillis) -> bool {
        self.used_at.is_none() && self.expires_at.0 > *now
    }
}

/// Invitations, the newest first.
pub(crate) fn invitations(db: &Connection, before: i64, limit: usize) -> rusqlite::Result<Vec<Invitation>> {
    rows(db, INVITATIONS, params![before, limit.cast_signed()], |row| {
        Ok(Invitation {
            id: row.get(0)?,
            note: row.get(1)?,
            role: Role::from_number(row.get(2)?),
            created_at: when(row, 3)?,
            expires_at: when(row, 4)?,
            used_at: row.get::<_, Option<i64>>(5)?.map(|at| When(UnixMillis(at))),
            made_by: row.get(6)?,
            used_by: row.get(7)?,
        })
    })
}

/// Which entries of the audit log to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    pub(crate) actor: Option<i64>,
    /// Empty: every one.
    pub(crate) deed: String,
    /// Empty: every one.
    pub(crate) object: String,
}

/// What somebody did with a role's power.
#[derive(Debug, Serialize)]
pub(crate) struct AuditEntry {
    pub(crate) id: i64,
    pub(crate) at: When,
    /// Who; `None` with no `actor_id`: whoever runs the server.
    pub(crate) actor: Option<String>,
    pub(crate) actor_id: Option<i64>,
    pub(crate) address: String,
    pub(crate) deed: String,
    pub(crate) object: String,
    pub(crate) detail: String,
}

impl AuditEntry {
    /// Where the object is looked at, if there is such a page.
    pub(crate) fn object_path(&self) -> Option<String> {
        let (kind, id) = self.object.split_once(':')?;
        match kind {
            "user" => Some(format!("/admin/users/{id}")),
            "group" => Some(format!("/admin/groups/{id}")),
            "category" => Some("/admin/categories".to_owned()),
            "topic" => Some(format!("/t/{id}")),
            "post" => Some(format!("/p/{id}")),
            "invitation" => Some("/invitations".to_owned()),
            _ => None,
        }
    }
}

/// Entries of the audit log, the newest first.
pub(crate) fn audit(
    db: &Connection,
    filter: &AuditFilter,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Vec<AuditEntry>> {
    let sql = match filter {
        AuditFilter { object, .. } if !object.is_empty() => AUDIT_BY_OBJECT,
        AuditFilter { actor: Some(_), .. } => AUDIT_BY_ACTOR,
        AuditFilter { deed, .. } if !deed.is_empty() => AUDIT_BY_DEED,
        _ => AUDIT,
    };
    rows(db, sql, params![before, limit.cast_signed(), filter.actor, filter.deed, filter.object], |row| {
        Ok(AuditEntry {
            id: row.get(0)?,
            at: when(row, 1)?,
            actor: row.get(2)?,
            actor_id: row.get(3)?,
            address: row.get(4)?,
            deed: row.get(5)?,
            object: row.get(6)?,
            detail: row.get(7)?,
        })
    })
}
