//! What pages are made of: one struct for each template under `web/templates`.

mod accounts;
mod admin;
mod counts;
pub(crate) mod menu;
mod moderation;
mod settings;
pub(crate) mod slots;
mod uploads;
mod wiki;
mod writing;

use askama::Template;
use uuid::Uuid;
use veritable_config::settings::Site;
use veritable_domain::permission::Groups;

pub(crate) use self::accounts::{
    AccountPage, ButtonPage, DraftsPage, ForgotPage, LoginPage, Notice, ResetPage, SignUpPage,
};
pub(crate) use self::admin::{
    AdminPage, ApprovalsPage, AuditPage, CategoriesPage, CategoryForm, CategoryPage, GroupPage, GroupsPage,
    InvitationsPage, UserAdminPage, UsersPage,
};
pub(crate) use self::counts::count;
pub(crate) use self::moderation::{ConfirmPage, DeletedPage, ModerationPage, ReportPage, Reported};
pub(crate) use self::settings::{
    CodePage, CodesPage, DataPage, ErasePage, SecondFactorPage, ShownOnce, Tabs, TokensPage,
};
use self::slots::Slot;
pub(crate) use self::uploads::UploadsPage;
pub(crate) use self::wiki::{
    Absent, Backlinks, Changes, DeedPage, DeletedWikiPage, DeletedWikiPages, Diff, EditConflict, EditPage,
    HistoryPage, Line, Merged, MovePage, PageList, Preview, RevertPage, Tools, WikiPage,
};
pub(crate) use self::writing::{
    AgainPage, ComposePage, Conflict, PostDiff, TopicEditPage, VersionPage, VersionsPage, WhereToWritePage,
    post_path,
};
use crate::app::App;
use crate::assets;
use crate::error::Error;
use crate::handlers::Around;
use crate::handlers::accounts::Faults;
use crate::http::csrf::Secret;
use crate::http::write::{CSRF_FIELD, KEY_FIELD};
use crate::reads::accounts::Profile;
use crate::reads::forum::{Category, Topic};
use crate::reads::posts::Post;
use crate::reads::wiki::Revision;
use crate::reads::{Person, When, escape_part};
use crate::routes::{Asker, View};

/// What the frame around every page needs.
pub(crate) struct Page<'a> {
    pub(crate) site: &'a Site,
    pub(crate) title: String,
    pub(crate) description: String,
    /// Address search engines should keep; empty: none.
    pub(crate) canonical: String,
    /// Names and addresses of what is above this page.
    pub(crate) crumbs: Vec<(String, String)>,
    /// Where the list begins.
    pub(crate) first: String,
    /// Where the page before this one is, and the page after it.
    pub(crate) around: Around,
    reader: Reader,
    style: &'static str,
}

/// For whom a page is made.
enum Reader {
    /// Guests: the address to come back to after logging in.
    Guests(String),
    /// People with accounts: what is another for each of them is left open.
    Members,
    /// One person, with the menu and what forms must repeat; a guest has no menu.
    One { user: Option<i64>, menu: String, secret: Option<Secret> },
}

impl<'a> Page<'a> {
    /// A page that is kept for all who may see the same.
    pub(crate) fn new(view: &View<'a>, title: &str, canonical: String) -> Self {
        let reader = if view.audience == Groups::EVERYONE {
            Reader::Guests(view.path.to_owned())
        } else {
            Reader::Members
        };
        Page::framed(view.site, title, canonical, reader)
    }

    /// A page for the one who asks.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) async fn own(app: &'a App, asker: &Asker, title: &str) -> Result<Self, Error> {
        let user = asker.actor.user.map(|user| user.0);
        let menu = if user.is_some() { menu::of(app, asker).await? } else { String::new() };
        let reader = Reader::One { user, menu, secret: asker.secret() };
        Ok(Page::framed(&app.config.site, title, String::new(), reader))
    }

    fn framed(site: &'a Site, title: &str, canonical: String, reader: Reader) -> Self {
        Page {
            site,
            title: title.to_owned(),
            description: format!("{title}: {}", site.description),
            first: canonical.clone(),
            canonical,
            crumbs: Vec::new(),
            around: Around { previous: None, next: None },
            reader,
            style: assets::path("style"),
        }
    }

    /// HTML of the menu of one's own account.
    pub(crate) fn menu(&self) -> String {
        match &self.reader {
            Reader::Members => slots::mark(Slot::Menu),
            Reader::One { user: Some(_), menu, .. } => menu.clone(),
            Reader::Guests(path) => guest_menu(path),
            Reader::One { user: None, .. } => guest_menu(""),
        }
    }

    /// What a form must repeat, as text of an attribute.
    pub(crate) fn token(&self) -> String {
        match &self.reader {
            Reader::Guests(_) => String::new(),
            Reader::Members => slots::mark(Slot::Token),
            Reader::One { secret, .. } => secret.map(Secret::masked).unwrap_or_default(),
        }
    }

    /// The hidden field of it that every form has.
    pub(crate) fn guard(&self) -> String {
        format!("<input type=\"hidden\" name=\"{CSRF_FIELD}\" value=\"{}\">", self.token())
    }

    /// A hidden field by which a form that is sent twice is known again.
    pub(crate) fn once(&self) -> String {
        let key = match &self.reader {
            Reader::Members => slots::mark(Slot::Once),
            _ => Uuid::now_v7().to_string(),
        };
        format!("<input type=\"hidden\" name=\"{KEY_FIELD}\" value=\"{key}\">")
    }

    /// Address of a script of ours.
    pub(crate) fn script(&self, name: &str) -> &'static str {
        assets::path(name)
    }

    /// Whether it is for people with accounts.
    pub(crate) fn is_for_members(&self) -> bool {
        match &self.reader {
            Reader::Guests(_) => false,
            Reader::Members => true,
            Reader::One { user, .. } => user.is_some(),
        }
    }

    /// Begins what only one account sees, to be ended by [`Page::end`].
    pub(crate) fn only(&self, user: &i64) -> String {
        slots::mark(Slot::Only(*user))
    }

    /// Ends it.
    pub(crate) fn end(&self) -> String {
        slots::mark(Slot::End)
    }

    pub(crate) fn under(mut self, name: &str, path: String) -> Self {
        self.crumbs.push((name.to_owned(), path));
        self
    }

    /// The same of a list that begins at `path`.
    pub(crate) fn first(mut self, path: &str) -> Self {
        path.clone_into(&mut self.first);
        self
    }

    pub(crate) fn around(mut self, around: Around) -> Self {
        self.around = around;
        self
    }
}

