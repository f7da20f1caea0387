//! Pages of accounts.

use askama::Template;
use veritable_config::settings::Registration;
use veritable_domain::draft::{Draft, Place};
use veritable_domain::markup::excerpt;
use veritable_domain::permission::Role;
use veritable_domain::wiki::tool_path;

use super::{Page, Tabs};
use crate::handlers::accounts::Faults;
use crate::reads::When;
use crate::reads::accounts::{Own, SessionEntry};

#[derive(Template)]
#[template(path = "accounts/notice.html")]
pub(crate) struct Notice<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) text: &'a str,
    /// A name and a path to go on to.
    pub(crate) link: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "accounts/button.html")]
pub(crate) struct ButtonPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) text: &'a str,
    pub(crate) action: &'a str,
    pub(crate) button: &'a str,
}

#[derive(Template)]
#[template(path = "accounts/login.html")]
pub(crate) struct LoginPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) user: &'a str,
    pub(crate) next: &'a str,
    pub(crate) remember: bool,
    pub(crate) fault: Option<&'a str>,
    pub(crate) said: Option<&'a str>,
    pub(crate) can_reset: bool,
}

#[derive(Template)]
#[template(path = "accounts/signup.html")]
pub(crate) struct SignUpPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) invitation: &'a str,
    /// The role that the invitation gives.
    pub(crate) invited: Option<Role>,
    /// The invitation is not good.
    pub(crate) is_dead: bool,
    pub(crate) registration: Registration,
    pub(crate) needs_address: bool,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "accounts/forgot.html")]
pub(crate) struct ForgotPage<'a> {
    pub(crate) page: Page<'a>,
}

#[derive(Template)]
#[template(path = "accounts/reset.html")]
pub(crate) struct ResetPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) action: &'a str,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "accounts/drafts.html")]
pub(crate) struct DraftsPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
    pub(crate) drafts: Vec<(Place, When, Draft)>,
}

#[derive(Template)]
#[template(path = "accounts/account.html")]
pub(crate) struct AccountPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
    pub(crate) own: Own,
    pub(crate) sessions: Vec<SessionEntry>,
    /// Number of the session that asks.
    pub(crate) current: Option<i64>,
    pub(crate) said: Option<&'a str>,
    pub(crate) faults: Faults,
}

impl AccountPage<'_> {
    fn is_current(&self, session: &SessionEntry) -> bool {
        self.current == Some(session.id)
    }
}

/// Characters of a draft that a list shows.
const EXCERPT_CHARS: usize = 200;

/// What a draft is, and of which topic.
fn named(what: &str, title: &str) -> String {
    if title.is_empty() { what.to_owned() } else { format!("{what}: {title}") }
}

/// Where a draft is gone on with, and what it is called.
pub(crate) fn draft_link(place: &Place, draft: &Draft) -> (String, String) {
    match place {
        Place::Topic(category) => {
            let title = if draft.title.is_empty() { "A new topic" } else { &draft.title };
            (format!("/new-topic/{category}"), title.to_owned())
        }
        Place::Reply(topic) => (format!("/reply/{topic}"), named("A reply", &draft.title)),
        Place::Post(post) => (format!("/posts/{post}/edit"), named("An edit of a post", &draft.title)),
        Place::Page(title) => (tool_path("edit", title), title.clone()),
    }
}
