//! Uploaded pictures in a backup and back. A picture's name is the SHA-256 of its bytes, so that each is checked where it
//! is read, and none is ever another one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use veritable_config::Config;
use veritable_domain::upload::{Media, UploadHash, stored_at};
use veritable_writer::backup;
use veritable_writer::database::Database;

use crate::backup::{file_name, sync_dir};

/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;
/// Where a restore puts them before it touches what is there.
const RESTORING: &str = "uploads.restoring";

/// What a backup holds of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Tally {
    /// Pictures.
    pub(crate) files: u64,
    /// Bytes of all of them.
    pub(crate) bytes: u64,
}

/// A picture that a backup could not have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Lost {
    /// Its file.
    pub(crate) file: String,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// Copies the pictures of a server into a backup in `dir`, at `rate` bytes a second at most. Called after the databases
/// were copied: a picture is in its file before its row is committed, so that none of their rows misses its picture. One
/// that is removed meanwhile is left out; one that cannot be read, is not what its name says, or is missing although a
/// row names it, keeps nobody from the others.
///
/// # Errors
/// The copies cannot be written, or the databases not be read.
pub(crate) fn back_up(config: &Config, dir: &Path, rate: u64) -> anyhow::Result<(Tally, Vec<Lost>)> {
    let (from, to, mut lost) = (config.uploads_dir(), dir.join(Config::UPLOADS), Vec::new());
    let tally = copy_all(&from, &to, rate, Some(&mut lost))?;
    let copy = dir.join(file_name(config, Database::Forums)?);
    let named = backup::pictures(&copy)?;
    let without = named.into_iter().filter(|(hash, media)| !to.join(stored_at(*hash, *media)).exists());
    for (hash, media) in without {
        let file = from.join(stored_at(hash, media)).display().to_string();
        if lost.iter().all(|lost| lost.file != file) && backup::has_picture(config, hash)? {
            lost.push(Lost { file, why: "it is not there".into() });
        }
    }
    Ok((tally, lost))
}

/// Brings the pictures of a backup beside those that are there, and checks them against its tally.
///
/// # Errors
/// They are not what the backup's manifest says, or cannot be copied.
pub(crate) fn bring(config: &Config, backup: &Path, tally: Option<Tally>) -> anyhow::Result<()> {
    let beside = config.data_dir.join(RESTORING);
    if beside.exists() {
        fs::remove_dir_all(&beside).with_context(|| format!("removing {}", beside.display()))?;
    }
    let from = backup.join(Config::UPLOADS);
    let found = copy_all(&from, &beside, u64::MAX, None);
    let checked = found.and_then(|found| match tally {
        Some(tally) if tally != found => bail!(
            "{}: {} pictures of {} bytes, the manifest says {} of {}",
            from.display(),
            found.files,
            found.bytes,
            tally.files,
            tally.bytes
        ),
        _ => Ok(()),
    });
    checked.inspect_err(|_| discard(config))
}

/// Removes what was brought and is not wanted.
pub(crate) fn discard(config: &Config) {
    let beside = config.data_dir.join(RESTORING);
    if let Err(error) = fs::remove_dir_all(&beside)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %beside.display(), "copies are left");
    }
}

/// Moves the pictures that were there to `aside`.
///
/// # Errors
/// They cannot be moved.
pub(crate) fn move_aside(config: &Config, aside: &Path) -> anyhow::Result<()> {
    let from = config.uploads_dir();
    if !from.exists() {
        return Ok(());
    }
    fs::create_dir_all(aside).with_context(|| format!("making {}", aside.display()))?;
    fs::rename(&from, aside.join(Config::UPLOADS)).with_context(|| format!("moving {} aside", from.display()))
}

/// Puts those that were brought in their place. What is there now came from an earlier try.
///
/// # Errors
/// They cannot be moved.
pub(crate) fn take_their_place(config: &Config) -> anyhow::Result<()> {
    let (beside, place) = (config.data_dir.join(RESTORING), config.uploads_dir());
    if !beside.exists() {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("removing {}", place.display()))?;
    }
    fs::rename(&beside, &place).with_context(|| format!("naming {}", place.display()))
}

