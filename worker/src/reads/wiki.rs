//! The wiki's questions: pages by title, their history, links, categories and recent changes.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::content::WikiLink;
use veritable_domain::markup::{Namespace, Namespaces, Role};
use veritable_domain::wiki::{full_title, page_path};

use super::forum::Before;
use super::{When, first, rows, when};

/// MediaWiki's number of the namespaces whose pages are categories.
pub(crate) const CATEGORY_NUMBER: i64 = 14;

const NAMESPACES: &str = "SELECT id, name, number, first_letter FROM namespaces ORDER BY id";
const NAMESPACE: &str = "SELECT id, name, number, first_letter FROM namespaces WHERE name_key = ?1";

macro_rules! pages {
    ($where:literal) => {
        concat!(
            "SELECT p.id, p.namespace_id, n.name AS namespace, n.number, p.title, p.revision_id, ",
            "p.created_at, p.updated_at, p.redirect_to, p.protected, p.html FROM pages p ",
            "CROSS JOIN namespaces n ON n.id = p.namespace_id WHERE p.deleted_at IS NULL AND ",
            $where
        )
    };
}

const PAGE: &str = pages!("p.namespace_id = ?1 AND p.title = ?2");
const PAGE_BY_ID: &str = pages!("p.id = ?1");
const ALL_PAGES: &str = "SELECT p.id, p.namespace_id, n.name AS namespace, p.title, p.updated_at, \
    p.redirect_to IS NOT NULL AS redirect FROM pages p CROSS JOIN namespaces n ON n.id = p.namespace_id \
    WHERE (p.namespace_id, p.title) > (?1, ?2) AND p.deleted_at IS NULL \
    ORDER BY p.namespace_id, p.title LIMIT ?3";
const MISSING_LINKS: &str = "SELECT n.name, l.title FROM page_links l \
    CROSS JOIN namespaces n ON n.id = l.namespace_id \
    WHERE l.page_id = ?1 AND NOT EXISTS (SELECT 1 FROM pages p \
        WHERE p.namespace_id = l.namespace_id AND p.title = l.title AND p.deleted_at IS NULL)";
const EXISTS: &str = "SELECT 1 FROM pages \
    WHERE namespace_id = ?1 AND title = ?2 AND deleted_at IS NULL";
const CATEGORIES_OF: &str = "SELECT category FROM page_categories WHERE page_id = ?1 ORDER BY category";
const MEMBERS: &str = "SELECT m.sort_key, m.page_id, n.name, p.title FROM page_categories m \
    CROSS JOIN pages p ON p.id = m.page_id CROSS JOIN namespaces n ON n.id = p.namespace_id \
    WHERE m.category = ?1 AND (m.sort_key, m.page_id) > (?2, ?3) AND p.deleted_at IS NULL \
    ORDER BY m.sort_key, m.page_id LIMIT ?4";

macro_rules! revisions {
    ($where:literal) => {
        concat!(
            "SELECT r.id, r.page_id, r.parent_id, n.name AS namespace, p.title, r.created_at, r.comment, ",
            "r.minor, r.size, coalesce(u.name, r.author_name) AS author, u.id IS NOT NULL AS account ",
            "FROM revisions r CROSS JOIN pages p ON p.id = r.page_id ",
            "CROSS JOIN namespaces n ON n.id = p.namespace_id LEFT JOIN users u ON u.id = r.author_id ",
            "WHERE p.deleted_at IS NULL AND ",
            $where
        )
    };
}

const HISTORY: &str = revisions!(
    "r.page_id = ?4 AND (r.created_at, r.id) < (?1, ?2) ORDER BY r.created_at DESC, r.id DESC LIMIT ?3"
);
const CHANGES: &str =
    revisions!("(r.created_at, r.id) < (?1, ?2) ORDER BY r.created_at DESC, r.id DESC LIMIT ?3");
const EDITS: &str = revisions!(
    "r.author_id = ?4 AND (r.created_at, r.id) < (?1, ?2) ORDER BY r.created_at DESC, r.id DESC LIMIT ?3"
);
const REVISION: &str = revisions!("r.id = ?1");
const SOURCE: &str = "SELECT format, source FROM revisions WHERE id = ?1";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("wiki::NAMESPACES", NAMESPACES),
    ("wiki::NAMESPACE", NAMESPACE),
    ("wiki::PAGE", PAGE),
    ("wiki::PAGE_BY_ID", PAGE_BY_ID),
    ("wiki::ALL_PAGES", ALL_PAGES),
    ("wiki::MISSING_LINKS", MISSING_LINKS),
    ("wiki::EXISTS", EXISTS),
    ("wiki::CATEGORIES_OF", CATEGORIES_OF),
    ("wiki::MEMBERS", MEMBERS),
    ("wiki::HISTORY", HISTORY),
    ("wiki::CHANGES", CHANGES),
    ("wiki::EDITS", EDITS),
    ("wiki::REVISION", REVISION),
    ("wiki::SOURCE", SOURCE),
];

