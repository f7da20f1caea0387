//! Pictures that people upload.

use strum::IntoStaticStr;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::ids::UserId;
use veritable_domain::upload::{Upload, UploadHash};

/// A change of uploads.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Uploads {
    /// Keep a picture.
    StorePicture {
        /// What it is. Its hash is that of `content`, or the command is refused as malformed.
        upload: Upload,
        /// What its uploader calls it.
        name: String,
        /// Bytes that all pictures of one account may take together.
        most: u64,
        /// Its bytes; empty once they are in their file.
        content: Vec<u8>,
    },
    /// Forget a picture; its file goes unless somebody else uploaded the same.
    RemovePicture {
        /// Which.
        hash: UploadHash,
        /// Whose: of the one who asks; `None` is everybody's, for who keeps order.
        of: Option<UserId>,
    },
}
