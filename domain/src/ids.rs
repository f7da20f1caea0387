//! Identifiers: one newtype for each thing, so that a topic's number cannot be passed for a post's.

use std::fmt;

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, SchemaWrite, SchemaRead,
        )]
        #[serde(transparent)]
        pub struct $name(
            /// SQLite's rowid: positive, never reused.
            pub i64,
        );

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// An account.
    UserId
);
id!(
    /// A forum category.
    CategoryId
);
id!(
    /// A topic of a category.
    TopicId
);
id!(
    /// A post of a topic.
    PostId
);
id!(
    /// A wiki namespace; [`NamespaceId::MAIN`] is the one without a prefix.
    NamespaceId
);
id!(
    /// A wiki page.
    PageId
);
id!(
    /// One revision of a wiki page.
    RevisionId
);

id!(
    /// A session of an account.
    SessionId
);
id!(
    /// An API token.
    TokenId
);
id!(
    /// An invitation to join.
    InvitationId
);

impl NamespaceId {
    /// The main namespace, whose titles have no prefix. Created by the first migration.
    pub const MAIN: NamespaceId = NamespaceId(1);
    /// Namespace of category pages (`Category:`). Created by the first migration.
    pub const CATEGORY: NamespaceId = NamespaceId(2);
    /// Namespace of user pages (`User:`). Created by the first migration.
    pub const USER: NamespaceId = NamespaceId(3);
}