#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) number: Option<i64>,
    pub(crate) first_letter: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) id: i64,
    pub(crate) namespace_id: i64,
    pub(crate) namespace: String,
    pub(crate) is_category: bool,
    pub(crate) title: String,
    pub(crate) revision_id: i64,
    pub(crate) created_at: When,
    pub(crate) updated_at: When,
    pub(crate) redirect_to: Option<String>,
    pub(crate) protected: bool,
    pub(crate) html: String,
}

impl Page {
    pub(crate) fn full_title(&self) -> String {
        full_title(&self.namespace, &self.title)
    }

    pub(crate) fn path(&self) -> String {
        page_path(&self.namespace, &self.title)
    }
}

/// A page in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) path: String,
    pub(crate) redirect: bool,
    pub(crate) updated_at: When,
    #[serde(skip)]
    pub(crate) namespace_id: i64,
    #[serde(skip)]
    pub(crate) bare_title: String,
}

/// A member of a category.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) sort_key: String,
    pub(crate) page_id: i64,
    pub(crate) title: String,
    pub(crate) path: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Revision {
    pub(crate) id: i64,
    pub(crate) page_id: i64,
    pub(crate) parent_id: Option<i64>,
    pub(crate) title: String,
    pub(crate) path: String,
    pub(crate) author: String,
    /// Whether `author` names an account of this site.
    pub(crate) account: bool,
    pub(crate) created_at: When,
    pub(crate) comment: String,
    pub(crate) minor: bool,
    pub(crate) size: i64,
}

impl Revision {
    pub(crate) fn place(&self) -> Before {
        Before(self.created_at.0.0, self.id)
    }

    /// Where the page is shown as it was then.
    pub(crate) fn address(&self) -> String {
        format!("/wiki-revision/{}", self.id)
    }

    /// Where its changes against the revision before it are shown.
    pub(crate) fn difference(&self) -> Option<String> {
        self.parent_id.map(|parent| difference_path((parent, self.id)))
    }

    pub(crate) fn author_path(&self) -> String {
        super::user_path(&self.author)
    }
}

/// Where the changes from one revision to another are shown.
pub(crate) fn difference_path((old, new): (i64, i64)) -> String {
    format!("/wiki-diff/{old}/{new}")
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) format: String,
    pub(crate) source: String,
}

/// The namespace of this name, as written in an address; the empty name is the main one.
pub(crate) fn namespace(db: &Connection, name: &str) -> rusqlite::Result<Option<Space>> {
    first(db, NAMESPACE, [name.replace('_', " ").to_lowercase()], space_row)
}

/// All namespaces, as rendering wants them.
pub(crate) fn namespaces(db: &Connection) -> rusqlite::Result<Namespaces> {
    let spaces = rows(db, NAMESPACES, [], space_row)?;
    let main = spaces.iter().find(|space| space.name.is_empty()).is_none_or(|space| space.first_letter);
    let named = spaces.iter().filter(|space| !space.name.is_empty()).map(|space| {
        let (canonical, role) = match space.number {
            Some(2) => ("User", Role::User),
            Some(6) => ("File", Role::File),
            Some(10) => ("Template", Role::Template),
            Some(CATEGORY_NUMBER) => ("Category", Role::Category),
            _ => ("", Role::Ordinary),
        };
        Namespace::new(&space.name, canonical, space.first_letter, role)
    });
    Ok(Namespaces::new(named.collect(), main))
}

/// The names of all namespaces; that of the main one is empty.
pub(crate) fn space_names(db: &Connection) -> rusqlite::Result<Vec<String>> {
    Ok(rows(db, NAMESPACES, [], space_row)?.into_iter().map(|space| space.name).collect())
}

/// The namespaces whose pages are categories: ours first, then those of imported wikis.
pub(crate) fn category_spaces(db: &Connection) -> rusqlite::Result<Vec<Space>> {
    let mut spaces = rows(db, NAMESPACES, [], space_row)?;
    spaces.retain(|space| space.number == Some(CATEGORY_NUMBER));
    Ok(spaces)
}

/// As [`missing_links`], of links that are not stored.
pub(crate) fn missing_among(db: &Connection, links: &[WikiLink]) -> rusqlite::Result<HashSet<String>> {
    let spaces = rows(db, NAMESPACES, [], space_row)?;
    let mut missing = HashSet::new();
    for link in links {
        let space = spaces.iter().find(|space| space.name == link.namespace);
        if !space.map_or(Ok(false), |space| exists(db, space.id, &link.title))? {
            missing.insert(page_path(&link.namespace, &link.title));
        }
    }
    Ok(missing)
}