/// Links to log in and to join.
fn guest_menu(path: &str) -> String {
    let next = match path {
        "" | "/" => String::new(),
        path => format!("?next={}", escape_part(path)),
    };
    format!(
        "<nav class=\"account\" aria-label=\"Account\"><ul><li><a href=\"/login{next}\" rel=\"nofollow\">Log in</a></li>\
         <li><a href=\"/signup\" rel=\"nofollow\">Sign up</a></li></ul></nav>"
    )
}

/// Renders a template.
pub(crate) fn render(template: &impl Template) -> Result<String, Error> {
    template.render().map_err(|error| Error::Internal(error.to_string()))
}

/// Something found or listed: `html` is a safe excerpt.
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) html: String,
    pub(crate) author: Option<Person>,
    pub(crate) at: When,
}

/// What several things of one address are shown with, or what is like something that is not there.
#[derive(Template)]
#[template(path = "choices.html")]
pub(crate) struct Choices<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) about: &'a str,
    pub(crate) query: &'a str,
    /// Titles and addresses.
    pub(crate) choices: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "forum/front.html")]
pub(crate) struct Front<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) categories: Vec<Category>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) changes: Vec<Revision>,
    /// Topics may be opened in some category.
    pub(crate) can_write: bool,
}

#[derive(Template)]
#[template(path = "forum/topics.html")]
pub(crate) struct Topics<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) category: Option<Category>,
    pub(crate) pinned: Vec<Topic>,
    pub(crate) topics: Vec<Topic>,
    /// Topics may be opened in the category, or in some.
    pub(crate) can_write: bool,
}

/// What those who see a topic may do in it, and what only they are told.
pub(crate) struct About {
    pub(crate) can_reply: bool,
    /// Any member could.
    pub(crate) could_reply: bool,
    /// They keep order.
    pub(crate) keeps: bool,
    /// Who deleted it.
    pub(crate) deleted_by: Option<Person>,
}

#[derive(Template)]
#[template(path = "forum/topic.html")]
pub(crate) struct TopicPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) topic: Topic,
    pub(crate) posts: Vec<Post>,
    /// Number of the post that is shown with what is below it, instead of the whole topic.
    pub(crate) only: Option<i64>,
    /// Numbers of the posts above it, first level first.
    pub(crate) chain: Vec<i64>,
    /// Level of the first post shown: the others are indented from there.
    pub(crate) level: i64,
    /// Titles and addresses of imported topics that had this very address.
    pub(crate) namesakes: Vec<(String, String)>,
    pub(crate) about: About,
}

impl TopicPage<'_> {
    /// Of the form at its end, which nobody has sent yet.
    fn no_faults(&self) -> Faults {
        Faults::new()
    }
}

#[derive(Template)]
#[template(path = "accounts/user.html")]
pub(crate) struct UserPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) profile: Profile,
    pub(crate) posts: Vec<Item>,
    pub(crate) edits: Vec<Revision>,
    /// Where all edits are, when there are more.
    pub(crate) more_edits: Option<String>,
}

#[derive(Template)]
#[template(path = "search/search.html")]
pub(crate) struct SearchPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) query: &'a str,
    pub(crate) within: &'a str,
    pub(crate) pages: Vec<Item>,
    pub(crate) posts: Vec<Item>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    page: Page<'a>,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}

/// The page for a request that was not answered as asked. A template that cannot be rendered leaves the
/// heading alone, which has no markup in it.
pub fn error_page(
    site: &Site,
    status: u16,
    heading: &str,
    (detail, request_id): (&str, &str),
    menu: Option<String>,
) -> String {
    let reader = match menu {
        Some(menu) => Reader::One { user: Some(0), menu, secret: None },
        None => Reader::Guests(String::new()),
    };
    let page = Page::framed(site, heading, String::new(), reader);
    let detail = &format!("{}.", veritable_domain::wiki::upper_first(detail));
    ErrorPage { page, status, detail, request_id }.render().unwrap_or_else(|_| format!("<h1>{status}</h1>"))
}
