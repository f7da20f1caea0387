//! What people do in the wiki.

use strum::IntoStaticStr;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::content::{Content, Rendered};
use veritable_domain::ids::{NamespaceId, PageId, RevisionId};
use veritable_domain::text::Comment;
use veritable_domain::wiki::PageTitle;

/// A change of the wiki.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Wiki {
    /// Make or change a page.
    EditPage {
        /// Namespace of the page.
        namespace: NamespaceId,
        /// Its title.
        title: PageTitle,
        /// The revision the editor saw, `None` for a new page; another current revision refuses with
        /// [`Refusal::Conflict`](super::Refusal::Conflict).
        base_revision: Option<RevisionId>,
        /// The new text.
        content: Content,
        /// Why.
        comment: Comment,
        /// Of no interest to followers.
        minor: bool,
    },
    /// Give a page another title. It takes its text and history along.
    MovePage {
        /// Which page.
        page: PageId,
        /// The revision that `rendered` was made from; another current revision refuses with
        /// [`Refusal::Conflict`](super::Refusal::Conflict).
        base_revision: RevisionId,
        /// Namespace of the new title.
        namespace: NamespaceId,
        /// The new title; one that a page has refuses with [`Refusal::TitleTaken`](super::Refusal::TitleTaken).
        title: PageTitle,
        /// What the text becomes under the new title: links to subpages depend on it.
        rendered: Rendered,
        /// The page to leave at the old title, which leads to the new one.
        redirect: Option<Content>,
        /// Why.
        comment: Comment,
    },
    /// Take a page away, with its history.
    DeletePage {
        /// Which page.
        page: PageId,
        /// Why.
        comment: Comment,
    },
    /// Bring a deleted page back under its title; one that a page has meanwhile refuses with
    /// [`Refusal::TitleTaken`](super::Refusal::TitleTaken).
    RestorePage {
        /// Which page.
        page: PageId,
        /// Why.
        comment: Comment,
    },
    /// Let only moderators edit a page, or everybody again.
    ProtectPage {
        /// Which page.
        page: PageId,
        /// Whether only moderators may.
        protected: bool,
        /// Why.
        comment: Comment,
    },
}