/// Copies every picture below `from`; without any, `to` is not made. With a list of what is `lost`, one that cannot be had
/// goes there, and one that is gone is left out.
fn copy_all(from: &Path, to: &Path, rate: u64, mut lost: Option<&mut Vec<Lost>>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let begun = Instant::now();
    for (folder, name) in pictures(from)? {
        let Some((hash, media)) = named(&folder, &name) else {
            tracing::warn!(file = %from.join(&folder).join(&name).display(), "no picture of ours: left out");
            continue;
        };
        let source = from.join(&folder).join(&name);
        make_dir(to)?;
        make_dir(&to.join(&folder))?;
        let copied = copy(&source, hash, &to.join(stored_at(hash, media)));
        let bytes = match (copied, &mut lost) {
            (Ok(bytes), _) => bytes,
            (Err(Uncopied::Source(error)), Some(_)) if error.kind() == ErrorKind::NotFound => continue,
            (Err(Uncopied::Source(error)), Some(lost)) => {
                lost.push(Lost { file: source.display().to_string(), why: error.to_string() });
                continue;
            }
            (Err(error), _) => return Err(error).with_context(|| format!("copying {}", source.display())),
        };
        tally.files += 1;
        tally.bytes += bytes;
        let due = Duration::from_secs_f64(tally.bytes as f64 / rate.max(1) as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    if to.exists() {
        for entry in fs::read_dir(to).with_context(|| format!("reading {}", to.display()))? {
            sync_dir(&entry?.path())?;
        }
        sync_dir(to)?;
    }
    Ok(tally)
}

fn make_dir(dir: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("making {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Why one was not copied.
#[derive(Debug, thiserror::Error)]
enum Uncopied {
    /// It cannot be read, or is not what its name says.
    #[error(transparent)]
    Source(io::Error),
    /// The copy cannot be written.
    #[error("writing the copy: {0}")]
    Copy(io::Error),
}

/// Copies one, and proves it to be what its name says; nothing is left of it otherwise.
fn copy(from: &Path, hash: UploadHash, to: &Path) -> Result<u64, Uncopied> {
    let mut file = File::open(from).map_err(Uncopied::Source)?;
    let copied = copy_bytes(&mut file, hash, to);
    if copied.is_err() {
        // It may not have been made.
        let _absent = fs::remove_file(to);
    }
    copied
}

fn copy_bytes(file: &mut File, hash: UploadHash, to: &Path) -> Result<u64, Uncopied> {
    let mut copy =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(Uncopied::Copy)?;
    let (mut chunk, mut hasher, mut bytes) = (vec![0; CHUNK], Sha256::new(), 0);
    loop {
        match file.read(&mut chunk).map_err(Uncopied::Source)? {
            0 => break,
            read => {
                hasher.update(&chunk[..read]);
                copy.write_all(&chunk[..read]).map_err(Uncopied::Copy)?;
                bytes += read as u64;
            }
        }
    }
    if hasher.finalize()[..] != hash.0 {
        return Err(Uncopied::Source(io::Error::other(
            "it is damaged: its name is not the hash of its bytes",
        )));
    }
    copy.sync_all().map_err(Uncopied::Copy)?;
    Ok(bytes)
}

/// The files in the folders below `dir`, in order, but for those that are still being written.
fn pictures(dir: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for folder in names(dir)? {
        let within: PathBuf = dir.join(&folder);
        if folder.len() == 2 && within.is_dir() {
            found.extend(names(&within)?.into_iter().map(|name| (folder.clone(), name)));
        }
    }
    Ok(found)
}

fn names(dir: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", dir.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn named(folder: &str, name: &str) -> Option<(UploadHash, Media)> {
    veritable_domain::upload::parse_file_name(&format!("{folder}{name}"))
}