/// Whether a page of this title exists.
pub(crate) fn exists(db: &Connection, namespace: i64, title: &str) -> rusqlite::Result<bool> {
    Ok(first(db, EXISTS, params![namespace, title], |_| Ok(()))?.is_some())
}

pub(crate) fn page(db: &Connection, namespace: i64, title: &str) -> rusqlite::Result<Option<Page>> {
    first(db, PAGE, params![namespace, title], page_row)
}

pub(crate) fn page_by_id(db: &Connection, id: i64) -> rusqlite::Result<Option<Page>> {
    first(db, PAGE_BY_ID, [id], page_row)
}

pub(crate) fn all_pages(db: &Connection, after: (i64, &str), limit: usize) -> rusqlite::Result<Vec<Entry>> {
    rows(db, ALL_PAGES, params![after.0, after.1, limit as i64], |row| {
        let (namespace, bare): (String, String) = (row.get(2)?, row.get(3)?);
        Ok(Entry {
            id: row.get(0)?,
            title: full_title(&namespace, &bare),
            path: page_path(&namespace, &bare),
            redirect: row.get(5)?,
            updated_at: when(row, 4)?,
            namespace_id: row.get(1)?,
            bare_title: bare,
        })
    })
}

/// Addresses of the pages linked to that do not exist.
pub(crate) fn missing_links(db: &Connection, page: i64) -> rusqlite::Result<HashSet<String>> {
    let missing = rows(db, MISSING_LINKS, [page], |row| {
        Ok(page_path(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?))
    })?;
    Ok(missing.into_iter().collect())
}

pub(crate) fn categories_of(db: &Connection, page: i64) -> rusqlite::Result<Vec<String>> {
    rows(db, CATEGORIES_OF, [page], |row| row.get(0))
}

pub(crate) fn members(
    db: &Connection,
    category: &str,
    after: (&str, i64),
    limit: usize,
) -> rusqlite::Result<Vec<Member>> {
    rows(db, MEMBERS, params![category, after.0, after.1, limit as i64], |row| {
        let (namespace, bare): (String, String) = (row.get(2)?, row.get(3)?);
        Ok(Member {
            sort_key: row.get(0)?,
            page_id: row.get(1)?,
            title: full_title(&namespace, &bare),
            path: page_path(&namespace, &bare),
        })
    })
}

pub(crate) fn history(
    db: &Connection,
    page: i64,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Revision>> {
    rows(db, HISTORY, params![before.0, before.1, limit as i64, page], revision_row)
}

pub(crate) fn changes(db: &Connection, before: Before, limit: usize) -> rusqlite::Result<Vec<Revision>> {
    rows(db, CHANGES, params![before.0, before.1, limit as i64], revision_row)
}

pub(crate) fn edits(
    db: &Connection,
    user: i64,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Revision>> {
    rows(db, EDITS, params![before.0, before.1, limit as i64, user], revision_row)
}

pub(crate) fn revision(db: &Connection, id: i64) -> rusqlite::Result<Option<Revision>> {
    first(db, REVISION, [id], revision_row)
}

pub(crate) fn source(db: &Connection, revision: i64) -> rusqlite::Result<Option<Source>> {
    first(db, SOURCE, [revision], |row| Ok(Source { format: row.get(0)?, source: row.get(1)? }))
}

fn space_row(row: &Row<'_>) -> rusqlite::Result<Space> {
    Ok(Space { id: row.get(0)?, name: row.get(1)?, number: row.get(2)?, first_letter: row.get(3)? })
}

fn page_row(row: &Row<'_>) -> rusqlite::Result<Page> {
    Ok(Page {
        id: row.get(0)?,
        namespace_id: row.get(1)?,
        namespace: row.get(2)?,
        is_category: row.get::<_, Option<i64>>(3)? == Some(CATEGORY_NUMBER),
        title: row.get(4)?,
        revision_id: row.get(5)?,
        created_at: when(row, 6)?,
        updated_at: when(row, 7)?,
        redirect_to: row.get(8)?,
        protected: row.get(9)?,
        html: row.get(10)?,
    })
}

fn revision_row(row: &Row<'_>) -> rusqlite::Result<Revision> {
    let (namespace, bare): (String, String) = (row.get(3)?, row.get(4)?);
    Ok(Revision {
        id: row.get(0)?,
        page_id: row.get(1)?,
        parent_id: row.get(2)?,
        title: full_title(&namespace, &bare),
        path: page_path(&namespace, &bare),
        author: row.get(9)?,
        account: row.get(10)?,
        created_at: when(row, 5)?,
        comment: row.get(6)?,
        minor: row.get(7)?,
        size: row.get(8)?,
    })
}
