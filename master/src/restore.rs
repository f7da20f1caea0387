//! `veritable restore`: a backup takes the place of the databases, which are kept aside.
//!
//! However it is broken off, it is to be run again and then finishes: the copies are first brought beside the
//! databases, then a record is written, then the databases are moved aside, then the copies take their names, then
//! the record goes. While the record is there nothing else starts in the directory (`lock`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use veritable_config::Config;
use veritable_domain::time::UnixMillis;
use veritable_writer::backup;
use veritable_writer::database::Database;

use crate::backup::{Entry, Manifest, file_name, sync_dir, write_through};
use crate::{Failure, lock, out, uploads};

/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How far a restore is, from when it first touched what was there.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    /// Where what was there goes, a directory within the data directory.
    aside: String,
    /// Everything that was there is aside.
    moved: bool,
}

impl Record {
    fn path(config: &Config) -> PathBuf {
        config.data_dir.join(lock::RESTORING)
    }

    /// Of a restore that was broken off.
    fn read(config: &Config) -> anyhow::Result<Option<Record>> {
        let path = Record::path(config);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn write(&self, config: &Config) -> anyhow::Result<()> {
        let next = config.data_dir.join("restoring.next");
        write_through(&next, &serde_json::to_vec(self)?)?;
        fs::rename(&next, Record::path(config)).context("writing down how far the restore is")?;
        sync_dir(&config.data_dir)
    }
}

/// Restores `backup`.
///
/// # Errors
/// There is no such directory (misuse). A server runs on the data directory; the backup is incomplete, damaged, of
/// another program or a newer Veritable: nothing is touched then. Or a file cannot be written or moved.
pub(crate) fn run(config: &Config, backup: &Path) -> Result<u8, Failure> {
    if !backup.is_dir() {
        return Err(Failure::Misuse(format!("{} is no directory", backup.display())));
    }
    Ok(restore(config, backup)?)
}

fn restore(config: &Config, backup: &Path) -> anyhow::Result<u8> {
    let _lock = lock::take_to_restore(&config.data_dir)?;
    let manifest = Manifest::read(backup)?;
    let mut copies = Copies::default();
    copies.bring(config, backup, &manifest)?;
    uploads::bring(config, backup, manifest.uploads)?;
    let record = begin(config).inspect_err(|_| uploads::discard(config))?;
    let copies = copies.keep();
    let aside = config.data_dir.join(&record.aside);
    if !record.moved {
        move_aside(config, &aside)?;
        uploads::move_aside(config, &aside)?;
        Record { moved: true, ..record }.write(config)?;
    }
    for (database, copy) in &copies {
        let path = database.path(config);
        fs::rename(copy, &path).with_context(|| format!("naming {}", path.display()))?;
    }
    uploads::take_their_place(config)?;
    sync_dir(&config.data_dir)?;
    fs::remove_file(Record::path(config)).context("ending the restore")?;
    sync_dir(&config.data_dir)?;
    out::line(&format!("The community as of {} is in {}", manifest.time, config.data_dir.display()));
    for uploads::Lost { file, why } in &manifest.lost {
        out::line(&format!("It lacks a picture that could not be backed up: {file}: {why}"));
    }
    if aside.exists() {
        out::line(&format!("What was there is in {}", aside.display()));
    }
    Ok(0)
}

/// The record of the restore that was interrupted, or that of a new one.
fn begin(config: &Config) -> anyhow::Result<Record> {
    if let Some(record) = Record::read(config)? {
        return Ok(record);
    }
    let record = Record { aside: aside(config)?, moved: false };
    record.write(config)?;
    Ok(record)
}

/// Copies beside the databases, removed when this is dropped: until the record is written nothing needs them.
#[derive(Default)]
struct Copies(Vec<(Database, PathBuf)>);

impl Copies {
    /// Brings them and proves them to be what the manifest says.
    fn bring(&mut self, config: &Config, backup: &Path, manifest: &Manifest) -> anyhow::Result<()> {
        for database in Database::ALL {
            let name = file_name(config, database)?;
            let Some(entry) = manifest.databases.iter().find(|entry| entry.file == name) else {
                bail!("the manifest of {} does not name {name}", backup.display());
            };
            let (from, to) = (backup.join(&name), config.data_dir.join(format!("{name}.restoring")));
            self.0.push((database, to.clone()));
            fs::copy(&from, &to)
                .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))
                .and_then(|()| fs::File::open(&to).and_then(|file| file.sync_all()))
                .with_context(|| format!("writing {}", to.display()))?;
            // Of the copy, not of what was copied: that is what will be served.
            is_good(&to, database, entry).with_context(|| from.display().to_string())?;
        }
        Ok(())
    }

    /// From here on they are the restore's to name.
    fn keep(mut self) -> Vec<(Database, PathBuf)> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for (_, copy) in &self.0 {
            match fs::remove_file(copy) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %copy.display(), "a copy is left");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

fn is_good(copy: &Path, database: Database, entry: &Entry) -> anyhow::Result<()> {
    let bytes = fs::metadata(copy)?.len();
    ensure!(bytes == entry.bytes, "{bytes} bytes, the manifest says {}", entry.bytes);
    let found = Entry::of(entry.file.clone(), backup::describe(copy, database)?);
    ensure!(
        found.xxh3_128 == entry.xxh3_128,
        "it was changed since it was made: its hash is not the manifest's"
    );
    Ok(())
}

/// A name that is not taken yet.
fn aside(config: &Config) -> anyhow::Result<String> {
    let time = UnixMillis::now().rfc3339().replace(':', "-");
    let names = (0..100).map(|n| if n == 0 { time.clone() } else { format!("{time}-{n}") });
    let mut names = names.map(|name| format!("before-restore-{name}"));
    names.find(|name| !config.data_dir.join(name).exists()).context("a hundred restores within a millisecond")
}

/// Moves the databases and what SQLite keeps beside them, so that none is ever seen without its log.
fn move_aside(config: &Config, aside: &Path) -> anyhow::Result<()> {
    for database in Database::ALL {
        let name = file_name(config, database)?;
        for suffix in [""].into_iter().chain(BESIDE) {
            let file = format!("{name}{suffix}");
            let from = config.data_dir.join(&file);
            if !from.exists() {
                continue;
            }
            fs::create_dir_all(aside).with_context(|| format!("making {}", aside.display()))?;
            fs::rename(&from, aside.join(&file))
                .with_context(|| format!("moving {} aside", from.display()))?;
        }
    }
    if aside.exists() {
        fs::set_permissions(aside, fs::Permissions::from_mode(0o700)).context("closing it to others")?;
        sync_dir(aside)?;
    }
    sync_dir(&config.data_dir)
}
