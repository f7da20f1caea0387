//! What the cache keeps of an answer, and its form there.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use veritable_domain::codec;
use veritable_shm::RouteId;
use xxhash_rust::xxh3::Xxh3Default;

use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::http::content::SealedBody;
use crate::http::encoding::Encoding;
use crate::views::slots::{self, Place};

/// Bytes before the location, the places and the body: status, content type, encoding, route, lengths of the location
/// and the places.
const HEAD_BYTES: usize = 12;
/// Stands for the content type where there is nothing but the name of what is missing.
const NOTHING: u8 = u8::MAX;

/// A whole answer, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// As in [`Answer`].
    pub status: StatusCode,
    /// Kind of the body.
    pub content_type: ContentType,
    /// What the body is in; identity also for one that an encoding would not make shorter.
    pub encoding: Encoding,
    /// What answered, so that a hit is counted where a miss would be.
    pub route: RouteId,
    /// As in [`Answer`].
    pub location: Option<String>,
    /// Of this representation: the digest of its form in the cache, which a lookup has computed anyway.
    pub etag: u64,
    /// The bytes as they are sent.
    pub body: Bytes,
    /// Where it is another for each person; empty in what guests see.
    pub(crate) places: Vec<Place>,
    /// Its headers, made once for many askers; `None` where it is for one.
    pub head: Option<Arc<HeaderMap>>,
    /// Its body in a file; `None` where it is not asked for often.
    pub(crate) sealed: Option<Arc<SealedBody>>,
}

/// A value of the cache.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// An answer.
    Answer(Kept),
    /// That there is nothing, and what there would be.
    Nothing(Cow<'static, str>),
}

impl Stored {
    /// As a result: nothing is an error to whoever asks.
    pub(crate) fn into_result(self) -> Result<Kept, Error> {
        match self {
            Stored::Answer(kept) => Ok(kept),
            Stored::Nothing(what) => Err(Error::NotFound { what }),
        }
    }

    /// Bytes it takes on behalf of this process.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Stored::Answer(kept) => {
                let places = size_of_val(kept.places.as_slice());
                let sealed = kept.sealed.as_ref().map_or(0, |sealed| sealed.len());
                kept.body.len() + sealed + kept.location.as_deref().map_or(0, str::len) + places
            }
            Stored::Nothing(what) => what.len(),
        }
    }

    /// Puts a body of up to so many bytes into a file as well, from which it can be sent uncopied, if that gains anything;
    /// whether it did. What has places is never sent as it is.
    pub(crate) fn seal(&mut self, most_bytes: u64) -> bool {
        match self {
            Stored::Answer(kept)
                if kept.sealed.is_none()
                    && kept.places.is_empty()
                    && kept.body.len() as u64 <= most_bytes
                    && SealedBody::is_worth(&kept.body) =>
            {
                kept.sealed = SealedBody::of(&kept.body);
                kept.sealed.is_some()
            }
            _ => false,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Stored::Answer(kept) => [&kept.head()[..], &kept.body].concat(),
            Stored::Nothing(what) => {
                [&head(StatusCode::NOT_FOUND, [NOTHING, 0], RouteId::OTHER, "", &[])[..], what.as_bytes()]
                    .concat()
            }
        }
    }

    /// Takes back [`Stored::encode`]; `None` for anything else, as the segment is not trusted.
    pub fn decode(bytes: Vec<u8>, digest: u64) -> Option<Stored> {
        let fixed: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        if fixed[2] == NOTHING {
            let what = String::from_utf8(bytes[HEAD_BYTES..].to_vec()).ok()?;
            return Some(Stored::Nothing(what.into()));
        }
        let status = StatusCode::from_u16(u16::from_le_bytes([fixed[0], fixed[1]])).ok()?;
        let content_type = ContentType::from_number(fixed[2])?;
        let encoding = Encoding::from_number(fixed[3])?;
        let route = RouteId::from_number(u16::from_le_bytes([fixed[4], fixed[5]]));
        let location_end = HEAD_BYTES + usize::from(u16::from_le_bytes([fixed[6], fixed[7]]));
        let location = std::str::from_utf8(bytes.get(HEAD_BYTES..location_end)?).ok()?;
        let location = (!location.is_empty()).then(|| location.to_owned());
        let places_len = u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        let places_end = location_end.checked_add(usize::try_from(places_len).ok()?)?;
        let places = match bytes.get(location_end..places_end)? {
            [] => Vec::new(),
            encoded => codec::decode(encoded).ok()?,
        };
        let body = Bytes::from(bytes).slice(places_end..);
        Some(Stored::Answer(Kept {
            status,
            content_type,
            encoding,
            route,
            location,
            etag: digest,
            body,
            places,
            head: None,
            sealed: None,
        }))
    }
}

