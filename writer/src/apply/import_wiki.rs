//! Wiki content of another system.

use rusqlite::params;
use veritable_domain::ids::{NamespaceId, PageId, RevisionId};
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::MAX_TITLE_BYTES;
use veritable_writer_api::message::{ImportNamespace, ImportPage, ImportRevision, ImportTally};

use super::accounts::imported_user;
use super::wiki::{self, NewRevision, insert_page, insert_revision, namespace_named};
use super::{Failure, Transaction, digest, known, malformed, remember};

/// Titles tried for a page whose own is taken, before giving up.
const TITLES_TRIED: u32 = 1_000;

/// Namespaces by their names there; one of the same name here is the same.
pub(super) fn namespaces(
    tx: &mut Transaction<'_>,
    namespaces: &[ImportNamespace],
) -> Result<ImportTally, Failure> {
    let mut tally = ImportTally::default();
    for ImportNamespace { name, number, first_letter } in namespaces {
        if let Some(id) = namespace_named(tx, name)? {
            // How titles begin can change only while no title depends on it.
            let changed = tx.run(
                "UPDATE namespaces SET first_letter = ?2
                 WHERE id = ?1 AND first_letter <> ?2
                   AND NOT EXISTS (SELECT 1 FROM pages WHERE namespace_id = ?1 AND deleted_at IS NULL)",
                params![id.0, first_letter],
            )?;
            tally.changed += changed as u64;
            tally.unchanged += 1 - changed as u64;
        } else {
            tx.run(
                "INSERT INTO namespaces (name, name_key, number, first_letter) VALUES (?1, ?2, ?3, ?4)",
                params![name, name.to_lowercase(), number, first_letter],
            )?;
            tally.added += 1;
        }
    }
    Ok(tally)
}

pub(super) fn page(tx: &mut Transaction<'_>, source: &str, new: &ImportPage) -> Result<ImportTally, Failure> {
    let mut tally = ImportTally::default();
    let foreign = (source, "page", new.foreign_id.as_str());
    let page = match known(tx, source, "page", &new.foreign_id)? {
        Some(known) => PageId(known.local_id),
        None if new.revisions.is_empty() => return Err(malformed("a page without revisions")),
        None => {
            let namespace = namespace_named(tx, &new.namespace)?
                .ok_or_else(|| malformed(format!("namespace {:?} was not imported before", new.namespace)))?;
            let first = new.revisions.first().map_or(tx.now, |revision| revision.created_at);
            let page = make_page(tx, source, new, namespace, first, &mut tally)?;
            remember(tx, foreign, page.0, None)?;
            tally.added += 1;
            page
        }
    };
    let mut added = false;
    let mut newest = None;
    for revision in &new.revisions {
        let (id, is_new) = place_revision(tx, source, page, revision)?;
        added |= is_new;
        *(if is_new { &mut tally.added } else { &mut tally.unchanged }) += 1;
        newest = Some((id, revision.created_at));
    }
    match (&new.rendered, newest) {
        (Some(rendered), Some((revision, at))) => {
            let digest = digest(rendered)?;
            let shown = known(tx, source, "page", &new.foreign_id)?.is_some_and(|known| known.is(&digest));
            if added || !shown {
                if may_show(tx, foreign, page)? {
                    wiki::show_revision(tx, page, revision, at, rendered)?;
                    remember(tx, shown_of(foreign), revision.0, None)?;
                } else {
                    tally
                        .notes
                        .push(format!("page {:?} was edited here: its text here stays", new.title.as_str()));
                }
                remember(tx, foreign, page.0, Some(digest))?;
                tally.changed += u64::from(!added);
            }
        }
        (None, Some((revision, at))) if added => {
            // More is to come. Until then the page at least names a revision that exists.
            let named = tx.run(
                "UPDATE pages SET revision_id = ?2, updated_at = ?3 WHERE id = ?1 AND revision_id = 0",
                params![page.0, revision.0, at.0],
            )?;
            if named > 0 {
                remember(tx, shown_of(foreign), revision.0, None)?;
            }
        }
        _ => {}
    }
    Ok(tally)
}

/// Under which name it is remembered which revision an import made a page show.
fn shown_of<'a>((source, _, foreign): (&'a str, &'a str, &'a str)) -> (&'a str, &'a str, &'a str) {
    (source, "shown", foreign)
}

/// Whether the page still shows what was imported: an edit made here is not overwritten.
fn may_show(tx: &Transaction<'_>, page: (&str, &str, &str), id: PageId) -> rusqlite::Result<bool> {
    let current: i64 =
        tx.row("SELECT revision_id FROM pages WHERE id = ?1", [id.0], |row| row.get(0))?.unwrap_or(0);
    let (source, kind, foreign) = shown_of(page);
    let shown = known(tx, source, kind, foreign)?.map_or(0, |known| known.local_id);
    Ok(current == 0 || current == shown)
}

fn make_page(
    tx: &Transaction<'_>,
    source: &str,
    new: &ImportPage,
    namespace: NamespaceId,
    at: UnixMillis,
    tally: &mut ImportTally,
) -> Result<PageId, Failure> {
    let wanted = new.title.as_str();
    let taken = |title: &str| {
        tx.row(
            "SELECT 1 FROM pages WHERE namespace_id = ?1 AND title = ?2 AND deleted_at IS NULL",
            params![namespace.0, title],
            |_| Ok(()),
        )
    };
    if taken(wanted)?.is_none() {
        return Ok(insert_page(tx, namespace, wanted, at)?);
    }
    for number in 1..TITLES_TRIED {
        let suffix = if number == 1 { format!(" ({source})") } else { format!(" ({source} {number})") };
        let room = MAX_TITLE_BYTES.saturating_sub(suffix.len());
        let kept = &wanted[..wanted.floor_char_boundary(room)];
        let title = format!("{kept}{suffix}");
        if taken(&title)?.is_none() {
            tally.notes.push(format!("page {wanted:?} became {title:?}: the title was taken"));
            return Ok(insert_page(tx, namespace, &title, at)?);
        }
    }
    Err(malformed(format!("no free title for page {wanted:?}")))
}

/// Stores a revision unless it is known; yields it and whether it is new.
fn place_revision(
    tx: &Transaction<'_>,
    source: &str,
    page: PageId,
    new: &ImportRevision,
) -> Result<(RevisionId, bool), Failure> {
    if let Some(known) = known(tx, source, "revision", &new.foreign_id)? {
        return Ok((RevisionId(known.local_id), false));
    }
    let author = new.author.as_deref().map(|foreign| imported_user(tx, source, foreign)).transpose()?;
    let parent = tx.row(
        "SELECT id FROM revisions WHERE page_id = ?1 ORDER BY created_at DESC, id DESC LIMIT 1",
        [page.0],
        |row| row.get(0).map(RevisionId),
    )?;
    let id = insert_revision(
        tx,
        &NewRevision {
            page,
            parent,
            author,
            author_name: &new.author_name,
            created_at: new.created_at,
            comment: new.comment.as_str(),
            minor: new.minor,
            format: new.format,
            source: new.source.as_str(),
        },
    )?;
    remember(tx, (source, "revision", &new.foreign_id), id.0, None)?;
    Ok((id, true))
}
