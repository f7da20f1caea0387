//! `veritable backup`: a directory with a copy of each database, all of one moment, and a manifest that says what
//! they are. It bears its name only once everything in it was read back and found good.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use veritable_config::Config;
use veritable_domain::time::UnixMillis;
use veritable_import::{Bar, Progress};
use veritable_writer::backup::{self, Copied};
use veritable_writer::database::Database;

use crate::cli::Backup;
use crate::{Failure, LOSSES, client, databases, out, uploads};

/// The manifest's name in a backup.
const MANIFEST: &str = "manifest.json";

/// What a backup holds.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Manifest {
    /// The version of the program that made it.
    pub(crate) program: String,
    /// When, RFC 3339.
    pub(crate) time: String,
    /// Its files, in the order of [`Database::ALL`].
    pub(crate) databases: Vec<Entry>,
    /// Its pictures; missing in the manifests of before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uploads: Option<uploads::Tally>,
    /// Pictures that could not be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<uploads::Lost>,
}

/// One database in a backup.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    /// Its name in the backup.
    pub(crate) file: String,
    /// Its schema's version.
    pub(crate) schema: i32,
    /// Its size.
    pub(crate) bytes: u64,
    /// XXH3-128 of its bytes, hexadecimal.
    pub(crate) xxh3_128: String,
}

impl Entry {
    /// Of a copy.
    pub(crate) fn of(file: String, copied: Copied) -> Entry {
        let Copied { schema, bytes, hash } = copied;
        Entry { file, schema, bytes, xxh3_128: format!("{hash:032x}") }
    }
}

impl Manifest {
    /// That of the backup in `dir`.
    ///
    /// # Errors
    /// It is not there or not understood; the error names its file.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Manifest> {
        let path = dir.join(MANIFEST);
        let text = fs::read(&path).with_context(|| format!("{} (is this a backup?)", path.display()))?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }
}

/// The file of a database, without its directory.
pub(crate) fn file_name(config: &Config, database: Database) -> anyhow::Result<String> {
    let path = database.path(config);
    let name = path.file_name().context("a database without a name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Whether what is in the files is what the running server has stored.
fn is_whole(config: &Config) -> anyhow::Result<()> {
    if !client::is_running(config) {
        return Ok(());
    }
    let status = client::status_of(config)?;
    if let Some(reason) = databases::unfit_by_status(&status["databases"]) {
        bail!("a backup now would not have everything that was stored: {reason}");
    }
    // The server may not have noticed yet; once it serves, it has one.
    let log = config.data_dir.join(format!("{}-wal", file_name(config, Database::Forums)?));
    if status["state"] == "serving" && !log.exists() {
        bail!("a backup now would not have everything that was stored: {} is gone", log.display());
    }
    Ok(())
}

/// Makes the backup; 3 when there are pictures that it could not have.
///
/// # Errors
/// There is something at its place already or no database to copy (misuse); the databases cannot be read, the copy
/// not be written, or it is not good. Nothing is left of it then.
pub(crate) fn run(config: &Config, asked: &Backup) -> Result<u8, Failure> {
    let dest = &asked.dest;
    if dest.symlink_metadata().is_ok() {
        return Err(Failure::Misuse(format!("{} is there already", dest.display())));
    }
    for database in Database::ALL {
        let path = database.path(config);
        if !path.exists() {
            return Err(Failure::Misuse(format!(
                "there is nothing to back up: {} is not there",
                path.display()
            )));
        }
    }
    is_whole(config)?;
    let (partial, _held) = partial(dest)?;
    let made = make(config, &partial, u64::from(asked.rate) * 1_000_000)
        .and_then(|manifest| put_in_place(&partial, dest).map(|()| manifest));
    let manifest = match made {
        Ok(manifest) => manifest,
        Err(error) => {
            if let Err(error) = fs::remove_dir_all(&partial) {
                tracing::warn!(%error, path = %partial.display(), "an unfinished backup is left");
            }
            return Err(error.into());
        }
    };
    if asked.json {
        out::line(&serde_json::to_string(&manifest).map_err(anyhow::Error::from)?);
    } else {
        for entry in &manifest.databases {
            let Entry { file, schema, bytes, .. } = entry;
            out::line(&format!("{file}: {bytes} bytes, schema {schema}, checked"));
        }
        if let Some(uploads::Tally { files, bytes }) = manifest.uploads {
            out::line(&format!("{}: {files} pictures, {bytes} bytes, checked", Config::UPLOADS));
        }
        out::line(&format!("The backup is {}", dest.display()));
    }
    for uploads::Lost { file, why } in &manifest.lost {
        tracing::error!(file, why, "a picture is not in the backup");
    }
    Ok(if manifest.lost.is_empty() { 0 } else { LOSSES })
}

/// The directory in which it is made, held by a lock for as long as that takes. What an earlier try left there is
/// removed.
///
/// # Errors
/// Another backup to the same place is under way (misuse), or the directory cannot be made.
fn partial(dest: &Path) -> Result<(PathBuf, File), Failure> {
    let name = dest.file_name().with_context(|| format!("{} names no directory", dest.display()))?;
    let partial = dest.with_file_name(format!("{}.partial", name.to_string_lossy()));
    let what = || format!("making {}", partial.display());
    match DirBuilder::new().mode(0o700).create(&partial) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(what)?;
        }
        Ok(()) | Err(_) => {}
    }
    let held = File::open(&partial).with_context(what)?;
    match held.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Failure::Misuse(format!("another backup to {} is under way", dest.display())));
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(what)?,
    }
    // Whoever held it before may have given it its name.
    let is_there = fs::metadata(&partial)
        .and_then(|there| held.metadata().map(|held| (there.dev(), there.ino()) == (held.dev(), held.ino())));
    if !is_there.unwrap_or_default() {
        return Err(Failure::Misuse(format!("another backup to {} has just ended", dest.display())));
    }
    for entry in fs::read_dir(&partial).with_context(what)? {
        let entry = entry.with_context(what)?;
        let (left, kind) = (entry.path(), entry.file_type().with_context(what)?);
        let removed = if kind.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
        removed.with_context(|| format!("removing {}", left.display()))?;
    }
    Ok((partial, held))
}

