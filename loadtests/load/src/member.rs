//! Members whose parts visitors play: accounts with a token, a session and a password.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::ask::{Ask, Credential, Kind, Method, Reply};
use crate::community::{CommunityError, Look};

/// Where people log in.
const LOGIN: &str = "/login";
/// Stands before the secret of a page's forms.
const SECRET: &str = "name=\"csrf\" value=\"";
/// Accounts made in a community that is started: several, since a member's rows are a place where writers meet.
const MEMBERS: usize = 16;
/// What accounts made here are named, before their number.
const NAME: &str = "load";
/// Their password: the community is deleted with them.
const PASSWORD: &str = "gathers figures, no flowers";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// By which programs ask.
    pub token: Option<Credential>,
    /// By which a browser asks, and how to get another one.
    pub session: Option<(Credential, Login)>,
}

/// A name and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The account's name.
    pub name: Arc<str>,
    /// The password.
    pub password: Arc<str>,
}

/// Why there are no members.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// `veritable user` does not do it.
    #[error("making accounts: {0}")]
    Made(String),
    /// Nobody can log in.
    #[error("logging in as {name}: {why}")]
    LogIn {
        /// As whom.
        name: String,
        /// What came instead.
        why: String,
    },
}

/// A browser asks for the page to log in on.
pub fn log_in_page() -> Ask {
    Ask { wants_body: true, plain: true, ..Ask::get(Kind::LogIn, LOGIN) }
}

impl Login {
    /// The form of that page, filled in. `None` if there is none.
    pub fn sent(&self, page: &Reply) -> Option<Ask> {
        let text = std::str::from_utf8(&page.body).ok()?;
        let secret = text.split_once(SECRET)?.1.split_once('"')?.0;
        let field = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (name, password) = (field(&self.name), field(&self.password));
        let body = format!("csrf={}&user={name}&password={password}&remember=on", field(secret));
        let cookies = page.cookies.clone()?;
        let ask = Ask { method: Method::Form(body.into()), ..Ask::get(Kind::LogIn, LOGIN) };
        Some(ask.by(Credential::Cookie(cookies)))
    }

    /// Logs in.
    fn session(&self, look: &mut Look) -> Result<Credential, MemberError> {
        let failed = |why: String| MemberError::LogIn { name: self.name.to_string(), why };
        let told = |error: CommunityError| failed(error.to_string());
        let page = look.ask(&log_in_page()).map_err(told)?;
        let form = self.sent(&page).ok_or_else(|| failed("no form on the page".into()))?;
        let reply = look.ask(&form).map_err(told)?;
        let cookies = reply.cookies.ok_or_else(|| failed(format!("no session ({})", reply.status)))?;
        Ok(Credential::Cookie(cookies))
    }
}

/// Members of a server that runs on `data_dir`, made by its command line.
///
/// # Errors
/// The command line does not make them, or the server does not let them in.
pub fn enlist(binary: &Path, data_dir: &Path, look: &mut Look) -> Result<Vec<Member>, MemberError> {
    let run = |arguments: &[&str], input: &str| -> Result<String, MemberError> {
        let made = |error: std::io::Error| MemberError::Made(error.to_string());
        let mut command = Command::new(binary);
        command.arg("user").args(arguments).arg("--data-dir").arg(data_dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(made)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).map_err(made)?;
        }
        let out = child.wait_with_output().map_err(made)?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
            return Err(MemberError::Made(format!("veritable user {}: {said}", arguments.join(" "))));
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    // A community that was a load test's before has such members.
    let run_at = jiff::Timestamp::now().as_second();
    let mut members = Vec::with_capacity(MEMBERS);
    for number in 0..MEMBERS {
        let name = format!("{NAME}{run_at}n{number}");
        run(&["create", &name], &format!("{PASSWORD}\n"))?;
        let said = run(&["token", "--scope", "read", "--scope", "write", &name], "")?;
        let token = said.split_whitespace().find(|word| word.starts_with("vt_"));
        let token = token.ok_or_else(|| MemberError::Made(format!("no token for {name}: {said}")))?;
        let login = Login { name: name.into(), password: PASSWORD.into() };
        let session = login.session(look)?;
        members
            .push(Member { token: Some(Credential::Token(token.into())), session: Some((session, login)) });
    }
    Ok(members)
}

/// Members of a server that is there already: `tokens`, and `logins` of the form `NAME:PASSWORD`.
///
/// # Errors
/// One of the logins is none.
pub fn known(tokens: &[String], logins: &[String], look: &mut Look) -> Result<Vec<Member>, MemberError> {
    let tokens = tokens.iter().map(|token| Credential::Token(token.as_str().into()));
    let mut sessions = Vec::new();
    for text in logins {
        let (name, password) = text.split_once(':').ok_or_else(|| MemberError::LogIn {
            name: text.clone(),
            why: "NAME:PASSWORD is needed".into(),
        })?;
        let login = Login { name: name.into(), password: password.into() };
        sessions.push((login.session(look)?, login));
    }
    // Whose token is whose does not matter; they take turns.
    let alone = tokens.map(|token| Member { token: Some(token), session: None });
    let browsers = sessions.into_iter().map(|session| Member { token: None, session: Some(session) });
    Ok(alone.chain(browsers).collect())
}

/// Posts of a member's own, the latest, that are edited.
const OWN_POSTS: usize = 64;

/// What a member has posted in this run, the oldest first.
#[derive(Debug, Default)]
pub struct OwnPosts(Mutex<VecDeque<i64>>);

impl OwnPosts {
    /// One to edit, or none: always while there is none, and now and then, so that there come to be more.
    pub fn pick(&self, random: &mut SmallRng) -> Option<i64> {
        let posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        posts.get(random.random_range(0..=posts.len())).copied()
    }

    /// One more.
    pub fn add(&self, post: i64) {
        let mut posts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if posts.len() >= OWN_POSTS {
            posts.pop_front();
        }
        posts.push_back(post);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::ask::CacheSays;

    #[test]
    fn the_latest_posts_are_kept_and_now_and_then_none_is_picked() {
        let (own, mut random) = (OwnPosts::default(), SmallRng::seed_from_u64(1));
        assert_eq!(own.pick(&mut random), None);
        (0..1_000).for_each(|post| own.add(post));
        let picked: Vec<_> = (0..1_000).map(|_| own.pick(&mut random)).collect();
        assert!(picked.iter().flatten().all(|post| (936..1_000).contains(post)));
        assert!((1..100).contains(&picked.iter().filter(|post| post.is_none()).count()));
    }

    #[test]
    fn the_form_carries_the_pages_secret_and_cookie() {
        let login = Login { name: "ann b".into(), password: "a&b=c".into() };
        let page = Reply {
            status: 200,
            etag: None,
            cache: CacheSays::Nothing,
            bytes: 0,
            cookies: Some("guest=x".into()),
            body: "<input type=\"hidden\" name=\"csrf\" value=\"s3c\"><input name=\"user\">".into(),
        };
        let ask = login.sent(&page).unwrap();
        assert_eq!(ask.method, Method::Form("csrf=s3c&user=ann%20b&password=a%26b%3Dc&remember=on".into()));
        assert_eq!(ask.as_member, Some(Credential::Cookie("guest=x".into())));
        assert_eq!(login.sent(&Reply { cookies: None, ..page.clone() }).map(|ask| ask.method), None);
        assert!(login.sent(&Reply { body: "".into(), ..page }).is_none());
    }
}
