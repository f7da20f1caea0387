//! Pages of the wiki, and of what is done with them.

use askama::Template;
use veritable_domain::markup::Heading;
use veritable_domain::permission::{Actor, Deed, Groups, Role, may};
use veritable_domain::wiki::{path_part, tool_path};

use super::Page;
use super::counts::count;
use crate::handlers::accounts::Faults;
use crate::reads::deleted::{DeletedEntry, DeletedText};
use crate::reads::wiki::{Entry, Member, Revision};
use crate::routes::View;

/// Headings up to which a page's contents are shown unasked: half a screen.
const OPEN_CONTENTS: usize = 12;

/// Links to the other views of a page and to what may be done with it, on each of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    /// Its full title; empty: there are no tools.
    pub(crate) title: String,
    pub(crate) protected: bool,
    /// Whether those who see it may change it.
    pub(crate) may_edit: bool,
    /// Whether they are guests, who may change it once they have logged in.
    pub(crate) may_log_in: bool,
    /// Whether they keep order.
    pub(crate) keeps_order: bool,
}

impl Tools {
    /// For all who may see the same as each other.
    pub(crate) fn shared(view: &View<'_>, title: String, protected: bool) -> Tools {
        let may_edit = view.may(Deed::EditPage { protected });
        let may_log_in = view.audience == Groups::EVERYONE && !protected;
        Tools { title, protected, may_edit, may_log_in, keeps_order: view.may(Deed::KeepOrder) }
    }

    /// For one person.
    pub(crate) fn own(actor: Actor, title: String, protected: bool) -> Tools {
        let may_edit = may(actor, Deed::EditPage { protected }).is_ok();
        let keeps_order = may(actor, Deed::KeepOrder).is_ok();
        Tools { title, protected, may_edit, may_log_in: false, keeps_order }
    }

    fn path(&self) -> String {
        format!("/wiki/{}", path_part(&self.title))
    }

    fn at(&self, tool: &str) -> String {
        tool_path(tool, &self.title)
    }
}

#[derive(Template)]
#[template(path = "wiki/page.html")]
pub(crate) struct WikiPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    /// It is where the wiki begins.
    pub(crate) is_start: bool,
    pub(crate) path: String,
    pub(crate) html: String,
    pub(crate) headings: Vec<Heading>,
    pub(crate) redirected_from: Option<(String, String)>,
    pub(crate) old: Option<Revision>,
    /// Nobody described it: where it can be made.
    pub(crate) create: Option<String>,
    pub(crate) members: Vec<Member>,
    pub(crate) categories: Vec<(String, String)>,
}

impl<'a> WikiPage<'a> {
    /// A frame with nothing in it yet.
    pub(crate) fn empty(page: Page<'a>) -> Self {
        WikiPage {
            page,
            tools: Tools::default(),
            is_start: false,
            path: String::new(),
            html: String::new(),
            headings: Vec::new(),
            redirected_from: None,
            old: None,
            create: None,
            members: Vec::new(),
            categories: Vec::new(),
        }
    }
}

/// A title that no page has.
#[derive(Template)]
#[template(path = "wiki/absent.html")]
pub(crate) struct Absent<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) title: &'a str,
    /// Where it can be made.
    pub(crate) create: String,
    pub(crate) links: String,
    pub(crate) keeps_order: bool,
    /// Titles like it with their addresses.
    pub(crate) similar: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "wiki/list.html")]
pub(crate) struct PageList<'a> {
    pub(crate) page: Page<'a>,
    /// Entries by namespace; the main one has no name.
    pub(crate) groups: Vec<(Option<String>, Vec<Entry>)>,
    pub(crate) keeps_order: bool,
}

#[derive(Template)]
#[template(path = "wiki/changes.html")]
pub(crate) struct Changes<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) changes: Vec<Revision>,
}

#[derive(Template)]
#[template(path = "wiki/history.html")]
pub(crate) struct HistoryPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    pub(crate) revisions: Vec<Revision>,
    /// The one that is shown.
    pub(crate) current: i64,
}

/// Pages with links to one.
#[derive(Template)]
#[template(path = "wiki/links.html")]
pub(crate) struct Backlinks<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    /// Whether the page linked to is there.
    pub(crate) exists: bool,
    pub(crate) title: String,
    pub(crate) entries: Vec<Entry>,
}

/// One line of a difference.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) class: &'static str,
    pub(crate) sign: &'static str,
    pub(crate) text: String,
}

#[derive(Template)]
#[template(path = "wiki/diff.html")]
pub(crate) struct Diff<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    pub(crate) old: Revision,
    pub(crate) new: Revision,
    pub(crate) lines: Vec<Line>,
}

/// What a text will look like, and what it changes.
pub(crate) struct Preview {
    pub(crate) html: String,
    /// Against the text there is; `None` where they are too large to compare.
    pub(crate) lines: Option<Vec<Line>>,
}

/// What somebody else did to a page while it was edited.
pub(crate) struct EditConflict {
    /// The newest revision; `None`: the page is gone.
    pub(crate) theirs: Option<Revision>,
    /// What they changed since the edit began.
    pub(crate) difference: Option<String>,
    /// What was sent.
    pub(crate) mine: String,
    pub(crate) result: Merged,
}

/// What came of merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merged {
    /// The form holds both changes.
    Clean,
    /// The form holds both texts where they differ, with marks around.
    Marked,
    /// The form holds what was sent; there was nothing to merge it with, or too much.
    Not,
}

#[derive(Template)]
#[template(path = "wiki/edit.html")]
pub(crate) struct EditPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    pub(crate) action: String,
    /// Where whoever changes nothing goes.
    pub(crate) back: String,
    pub(crate) is_new: bool,
    /// The language, if it is not Markdown.
    pub(crate) format: Option<&'static str>,
    pub(crate) text: String,
    pub(crate) comment: String,
    pub(crate) minor: bool,
    pub(crate) base: Option<i64>,
    pub(crate) section: Option<usize>,
    /// Whether marks of a conflict are to be taken out before it is saved.
    pub(crate) marked: bool,
    pub(crate) note: Option<String>,
    /// The place of the draft that is shown, to throw it away.
    pub(crate) draft: Option<String>,
    pub(crate) conflict: Option<EditConflict>,
    pub(crate) preview: Option<Preview>,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "wiki/move.html")]
pub(crate) struct MovePage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    pub(crate) action: String,
    pub(crate) spaces: Vec<String>,
    pub(crate) space: String,
    pub(crate) title: String,
    pub(crate) comment: String,
    pub(crate) redirect: bool,
    pub(crate) base: i64,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "wiki/revert.html")]
pub(crate) struct RevertPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    pub(crate) old: Revision,
    pub(crate) base: i64,
    pub(crate) comment: String,
    pub(crate) lines: Option<Vec<Line>>,
    pub(crate) faults: Faults,
}

/// A page to say why something is done, and to do it.
#[derive(Template)]
#[template(path = "wiki/deed.html")]
pub(crate) struct DeedPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tools: Tools,
    pub(crate) action: String,
    pub(crate) about: &'a str,
    pub(crate) button: &'a str,
    /// Of a hidden field that says what is to be done.
    pub(crate) value: &'a str,
    pub(crate) comment: String,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "wiki/deleted.html")]
pub(crate) struct DeletedWikiPages<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) role: Role,
    pub(crate) entries: Vec<DeletedEntry>,
}

#[derive(Template)]
#[template(path = "wiki/deleted_page.html")]
pub(crate) struct DeletedWikiPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) entry: DeletedEntry,
    pub(crate) text: DeletedText,
    pub(crate) comment: String,
    pub(crate) faults: Faults,
}