impl Kept {
    /// A route's answer in the encoding its asker accepts; one with places in it is never encoded.
    pub(crate) fn of(answer: &Answer, accepted: Encoding, route: RouteId) -> Kept {
        let (body, places) = match answer.content_type {
            ContentType::Html if accepted == Encoding::Identity => slots::split(&answer.body),
            _ => (Vec::new(), Vec::new()),
        };
        let (encoding, body) =
            if places.is_empty() { accepted.encode(&answer.body) } else { (Encoding::Identity, body) };
        let mut kept = Kept {
            status: answer.status,
            content_type: answer.content_type,
            encoding,
            route,
            location: answer.location.clone(),
            etag: 0,
            body: body.into(),
            places,
            head: None,
            sealed: None,
        };
        let mut digest = Xxh3Default::new();
        digest.update(&kept.head());
        digest.update(&kept.body);
        kept.etag = digest.digest();
        kept
    }

    fn head(&self) -> Vec<u8> {
        let location = self.location.as_deref().unwrap_or_default();
        let kind = [self.content_type.number(), self.encoding as u8];
        head(self.status, kind, self.route, location, &self.places)
    }
}

/// `kind` are the numbers of content type and encoding.
fn head(status: StatusCode, kind: [u8; 2], route: RouteId, location: &str, places: &[Place]) -> Vec<u8> {
    let mut encoded = Vec::new();
    if !places.is_empty() {
        // They are bounded (`slots`): what cannot be encoded reads back as nothing, which is a miss.
        encoded = codec::encode(&places.to_vec()).unwrap_or_default();
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES + location.len() + encoded.len());
    bytes.extend_from_slice(&status.as_u16().to_le_bytes());
    bytes.extend_from_slice(&kind);
    bytes.extend_from_slice(&route.number().to_le_bytes());
    // Addresses are bounded far below this; a longer one would read back as nothing sensible, which is a miss.
    bytes.extend_from_slice(&u16::try_from(location.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(encoded.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(location.as_bytes());
    bytes.extend_from_slice(&encoded);
    bytes
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_damage_is_a_miss() {
        let answer = Answer::moved("/wiki/Café".into(), Vec::new());
        let answer = Answer { body: Bytes::from_static(b"gone there"), ..answer };
        let kept = Kept::of(&answer, Encoding::Identity, RouteId::from_number(7));
        let stored = Stored::Answer(kept.clone());
        let bytes = stored.encode();
        assert_eq!(xxh3_64(&bytes), kept.etag, "the first answer is labelled as the kept ones are");
        assert_eq!(Stored::decode(bytes.clone(), kept.etag), Some(stored));
        for cut in 0..HEAD_BYTES + 11 {
            assert_eq!(Stored::decode(bytes[..cut].to_vec(), 0), None, "{cut}");
        }
        let page =
            format!("<p>{}mine{}</p>", slots::mark(slots::Slot::Only(7)), slots::mark(slots::Slot::End));
        let kept = Kept::of(&Answer::html(page, Vec::new()), Encoding::Identity, RouteId::OTHER);
        assert_eq!((kept.places.len(), &kept.body[..]), (2, &b"<p>mine</p>"[..]));
        let stored = Stored::Answer(kept.clone());
        assert_eq!(Stored::decode(stored.encode(), kept.etag), Some(stored));
        let nothing = Stored::Nothing("topic".into());
        assert_eq!(Stored::decode(nothing.encode(), 0), Some(nothing));
        let mut seed = 7u64;
        for _ in 0..20_000 {
            let noise: Vec<u8> = (0..40)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 56) as u8
                })
                .collect();
            let _kept_or_miss = Stored::decode(noise, 0);
        }
    }
}
