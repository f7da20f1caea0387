//! Uploaded pictures: what they are called, and what is known of them.

use std::fmt;

use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

/// Most bytes of a picture as it is stored: with what else a message to the writer holds, well within a frame.
pub const MAX_STORED_BYTES: usize = 12 * 1024 * 1024;
/// Most characters of what an uploader calls a picture.
pub const MAX_NAME_CHARS: usize = 120;

/// SHA-256 of a picture's bytes, which is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, SchemaWrite, SchemaRead)]
pub struct UploadHash(pub [u8; 32]);

impl fmt::Display for UploadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl UploadHash {
    /// Takes back the [`fmt::Display`] form: 64 digits in lower case, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<UploadHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut hash = [0; 32];
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(UploadHash(hash))
    }
}

/// What a picture is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, SchemaWrite, SchemaRead)]
pub enum Media {
    /// Portable Network Graphics.
    Png,
    /// JPEG.
    Jpeg,
    /// Graphics Interchange Format: the one that may move.
    Gif,
    /// WebP.
    Webp,
}

impl Media {
    /// All there are. SVG is none: it can hold scripts.
    pub const ALL: [Media; 4] = [Media::Png, Media::Jpeg, Media::Gif, Media::Webp];

    /// As files are called.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Media::Png => "png",
            Media::Jpeg => "jpg",
            Media::Gif => "gif",
            Media::Webp => "webp",
        }
    }

    /// The media type (RFC 6838), as the database and `Content-Type` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Media::Png => "image/png",
            Media::Jpeg => "image/jpeg",
            Media::Gif => "image/gif",
            Media::Webp => "image/webp",
        }
    }

    /// Takes back [`Media::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Media> {
        Media::ALL.into_iter().find(|media| media.name() == name)
    }
}

/// What there is to know of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Upload {
    /// Of its bytes.
    pub hash: UploadHash,
    /// What it is in.
    pub media: Media,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Upload {
    /// Its file's name: the end of its address, and where its bytes are but for the folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.hash, self.media.extension())
    }

    /// Where browsers find it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/uploads/{}", self.file_name())
    }

    /// How a text in Markdown shows it.
    #[must_use]
    pub fn markdown(&self, name: &str) -> String {
        let alt: String = name.chars().filter(|c| !"[]\\!`<>*_".contains(*c)).collect();
        format!("![{}]({})", alt.trim(), self.path())
    }
}

/// A picture's hash and kind from the end of its address; `None` for anything that names no picture.
#[must_use]
pub fn parse_file_name(name: &str) -> Option<(UploadHash, Media)> {
    let (hash, extension) = name.split_once('.')?;
    let media = Media::ALL.into_iter().find(|media| media.extension() == extension)?;
    Some((UploadHash::parse(hash)?, media))
}

/// Where a picture's bytes are, within the folder of uploads: by the first byte of its hash, so that no folder holds
/// more files than file systems like.
#[must_use]
pub fn stored_at(hash: UploadHash, media: Media) -> String {
    let name = hash.to_string();
    format!("{}/{}.{}", &name[..2], &name[2..], media.extension())
}

/// What an uploader calls a picture, as one line, for lists.
#[must_use]
pub fn display_name(text: &str) -> String {
    let line = crate::text::fold_line(text);
    // Some browsers send where the file was.
    let bare = line.rsplit(['/', '\\']).next().unwrap_or_default();
    bare.chars().take(MAX_NAME_CHARS).collect()
}

/// What the API says of a picture.
#[derive(Clone, Debug, Serialize)]
pub struct Described {
    /// Its address on this site.
    pub path: String,
    /// How a text shows it.
    pub markdown: String,
    /// What its uploader calls it.
    pub name: String,
    /// What it is in.
    pub media: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;
    use crate::markup::{Namespaces, RenderContext, render};

    const UPLOAD: Upload = Upload { hash: UploadHash([0xab; 32]), media: Media::Jpeg, width: 1, height: 1 };

    #[test]
    fn only_names_of_pictures_are_read() {
        let name = UPLOAD.file_name();
        assert_eq!(parse_file_name(&name), Some((UPLOAD.hash, UPLOAD.media)));
        assert_eq!(stored_at(UPLOAD.hash, UPLOAD.media), format!("ab/{}", &name[2..]));
        let hash = UPLOAD.hash.to_string();
        for wrong in [
            String::new(),
            hash.clone(),
            format!("{hash}."),
            format!("{hash}.svg"),
            format!("{hash}.jpeg"),
            format!("{hash}.jpg/.."),
            format!("{hash}.jpg.png"),
            format!("../{name}"),
            format!("..%2f{}.jpg", &hash[..60]),
            format!("{}.jpg", hash.to_uppercase()),
            format!("{}.jpg", &hash[1..]),
            format!("{hash}a.jpg"),
            format!("{}é.jpg", &hash[2..]),
            "../../forums.db".into(),
        ] {
            assert_eq!(parse_file_name(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_picture_in_a_text_reaches_the_page() {
        let namespaces = Namespaces::default();
        let text = UPLOAD.markdown("a [sunny] `day`.jpg");
        assert_eq!(text, format!("![a sunny day.jpg]({})", UPLOAD.path()));
        for context in [RenderContext::post(&namespaces), RenderContext::page(&namespaces, "X")] {
            for context in [context, RenderContext { remote_images: false, ..context }] {
                let html = render(Format::Markdown, &text, &context).html;
                assert!(
                    html.contains("<img ") && html.contains(&format!(" src=\"{}\"", UPLOAD.path())),
                    "{html}"
                );
                assert!(
                    html.contains("alt=\"a sunny day.jpg\"") && html.contains("loading=\"lazy\""),
                    "{html}"
                );
            }
        }
    }

    #[test]
    fn names_are_one_line_without_folders() {
        assert_eq!(display_name("C:\\Users\\mia\\cat.png"), "cat.png");
        assert_eq!(display_name("../../etc/pass\nwd"), "pass wd");
        assert_eq!(display_name(&"x".repeat(500)).len(), MAX_NAME_CHARS);
    }
}
