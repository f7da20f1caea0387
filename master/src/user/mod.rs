//! `veritable user`: accounts from the command line, through the running server's writer or, where none runs, one of
//! our own for a moment. Passwords are read from the terminal or the standard input, never from an argument, which
//! everybody on the host could read.

mod secrets;

use std::io::{IsTerminal, Write};

use anyhow::Context;
use rusqlite::Connection;
use serde_json::{Value, json};
use veritable_config::Config;
use veritable_config::settings::Accounts as AccountSettings;
use veritable_domain::account::{Address, NewPassword, Scopes};
use veritable_domain::password::Cost;
use veritable_domain::permission::{Groups, Role};
use veritable_domain::secret;
use veritable_domain::text::{Comment, Label, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer::database::{self, Database};
use veritable_writer::people::{self, Person};
use veritable_writer_api::CallError;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{Accounts, Administration, By, Command, Outcome, Refusal};

use crate::cli::{User, UserNew};
use crate::import::OwnWriter;
use crate::{Failure, client, lock, out};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How long a link for a new password is good that somebody is to be handed.
const RESET_MS: i64 = DAY_MS;

/// Carries out one of the commands.
///
/// # Errors
/// There is no such account, the writer refuses, or what was typed is not fit (misuse).
pub(crate) fn run(config: &Config, asked: &User) -> Result<u8, Failure> {
    match asked {
        User::List { role, json, .. } => list(config, *role, *json)?,
        User::Show { name, json, .. } => show(config, name, *json)?,
        User::Create(new) => create(config, new)?,
        User::Invite { role, days, note, .. } => invite(config, *role, *days, note)?,
        User::Role { name, role, .. } => {
            let user = one(config, name)?.id;
            administer(config, Administration::SetRole { user, role: *role })?;
            out::line(&format!("{name} is {} now.", role.name()));
        }
        User::Groups { name, groups, .. } => set_groups(config, name, groups)?,
        User::Disable { name, reason, .. } => {
            let (user, reason) = (one(config, name)?.id, Comment::new(reason).map_err(misuse)?);
            administer(config, Administration::SetDisabled { user, disabled: true, reason })?;
            out::line(&format!("{name} is switched off; its sessions are ended."));
        }
        User::Enable { name, .. } => {
            let (user, reason) = (one(config, name)?.id, Comment::truncated(""));
            administer(config, Administration::SetDisabled { user, disabled: false, reason })?;
            out::line(&format!("{name} is switched on."));
        }
        User::Reset { name, second_factor, .. } => reset(config, name, *second_factor)?,
        User::Token { name, label, scopes, days, .. } => token(config, name, label, scopes, *days)?,
        User::Delete { name, yes, .. } => delete(config, name, *yes)?,
    }
    Ok(0)
}

fn misuse(error: impl ToString) -> Failure {
    Failure::Misuse(error.to_string())
}

/// The forums, for reading.
fn open(config: &Config) -> anyhow::Result<Connection> {
    let path = config.forums_db();
    if !path.exists() {
        anyhow::bail!("there is no community yet: {} is not there (is --data-dir right?)", path.display());
    }
    database::open_to_read(config, Database::Forums).with_context(|| path.display().to_string())
}

fn one(config: &Config, name: &str) -> Result<Person, Failure> {
    let found = people::find(&open(config)?, name).map_err(anyhow::Error::from)?;
    found.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no user {name:?}")))
}

/// Has a command done, whether a server runs or not.
fn call(config: &Config, command: Command) -> anyhow::Result<Outcome> {
    if client::is_running(config) {
        return through(config, command);
    }
    let _lock = lock::take(&config.data_dir)?;
    let writer = OwnWriter::start(config)?;
    let outcome = through(config, command);
    writer.stop()?;
    outcome
}

fn through(config: &Config, command: Command) -> anyhow::Result<Outcome> {
    let mut client = Client::connect(&config.writer_socket()).context("connecting to the writer")?;
    client.call(command).map_err(|error| match error {
        CallError::Refused(Refusal::Storage { reason }) => {
            anyhow::anyhow!("it could not be stored: {reason}")
        }
        CallError::Refused(refusal) => anyhow::anyhow!("{refusal}"),
        other => anyhow::Error::from(other),
    })
}

fn administer(config: &Config, change: Administration) -> anyhow::Result<Outcome> {
    call(config, Command::administration(By::OPERATOR, change))
}

fn list(config: &Config, role: Option<Role>, as_json: bool) -> Result<(), Failure> {
    let db = open(config)?;
    let groups = people::groups(&db).map_err(anyhow::Error::from)?;
    let least = role.unwrap_or(Role::Member);
    let mut lines = Vec::new();
    people::list(&db, least, |person| {
        if as_json {
            out::line(&object(&person, &groups).to_string());
        } else {
            lines.push([
                person.id.to_string(),
                person.name.clone(),
                person.role.name().to_owned(),
                state(&person).to_owned(),
                person.created_at.rfc3339(),
                person.address.unwrap_or_default(),
            ]);
        }
    })
    .map_err(anyhow::Error::from)?;
    if !as_json {
        let titles = ["ID", "NAME", "ROLE", "STATE", "SINCE", "ADDRESS"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(titles).chain(lines).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            out::line(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
    Ok(())
}

fn state(person: &Person) -> &'static str {
    match person {
        Person { disabled_at: Some(_), .. } => "off",
        Person { approved: false, .. } => "waits",
        Person { verified: false, address: Some(_), .. } => "unconfirmed",
        _ => "on",
    }
}

fn object(person: &Person, groups: &[(u8, String)]) -> Value {
    let of_person: Vec<&str> = groups
        .iter()
        .filter(|(number, _)| person.groups.meets(Groups::one(*number)))
        .map(|(_, name)| name.as_str())
        .collect();
    json!({
        "id": person.id,
        "name": person.name,
        "display_name": person.display_name,
        "role": person.role,
        "groups": of_person,
        "address": person.address,
        "state": state(person),
        "second_factor": person.second_factor,
        "sessions": person.sessions,
        "wrote": person.wrote,
        "created_at": person.created_at.rfc3339(),
        "disabled_at": person.disabled_at.map(UnixMillis::rfc3339),
    })
}

fn show(config: &Config, name: &str, as_json: bool) -> Result<(), Failure> {
    let person = one(config, name)?;
    let groups = people::groups(&open(config)?).map_err(anyhow::Error::from)?;
    let object = object(&person, &groups);
    if as_json {
        out::line(&object.to_string());
        return Ok(());
    }
    for (name, value) in object.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        out::line(&format!("{name:<14} {text}"));
    }
    Ok(())
}

fn cost(settings: &AccountSettings) -> Cost {
    Cost { log_n: settings.scrypt_log_n, r: settings.scrypt_r, p: settings.scrypt_p }
}

fn create(config: &Config, new: &UserNew) -> Result<(), Failure> {
    let name = UserName::wanted(&new.name).map_err(misuse)?;
    let address = new.address.as_deref().map(Address::new).transpose().map_err(misuse)?;
    let password_hash = if new.no_password {
        None
    } else {
        let known = [new.name.as_str(), new.address.as_deref().unwrap_or_default(), &config.site.name];
        let password = secrets::password(&new.name)?;
        let password = NewPassword::new(&password, &known).map_err(misuse)?;
        let hash = cost(&config.accounts).hash(password.as_str(), secrets::random()?);
        Some(hash.map_err(anyhow::Error::from)?)
    };
    let role = new.role;
    let create = Accounts::CreateUser { name: name.clone(), role, address, password_hash };
    call(config, Command::accounts(By::OPERATOR, create))?;
    out::line(&format!("{} is made, as {}.", name.as_str(), role.name()));
    if new.no_password {
        reset(config, name.as_str(), false)?;
    }
    Ok(())
}

/// Where people reach the site.
fn base(config: &Config) -> String {
    if !config.site.base_url.is_empty() {
        return config.site.base_url.clone();
    }
    let listened = config.listen.iter().find(|address| !address.starts_with("unix:"));
    format!("http://{}", listened.map_or("localhost", String::as_str))
}

fn invite(config: &Config, role: Role, days: u32, note: &str) -> Result<(), Failure> {
    let link = invitation(config, role, i64::from(days) * DAY_MS, note)?;
    out::line(&format!("Whoever opens this link may join as {}, once, within {days} days:", role.name()));
    out::line(&link);
    Ok(())
}

/// Makes an invitation; its link.
fn invitation(config: &Config, role: Role, lasts_ms: i64, note: &str) -> Result<String, Failure> {
    let (secret, hash) = secrets::secret()?;
    let expires_at = UnixMillis(UnixMillis::now().0 + lasts_ms);
    let note = Comment::new(note).map_err(misuse)?;
    administer(config, Administration::Invite { hash, role, note, expires_at })?;
    Ok(format!("{}{}", base(config), secret::invitation_path(&secret)))
}

/// At the first start on an empty data directory: a link by which the first administrator joins. On one where nobody
/// administers, what to do.
///
/// # Errors
/// The data directory cannot be used. The caller holds its lock.
pub(crate) fn greet(config: &Config) -> anyhow::Result<()> {
    if config.forums_db().exists() {
        let nobody = database::version(config, Database::Forums)?
            == Some(veritable_writer::migrate::newest(Database::Forums))
            && !people::has_administrator(&open(config)?)?;
        if nobody {
            tracing::warn!(
                "nobody administers this site; make somebody: veritable user create NAME --role administrator"
            );
        }
        return Ok(());
    }
    let (secret, hash) = secrets::secret()?;
    let expires_at = UnixMillis(UnixMillis::now().0 + DAY_MS);
    let note = Comment::truncated("the first administrator");
    let invite = Administration::Invite { hash, role: Role::Administrator, note, expires_at };
    let writer = OwnWriter::start(config)?;
    let invited = through(config, Command::administration(By::OPERATOR, invite));
    writer.stop()?;
    invited?;
    // Not by the log, which others may collect.
    let mut stderr = std::io::stderr();
    // Nobody is left to tell that nobody can be told; the other way is always there.
    let _unread = writeln!(
        stderr,
        "This site is new. Make its administrator's account within a day, here (the link is good once):\n\n    \
         {}{}\n\nor at any time by: veritable user create NAME --role administrator\n",
        base(config),
        secret::invitation_path(&secret)
    );
    Ok(())
}

fn set_groups(config: &Config, name: &str, names: &[String]) -> Result<(), Failure> {
    let there = people::groups(&open(config)?).map_err(anyhow::Error::from)?;
    let mut groups = Groups::NONE;
    for wanted in names {
        let found = there.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted));
        let Some((number, _)) = found else {
            let known: Vec<&str> = there.iter().map(|(_, name)| name.as_str()).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            return Err(Failure::Misuse(format!("there is no group {wanted:?}; groups: {known}")));
        };
        groups = groups.and(Groups::one(*number));
    }
    let user = one(config, name)?.id;
    administer(
        config,
        Administration::SetGroups { user, into: groups, out_of: Groups::OWN.without(groups) },
    )?;
    let said = if names.is_empty() { "no group".to_owned() } else { names.join(", ") };
    out::line(&format!("{name} is in {said} now."));
    Ok(())
}

