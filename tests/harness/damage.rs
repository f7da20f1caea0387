//! Damage to a database's file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;

/// Bytes of a page of the database.
const PAGE: u64 = 8_192;

/// A page that was overwritten.
pub(crate) struct Damage {
    file: File,
    at: u64,
    sound: [u8; PAGE as usize],
}

impl Damage {
    /// Puts back what was there.
    pub(crate) fn mend(self) {
        self.file.write_all_at(&self.sound, self.at).unwrap();
    }
}

/// Overwrites the root page of an index or table, in place: whoever has the file open meets it.
pub(crate) fn damage(path: &Path, name: &str) -> Damage {
    let db = Connection::open(path).unwrap();
    let root: u32 =
        db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut damage = Damage { file, at: u64::from(root - 1) * PAGE, sound: [0; PAGE as usize] };
    damage.file.read_exact_at(&mut damage.sound, damage.at).unwrap();
    damage.file.write_all_at(&[0xA5; PAGE as usize], damage.at).unwrap();
    damage
}
