//! What people do in the wiki.

use strum::IntoStaticStr;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::content::Content;
use veritable_domain::ids::{NamespaceId, RevisionId};
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
}