fn make(config: &Config, dir: &Path, rate: u64) -> anyhow::Result<Manifest> {
    let snapshots = backup::snapshots(config)?;
    let time = UnixMillis::now().rfc3339();
    let sizes = snapshots.iter().map(backup::Snapshot::bytes).collect::<Result<Vec<u64>, _>>()?;
    let total: u64 = sizes.iter().sum();
    let (mut bar, mut before) = (Bar::new("backup"), 0);
    let mut databases = Vec::new();
    for (snapshot, size) in snapshots.into_iter().zip(sizes) {
        let file = file_name(config, snapshot.database())?;
        snapshot.copy(&dir.join(&file), rate, |bytes| bar.at(before + bytes, total))?;
        before += size;
        databases.push((snapshot.database(), file));
        // Here the snapshot ends: the server's log is held for no longer than it takes to copy.
    }
    bar.end();
    let (tally, lost) = uploads::back_up(config, dir, rate)?;
    let uploads = Some(tally);
    let databases = databases
        .into_iter()
        .map(|(database, file)| {
            let copied = backup::verify(&dir.join(&file), database)?;
            Ok(Entry::of(file, copied))
        })
        .collect::<anyhow::Result<_>>()?;
    let manifest = Manifest { program: env!("CARGO_PKG_VERSION").to_owned(), time, databases, uploads, lost };
    write_through(&dir.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
    Ok(manifest)
}

fn put_in_place(partial: &Path, dest: &Path) -> anyhow::Result<()> {
    sync_dir(partial)?;
    fs::rename(partial, dest).with_context(|| format!("naming {}", dest.display()))?;
    sync_dir(&parent(dest))
}

/// The directory that holds `path`.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Writes a file that is on the disk when this returns.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_through(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .with_context(|| format!("writing {}", path.display()))
}

/// Puts the names in a directory on the disk.
///
/// # Errors
/// It cannot be opened or synced.
pub(crate) fn sync_dir(dir: &Path) -> anyhow::Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).with_context(|| format!("writing {}", dir.display()))
}
