//! Joining, and showing that an address is one's own.

use veritable_config::settings::Registration;
use veritable_domain::account::Address;
use veritable_domain::permission::Role;
use veritable_domain::text::UserName;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Accounts, Command, IdempotencyKey, Outcome, Refusal};

use super::{FAULTY, Faults, new_password, notice};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::mails;
use crate::reads::{accounts, settings};
use crate::routes::{Asker, ChangeKey, Cost, Pending, Submission, Visit};
use crate::sessions::digest;
use crate::views::{ButtonPage, Page, SignUpPage, render};

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
        let typed = |name: &str| form.fields.get(name).trim().to_owned();
        let (typed_name, typed_address, code) = (typed("name"), typed("address"), typed("invitation"));
        let again = |faults: Faults| {
            let asker = form.asker.clone();
            let (name, address, code) = (typed_name.clone(), typed_address.clone(), code.clone());
            async move { show(app, &asker, (&name, &address, &code), faults).await }
        };
        let registration = app.config.accounts.registration;
        let invited = invited(app, &code).await?;
        if registration == Registration::Closed && invited != Some(Role::Administrator) {
            return again(Faults::new()).await;
        }
        let mut faults = Faults::new();
        let name = UserName::new(&typed_name).map_err(|error| faults.insert("name", error.to_string())).ok();
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
            Ok(other) => {
                return Err(Error::Internal(format!("the writer answered another command: {other:?}")));
            }
            Err(Error::Refused(Refusal::NameTaken)) => {
                let text = "Somebody has this name already. Take another one.".to_owned();
                return again(Faults::from([("name", text)])).await;
            }
            Err(Error::Refused(Refusal::LinkDead)) => {
                let text = "This invitation was used already, or is too old.".to_owned();
                return again(Faults::from([("invitation", text)])).await;
            }
            Err(Error::Refused(Refusal::AddressTaken)) => match &address {
                // Whose address it is, is told to nobody but its owner.
                Some(address) if needs_address => tell_owner(app, &form, address).await?,
                _ => {
                    let text = "This address has an account already.".to_owned();
                    return again(Faults::from([("address", text)])).await;
                }
            },
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

/// Writes to somebody whose address was used to join a second time.
pub(super) async fn tell_owner(app: &App, form: &Submission, address: &Address) -> Result<(), Error> {
    let key = address.key();
    let found = app.run(Cost::Point, move |db| Ok(accounts::login(db, &key)?)).await?;
    let Some(login) = found else { return Ok(()) };
    let mail = mails::known_already(&app.config, address, &login.name);
    let command = Command::accounts(form.asker.by(), Accounts::SendMail { mail });
    let sending = app.send_later(command, ChangeKey::of(IdempotencyKey::fresh()));
    // Not waited for: the answer takes as long as for an address that nobody has.
    tokio::spawn(async move {
        if let Err(error) = sending.await {
            tracing::warn!(%error, "the owner of an address could not be told that it was used again");
        }
    });
    Ok(())
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
        app.send(Command::accounts(form.asker.by(), Accounts::Verify { hash }), &form.key).await?;
        let to =
            if form.asker.actor.user.is_some() { "/account?done=confirmed" } else { "/login?done=verified" };
        Ok(Answer::see_other(to))
    })
}
