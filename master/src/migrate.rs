//! `veritable migrate`: shows the schemas and moves them up or down, while no server runs.

use veritable_config::Config;
use veritable_writer::database::{self, Database};
use veritable_writer::migrate;

use crate::cli::Migrate;
use crate::{lock, out};

/// Does what was asked.
///
/// # Errors
/// A server runs, or a database cannot be opened or changed.
pub(crate) fn run(config: &Config, asked: &Migrate) -> anyhow::Result<()> {
    match asked {
        Migrate::Status { .. } => {}
        Migrate::Up { .. } => {
            let _lock = lock::take(&config.data_dir)?;
            for database in Database::ALL {
                database::open(config, database)?;
            }
        }
        Migrate::Down { database, to, .. } => {
            let _lock = lock::take(&config.data_dir)?;
            let path = database.path(config);
            anyhow::ensure!(path.exists(), "{} is not there", path.display());
            let mut db = database::open(config, *database)?;
            migrate::down(&mut db, *database, i32::from(*to)).map_err(|error| error.at(&path))?;
        }
    }
    for database in Database::ALL {
        let path = database.path(config);
        let newest = migrate::newest(database);
        match database::version(config, database)? {
            None => out::line(&format!("{}: not there yet; version {newest} is the newest", path.display())),
            Some(at) => out::line(&format!("{}: version {at} of {newest}", path.display())),
        }
    }
    Ok(())
}
