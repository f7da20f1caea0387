//! Pages on which order is kept.

use askama::Template;
use veritable_domain::markup::excerpt_of;
use veritable_domain::permission::Role;
use veritable_domain::report::Reason;

use super::{Page, count};
use crate::handlers::accounts::Faults;
use crate::reads::forum::Topic;
use crate::reads::moderation::Report;
use crate::reads::posts::Post;

/// Characters of a post that lists of handled reports show.
const EXCERPT_CHARS: usize = 240;

/// A question before something is done that others notice.
#[derive(Template)]
#[template(path = "moderation/confirm.html")]
pub(crate) struct ConfirmPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) text: String,
    pub(crate) action: String,
    pub(crate) button: &'static str,
    /// Where to go instead.
    pub(crate) back: String,
    /// The post that it is about.
    pub(crate) post: Option<Post>,
}

/// What is wrong with a post.
#[derive(Template)]
#[template(path = "moderation/report.html")]
pub(crate) struct ReportPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) post: Post,
    pub(crate) back: String,
    pub(crate) chosen: Option<Reason>,
    pub(crate) note: String,
    pub(crate) faults: Faults,
}

impl ReportPage<'_> {
    fn is_chosen(&self, reason: &Reason) -> bool {
        self.chosen == Some(*reason)
    }
}

/// A post with what was said of it.
pub(crate) struct Reported {
    /// The first report says what post it is.
    pub(crate) first: Report,
    pub(crate) others: Vec<Report>,
}

impl Reported {
    fn all(&self) -> impl Iterator<Item = &Report> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// Reports: those that wait, or those that were handled.
#[derive(Template)]
#[template(path = "moderation/reports.html")]
pub(crate) struct ModerationPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) role: Role,
    pub(crate) open: Vec<Reported>,
    pub(crate) handled: Vec<Report>,
    pub(crate) shows_handled: bool,
    pub(crate) said: Option<&'static str>,
}

/// Topics that were deleted.
#[derive(Template)]
#[template(path = "moderation/deleted.html")]
pub(crate) struct DeletedPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) role: Role,
    pub(crate) topics: Vec<Topic>,
}

/// What a list shows of a post.
fn glance(html: &str) -> String {
    excerpt_of(html, EXCERPT_CHARS)
}
