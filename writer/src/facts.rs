//! Facts about a database that are in the database itself, by name.

use rusqlite::Connection;

/// One that is as it is to be is not written again.
const PUT: &str = "INSERT INTO facts (name, value) VALUES (?1, coalesce(?2, hex(randomblob(8))))
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
                   RETURNING value";

/// The fact of this name, if there is one.
///
/// # Errors
/// SQLite's.
pub(crate) fn get(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    veritable_sql::first(db, "SELECT value FROM facts WHERE name = ?1", [name], |row| row.get(0))
}

/// States a fact, anew if need be.
///
/// # Errors
/// SQLite's.
pub(crate) fn set(db: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    put(db, name, Some(value)).map(drop)
}

/// Gives a fact a new value that it never had: eight random bytes in hexadecimal digits.
///
/// # Errors
/// SQLite's.
pub(crate) fn renew(db: &Connection, name: &str) -> rusqlite::Result<String> {
    put(db, name, None)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Takes a fact away.
///
/// # Errors
/// SQLite's.
pub(crate) fn remove(db: &Connection, name: &str) -> rusqlite::Result<()> {
    veritable_sql::run(db, "DELETE FROM facts WHERE name = ?1", [name]).map(drop)
}

fn put(db: &Connection, name: &str, value: Option<&str>) -> rusqlite::Result<Option<String>> {
    veritable_sql::first(db, PUT, (name, value), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;
    use crate::migrate;

    #[test]
    fn facts_are_stated_renewed_and_taken_away_and_a_failed_read_is_an_error() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate::up(&mut db, Database::Forums).unwrap();
        assert_eq!(get(&db, "a").unwrap(), None);
        set(&db, "a", "1").unwrap();
        set(&db, "a", "2").unwrap();
        let before = db.total_changes();
        set(&db, "a", "2").unwrap();
        assert_eq!(db.total_changes(), before, "it is so already");
        assert_eq!(get(&db, "a").unwrap().as_deref(), Some("2"));
        let (first, second) = (renew(&db, "a").unwrap(), renew(&db, "a").unwrap());
        assert!(first != second && second.len() == 16 && get(&db, "a").unwrap() == Some(second));
        remove(&db, "a").unwrap();
        assert_eq!(get(&db, "a").unwrap(), None);
        db.execute_batch("DROP TABLE facts").unwrap();
        assert!(get(&db, "a").is_err());
    }
}
