//! Categories: what they are called, their order, and who may do what in them.

use rusqlite::params;
use veritable_domain::ids::CategoryId;
use veritable_domain::permission::{Access, Groups};
use veritable_domain::slug::slug;
use veritable_domain::tag::Tag;
use veritable_writer_api::message::{By, CategorySettings, Outcome, Refusal};

use super::super::{Failure, Transaction, forum, no_such};
use super::groups;

/// Categories there may be: a front page shows them all.
const MAX: u32 = 200;

pub(super) fn save(
    tx: &mut Transaction<'_>,
    by: &By,
    category: Option<CategoryId>,
    settings: &CategorySettings,
) -> Result<Outcome, Failure> {
    let CategorySettings { name, description, locked, access } = settings;
    let all = all(tx)?;
    let holders = || all.iter().filter(|(_, other)| other == name.as_str()).map(|(id, _)| *id);
    // One that was imported may have another's name, and keep it.
    if holders().next().is_some() && !holders().any(|id| Some(id) == category) {
        return Err(Refusal::NameTaken.into());
    }
    let (category, deed) = match category {
        Some(category) => (category, "category.edit"),
        None => {
            if all.len() >= MAX as usize {
                return Err(Refusal::TooMany { what: "categories".into(), most: MAX }.into());
            }
            let last: Option<i64> =
                tx.row("SELECT max(position) FROM categories", [], |row| row.get(0))?.flatten();
            let position = last.map_or(0, |last| last.saturating_add(1));
            let made = forum::insert_category(tx, name.as_str(), description.as_str(), position)?;
            (made, "category.create")
        }
    };
    let access = known(tx, *access)?;
    let sql = "UPDATE categories SET name = ?2, slug = ?3, description = ?4, locked = ?5, read_groups = ?6,
                      post_groups = ?7, moderate_groups = ?8 WHERE id = ?1";
    let changed = tx.run(
        sql,
        params![
            category.0,
            name.as_str(),
            slug(name.as_str()),
            description.as_str(),
            locked,
            access.read.bits(),
            access.post.bits(),
            access.moderate.bits(),
        ],
    )?;
    if changed == 0 {
        return Err(no_such("category"));
    }
    tx.audit(by, deed, &format!("category:{category}"), name.as_str())?;
    // Who sees it decides what stands in every list.
    tx.touch([Tag::Site, Tag::Categories, Tag::Category(category)]);
    Ok(Outcome::CategoryCreated { category })
}

/// With groups that there are alone.
fn known(tx: &Transaction<'_>, access: Access) -> rusqlite::Result<Access> {
    let roles = Groups::EVERYONE.and(Groups::MEMBERS).and(Groups::MODERATORS).and(Groups::ADMINISTRATORS);
    let there = groups::all(tx)?.and(roles);
    let Access { read, post, moderate } = access;
    Ok(Access { read: read.among(there), post: post.among(there), moderate: moderate.among(there) }.sound())
}

/// All categories and their names, in their order.
fn all(tx: &Transaction<'_>) -> rusqlite::Result<Vec<(CategoryId, String)>> {
    let sql = "SELECT id, name FROM categories WHERE (position, id) > (?1, 0) ORDER BY position, id";
    tx.rows(sql, [i64::MIN], |row| Ok((CategoryId(row.get(0)?), row.get(1)?)))
}

pub(super) fn shift(
    tx: &mut Transaction<'_>,
    by: &By,
    category: CategoryId,
    up: bool,
) -> Result<Outcome, Failure> {
    let mut order: Vec<CategoryId> = all(tx)?.into_iter().map(|(id, _)| id).collect();
    let at = order.iter().position(|id| *id == category).ok_or_else(|| no_such("category"))?;
    let other = if up { at.checked_sub(1) } else { Some(at + 1).filter(|other| *other < order.len()) };
    // The first one is not moved up.
    let Some(other) = other else { return Ok(Outcome::Done) };
    order.swap(at, other);
    for (position, id) in (0_i64..).zip(&order) {
        let sql = "UPDATE categories SET position = ?2 WHERE id = ?1 AND position <> ?2";
        tx.run(sql, [id.0, position])?;
    }
    tx.audit(by, "category.move", &format!("category:{category}"), if up { "up" } else { "down" })?;
    tx.touch([Tag::Categories]);
    Ok(Outcome::Done)
}