fn reset(config: &Config, name: &str, second_factor: bool) -> Result<(), Failure> {
    let user = one(config, name)?.id;
    if second_factor {
        administer(config, Administration::EndSecondFactor { user })?;
        out::line("Its second factor is dropped.");
    }
    let (secret, hash) = secrets::secret()?;
    let expires_at = UnixMillis(UnixMillis::now().0 + RESET_MS);
    administer(config, Administration::OfferPassword { user, hash, expires_at, mail: None })?;
    out::line(&format!("Whoever opens this link chooses the password of {name}, once, within a day:"));
    out::line(&format!("{}{}", base(config), secret::reset_path(&secret)));
    Ok(())
}

fn token(
    config: &Config,
    name: &str,
    label: &str,
    scopes: &[veritable_domain::account::Scope],
    days: u32,
) -> Result<(), Failure> {
    let label = Label::new(label).map_err(misuse)?;
    let user = one(config, name)?.id;
    let scopes: Scopes = scopes.iter().copied().collect();
    let expires_at = (days > 0).then(|| UnixMillis(UnixMillis::now().0 + i64::from(days) * DAY_MS));
    let (text, hash) = secrets::token()?;
    let create = Accounts::CreateApiToken {
        user,
        name: label.as_str().to_owned(),
        hash,
        scopes,
        expires_at,
        notice: None,
    };
    call(config, Command::accounts(By::OPERATOR, create))?;
    // Alone on its line, for scripts; the rest is for people.
    out::line(&text);
    if std::io::stdout().is_terminal() {
        out::line(&format!("It acts as {name} and may {}. It is shown only now.", scopes.names()));
    }
    Ok(())
}

fn delete(config: &Config, name: &str, yes: bool) -> Result<(), Failure> {
    let person = one(config, name)?;
    if !yes {
        let question = format!(
            "Forget {} ({} posts and edits stay, without a name)? Type the name again: ",
            person.name, person.wrote
        );
        if secrets::line(&question)?.trim() != person.name {
            return Err(Failure::Misuse(
                "the name was not typed again; nothing is deleted (or use --yes)".into(),
            ));
        }
    }
    administer(config, Administration::Erase { user: person.id })?;
    out::line(&format!("The account is deleted; what it wrote is by \"deleted user {}\".", person.id));
    Ok(())
}
