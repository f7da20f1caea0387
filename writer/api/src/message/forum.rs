//! What people do in the forum.

use strum::IntoStaticStr;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::content::Content;
use veritable_domain::ids::{CategoryId, PostId, TopicId};
use veritable_domain::report::{Reason, Verdict};
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
    /// Rename, lock, pin or move a topic: whatever is not `None`, all of it or nothing.
    ChangeTopic {
        /// Which topic.
        topic: TopicId,
        /// Its new title.
        title: Option<TopicTitle>,
        /// Whether it takes replies and edits of moderators only.
        locked: Option<bool>,
        /// Whether it is shown above its category's other topics.
        pinned: Option<bool>,
        /// The category it is to be in.
        category: Option<CategoryId>,
        /// What the change was made of ([`topic_state`](veritable_domain::thread::topic_state)): refused with [`Refusal::Conflict`](super::Refusal::Conflict) when
        /// the topic is another by now. `None`: whatever it is.
        base: Option<String>,
    },
    /// Take a topic with all its posts out of sight.
    DeleteTopic {
        /// Which topic.
        topic: TopicId,
    },
    /// Bring a deleted topic back as it was.
    RestoreTopic {
        /// Which topic.
        topic: TopicId,
    },
    /// Take a post out of sight; its place in the topic stays.
    DeletePost {
        /// Which post.
        post: PostId,
    },
    /// Bring a deleted post back.
    RestorePost {
        /// Which post.
        post: PostId,
    },
    /// Tell the moderators about a post. Whoever has told them already says it anew.
    ReportPost {
        /// Which post.
        post: PostId,
        /// What is wrong with it.
        reason: Reason,
        /// In the reporter's words; may be empty.
        note: Comment,
    },
    /// Handle all open reports of a post.
    HandleReports {
        /// Which post.
        post: PostId,
        /// What is made of them.
        verdict: Verdict,
    },
}
