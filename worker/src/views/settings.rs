//! Pages of one's own account beside its first.

use askama::Template;
use veritable_domain::account::{Scope, Scopes};

use super::{Page, count};
use crate::handlers::accounts::{Faults, tokens};
use crate::reads::When;
use crate::reads::settings::Token;
use crate::second_factor::Enrolment;

/// The pages of one's own account, as each of them lists them.
pub(crate) struct Tabs {
    here: &'static str,
}

impl Tabs {
    /// On the page at `path`.
    pub(crate) fn at(path: &'static str) -> Tabs {
        Tabs { here: path }
    }

    /// Path, name, and whether it is the page shown.
    pub(crate) fn entries(&self) -> Vec<(&'static str, &'static str, bool)> {
        let all = [
            ("/account", "Account"),
            ("/drafts", "Drafts"),
            ("/uploads", "Pictures"),
            ("/account/second-factor", "Second factor"),
            ("/account/tokens", "API tokens"),
            ("/account/data", "Your data"),
            ("/account/delete", "Delete"),
        ];
        all.into_iter().map(|(path, name)| (path, name, path == self.here)).collect()
    }
}

#[derive(Template)]
#[template(path = "accounts/code.html")]
pub(crate) struct CodePage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) ticket: &'a str,
    pub(crate) next: &'a str,
    pub(crate) fault: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "accounts/second_factor.html")]
pub(crate) struct SecondFactorPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
    pub(crate) since: Option<When>,
    /// Recovery codes that are left.
    pub(crate) codes: i64,
    /// While it is being set up.
    pub(crate) enrolment: Option<Enrolment>,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "accounts/codes.html")]
pub(crate) struct CodesPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) codes: Vec<String>,
}

#[derive(Template)]
#[template(path = "accounts/tokens.html")]
pub(crate) struct TokensPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
    pub(crate) tokens: Vec<Token>,
    /// What a new one may be for.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) name: &'a str,
    pub(crate) chosen: Scopes,
    pub(crate) chosen_days: i64,
    pub(crate) said: Option<&'a str>,
    pub(crate) faults: Faults,
}

impl TokensPage<'_> {
    fn is_chosen(&self, scope: &Scope) -> bool {
        self.chosen.has(*scope)
    }
}

/// What a scope allows, for people.
pub(crate) fn scope_said(scope: &Scope) -> &'static str {
    match scope {
        Scope::Read => "read what you may read",
        Scope::Write => "post and edit as you",
        Scope::Moderate => "keep order as you may",
        Scope::Account => "see your e-mail address and change your account",
        Scope::Administer => "administer the site as you may",
    }
}

/// Days as a choice of a form has them.
pub(crate) fn days_said(days: &i64) -> String {
    match days {
        0 => "never".to_owned(),
        1 => "in a day".to_owned(),
        365 => "in a year".to_owned(),
        days => format!("in {days} days"),
    }
}

/// Something that is shown once: a token, a link.
#[derive(Template)]
#[template(path = "accounts/shown_once.html")]
pub(crate) struct ShownOnce<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) text: &'a str,
    pub(crate) label: &'a str,
    pub(crate) secret: &'a str,
    /// A name and a path to go on to.
    pub(crate) back: (&'a str, &'a str),
}

#[derive(Template)]
#[template(path = "accounts/data.html")]
pub(crate) struct DataPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
}

#[derive(Template)]
#[template(path = "accounts/delete.html")]
pub(crate) struct ErasePage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
    /// Of the account.
    pub(crate) number: i64,
    pub(crate) faults: Faults,
}
