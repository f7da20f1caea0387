//! What people do in the forum.

use strum::IntoStaticStr;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::content::Content;
use veritable_domain::ids::{CategoryId, PostId, TopicId};
use veritable_domain::text::{Comment, TopicTitle};

/// A change of the forum.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Forum {
    /// Open a topic with its first post.
    CreateTopic {
        /// Where.
        category: CategoryId,
        /// Its title.
        title: TopicTitle,
        /// The first post.
        content: Content,
    },
    /// Answer a topic, or a post of it.
    Reply {
        /// Which topic.
        topic: TopicId,
        /// The post answered; `None` answers the topic itself.
        parent: Option<PostId>,
        /// The text.
        content: Content,
    },
    /// Replace a post's text, keeping the old one.
    EditPost {
        /// Which post.
        post: PostId,
        /// The version the editor saw; another current version refuses with
        /// [`Refusal::Conflict`](super::Refusal::Conflict).
        base_version: u32,
        /// The new text.
        content: Content,
        /// Why.
        comment: Comment,
    },
    /// Make a category.
    CreateCategory {
        /// Its name.
        name: String,
        /// What belongs there.
        description: String,
        /// Order on the front page, low first.
        position: i64,
    },
}
