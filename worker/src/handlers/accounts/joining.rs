//! Joining, and showing that an address is one's own.

use veritable_config::settings::Registration;
use veritable_domain::account::Address;
use veritable_domain::ids::UserId;
use veritable_domain::permission::Role;
use veritable_domain::secret::digest;
use veritable_domain::text::UserName;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Accounts, Command, IdempotencyKey, LinkKind, Outcome, Refusal};

use super::{FAULTY, Faults, new_password, notice, told};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::mails;
use crate::reads::accounts::{self, Login};
use crate::reads::settings;
use crate::routes::{Asker, ChangeKey, Cost, Pending, Submission, Visit};
use crate::views::{ButtonPage, Page, SignUpPage, render};

/// Said of an invitation that is none.
const DEAD: &str = "This invitation was used already, or is too old.";

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        if visit.asker.actor.user.is_some() {
            return Ok(Answer::see_other("/account"));
        }
        let invitation = visit.query.get("invitation").map_or("", String::as_str);
        show(app, &visit.asker, ("", "", invitation), Faults::new()).await
    })
}

async fn show(
    app: &App,
    asker: &Asker,
    (name, address, invitation): (&str, &str, &str),
    faults: Faults,
) -> Result<Answer, Error> {
    let invited = invited(app, invitation).await?;
    if app.config.accounts.registration == Registration::Closed && invited != Some(Role::Administrator) {
        let text = "New accounts are made by the administrators.";
        return notice(app, asker, "Nobody can sign up here", text, None).await;
    }
    let page = Page::own(app, asker, "Sign up").await?;
    let registration = app.config.accounts.registration;
    let needs_address = needs_address(app, invited);
    let is_faulty = !faults.is_empty();
    let is_dead = !invitation.is_empty() && invited.is_none();
    let shown =
        SignUpPage { page, name, address, invitation, invited, is_dead, registration, needs_address, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

/// The role that an invitation gives, if it is good.
async fn invited(app: &App, code: &str) -> Result<Option<Role>, Error> {
    if code.is_empty() {
        return Ok(None);
    }
    let (hash, now) = (digest(code), UnixMillis::now());
    app.run(Cost::Point, move |db| Ok(settings::invitation(db, &hash, now)?)).await
}

/// The first administrator has the command line's word, and mail may not be sent yet.
fn needs_address(app: &App, invited: Option<Role>) -> bool {
    mails::are_sent(&app.config) && invited != Some(Role::Administrator)
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        app.limits.count_address(limits::SIGN_UP_TRY, form.asker.address)?;
        let typed = |name| Ok::<_, Error>(form.fields.line(name)?.to_owned());
        let (typed_name, typed_address, code) = (typed("name")?, typed("address")?, typed("invitation")?);
        let again = |faults: Faults| {
            let asker = form.asker.clone();
            let (name, address, code) = (typed_name.clone(), typed_address.clone(), code.clone());
            async move { show(app, &asker, (&name, &address, &code), faults).await }
        };
        let registration = app.config.accounts.registration;
        let invited = invited(app, &code).await?;
        if !code.is_empty() && invited.is_none() {
            return again(Faults::from([("invitation", DEAD.to_owned())])).await;
        }
        if registration == Registration::Closed && invited != Some(Role::Administrator) {
            return again(Faults::new()).await;
        }
        let mut faults = Faults::new();
        let name =
            UserName::wanted(&typed_name).map_err(|error| faults.insert("name", error.to_string())).ok();
        let needs_address = needs_address(app, invited);
        let address = match typed_address.as_str() {
            "" if !needs_address => None,
            text => Address::new(text).map_err(|error| faults.insert("address", error.to_string())).ok(),
        };
        let known = [typed_name.as_str(), typed_address.as_str(), app.config.site.name.as_str()];
        let password = new_password(form.fields.get("password"), &known, &mut faults);
        if registration == Registration::Invitation && code.is_empty() {
            faults.insert("invitation", "An invitation is needed: ask somebody who is here already.".into());
        }
        let (Some(name), Some(password), true) = (name, password, faults.is_empty()) else {
            return again(faults).await;
        };
        app.hashing.has_room().await?;
        app.limits.count_address(limits::SIGN_UP, form.asker.address)?;
        let password_hash = app.hashing.hash(password.as_str()).await?;
        let link = match &address {
            Some(address) if needs_address => {
                app.limits.count(limits::MAIL, address.key().as_bytes())?;
                Some(mails::verify(&app.config, address, name.as_str(), form.now)?)
            }
            _ => None,
        };
        let waits = registration == Registration::Approval && invited.is_none();
        let join = Accounts::SignUp {
            name,
            address: address.clone(),
            password_hash,
            invitation: (!code.is_empty()).then(|| digest(&code)),
            // Whoever was invited is vouched for.
            waits_for_approval: waits,
            link,
        };
        match app.send(Command::accounts(form.asker.by(), join), &form.key).await {
            Ok(Outcome::UserCreated { .. }) => {}
            // Whose address it is, is told to nobody but its owner.
            Ok(Outcome::Account { user }) => tell_owner(app, &form, user).await?,
            Ok(other) => {
                return Err(Error::Internal(format!("the writer answered another command: {other:?}")));
            }
            Err(Error::Refused(Refusal::NameTaken)) => {
                let text =
                    "Somebody has this name already, or one that looks like it. Take another one.".to_owned();
                return again(Faults::from([("name", text)])).await;
            }
            Err(Error::Refused(Refusal::LinkDead)) => {
                return again(Faults::from([("invitation", DEAD.to_owned())])).await;
            }
            Err(Error::Refused(Refusal::AddressTaken)) => {
                let text = "This address has an account already.".to_owned();
                return again(Faults::from([("address", text)])).await;
            }
            Err(error) => return Err(error),
        }
        let asker = &form.asker;
        match &address {
            Some(address) if needs_address => {
                let text = format!(
                    "We have sent a message to {}. Follow the link in it to confirm that it is yours.",
                    address.as_str()
                );
                notice(app, asker, "Look into your mailbox", &text, None).await
            }
            _ if waits => {
                let text = "An administrator has to approve your account before you can log in.";
                notice(app, asker, "Your account waits for approval", text, None).await
            }
            _ => Ok(Answer::see_other("/login?done=joined")),
        }
    })
}

/// Writes to somebody whose address was used a second time.
pub(super) async fn tell_owner(app: &App, form: &Submission, user: UserId) -> Result<(), Error> {
    let found = app.run(Cost::Point, move |db| Ok(accounts::login_of(db, user)?)).await?;
    let Some(login) = found else { return Ok(()) };
    let Some(address) = login.address.as_deref().and_then(|text| Address::new(text).ok()) else {
        return Ok(());
    };
    let mail = mails::known_already(&app.config, &address, &login.name);
    post(app, form, Accounts::SendMail { mail });
    Ok(())
}

/// Sends another link to an account whose address is not confirmed yet; or, where it is somebody's who has confirmed it,
/// tells its owner. What the answer says, and how long it takes, is the same.
pub(super) async fn confirm_again(app: &App, form: &Submission, login: &Login) -> Result<bool, Error> {
    let Some(address) = login.address.as_deref().and_then(|text| Address::new(text).ok()) else {
        return Ok(false);
    };
    app.limits.count(limits::MAIL, address.key().as_bytes())?;
    let key = address.key();
    let owner = app.run(Cost::Point, move |db| Ok(accounts::login(db, &key)?)).await?;
    match owner {
        Some(owner) => {
            let mail = mails::known_already(&app.config, &address, &owner.name);
            post(app, form, Accounts::SendMail { mail });
        }
        None => {
            let link = mails::verify(&app.config, &address, &login.name, form.now)?;
            post(app, form, Accounts::SendLink { user: login.user, link });
        }
    }
    Ok(true)
}

/// Has a message sent. Not waited for: an answer takes as long whether there is one or not.
fn post(app: &App, form: &Submission, message: Accounts) {
    let command = Command::accounts(form.asker.by(), message);
    let sending = app.send_later(command, ChangeKey::of(IdempotencyKey::fresh()));
    tokio::spawn(async move {
        if let Err(error) = sending.await {
            tracing::warn!(%error, "a message about an account could not be sent");
        }
    });
}

/// A link from a mail: a page with a button, as programs that look at mail follow links without being asked.
pub(crate) fn verify_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let page = Page::own(app, &visit.asker, "Confirm your e-mail address").await?;
        let shown = ButtonPage {
            page,
            text: "Is the mailbox that you have this link from yours?",
            action: &visit.address,
            button: "Yes, confirm it",
        };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

pub(crate) fn verify<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let hash = digest(form.params.get("secret").map_or("", String::as_str));
        let now = form.now;
        let read = move |db: &rusqlite::Connection| Ok(accounts::by_link(db, &hash, LinkKind::Verify, now)?);
        let found = app.run(Cost::Point, read).await?.filter(|(login, _)| login.verified);
        let what = "your account has another e-mail address now. No more mail comes to this one.";
        let notice = found.and_then(|(login, new)| {
            told(app, &login, what).filter(|_| login.address.as_deref() != Some(new.as_str()))
        });
        app.send(Command::accounts(form.asker.by(), Accounts::Verify { hash, notice }), &form.key).await?;
        let to =
            if form.asker.actor.user.is_some() { "/account?done=confirmed" } else { "/login?done=verified" };
        Ok(Answer::see_other(to))
    })
}
