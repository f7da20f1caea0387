//! Compressed representations: which one a client gets, and making it.

use std::cell::RefCell;
use std::io::Write;

use bytes::Bytes;
use zstd::bulk::Compressor;

/// How a body is encoded. The number is part of cache keys and entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// As it is.
    Identity = 0,
    /// RFC 1952.
    Gzip = 1,
    /// RFC 7932.
    Brotli = 2,
    /// RFC 8878.
    Zstd = 3,
}

/// Bodies shorter than this go out as they are: the packet is one either way.
const WORTH_BYTES: usize = 1_024;
/// How hard each encoding tries.
#[derive(Clone, Copy)]
struct Levels {
    gzip: u32,
    brotli: u32,
    zstd: i32,
}

/// Made once and sent many times, but on the event loop: some hundred microseconds for a page.
const KEPT: Levels = Levels { gzip: 6, brotli: 5, zstd: 3 };
/// Made for one asker: some tens of microseconds for a page.
const QUICK: Levels = Levels { gzip: 1, brotli: 1, zstd: 1 };

impl Encoding {
    /// All there are.
    pub const ALL: [Encoding; 4] = [Encoding::Identity, Encoding::Gzip, Encoding::Brotli, Encoding::Zstd];

    pub(crate) fn from_number(number: u8) -> Option<Encoding> {
        Self::ALL.into_iter().find(|encoding| *encoding as u8 == number)
    }

    /// The name in headers; `None` for identity, which has none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some("gzip"),
            Encoding::Brotli => Some("br"),
            Encoding::Zstd => Some("zstd"),
        }
    }

    /// What an `Accept-Encoding` header likes best (RFC 9110, 12.5.3); among equals zstd before br before
    /// gzip, as it is the quickest to make and to unpack. Anything unclear gets identity.
    pub(crate) fn accepted(header: Option<&str>) -> Encoding {
        let Some(header) = header else { return Encoding::Identity };
        let mut best = (0.0, Encoding::Identity);
        for item in header.split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = parameters
                .split(';')
                .find_map(|parameter| parameter.trim().strip_prefix("q="))
                .map_or(1.0, |q| q.trim().parse::<f32>().unwrap_or(0.0));
            let encoding = match name.trim() {
                "zstd" => Encoding::Zstd,
                "br" => Encoding::Brotli,
                "gzip" | "x-gzip" => Encoding::Gzip,
                _ => continue,
            };
            if quality > 0.0 && (quality, encoding as u8) > (best.0, best.1 as u8) {
                best = (quality, encoding);
            }
        }
        best.1
    }

    /// The same of a body that is sent once: quickly rather than small.
    pub(crate) fn encode_once(self, body: Bytes) -> (Encoding, Bytes) {
        match self.encoded(&body, QUICK) {
            Some(encoded) => (self, encoded.into()),
            None => (Encoding::Identity, body),
        }
    }

    /// `body` in this encoding, or as it is when that gains nothing; with the encoding it is in.
    pub(crate) fn encode(self, body: &[u8]) -> (Encoding, Vec<u8>) {
        match self.encoded(body, KEPT) {
            Some(encoded) => (self, encoded),
            None => (Encoding::Identity, body.to_vec()),
        }
    }

    fn encoded(self, body: &[u8], levels: Levels) -> Option<Vec<u8>> {
        let encoded = match self {
            _ if body.len() < WORTH_BYTES => return None,
            Encoding::Identity => return None,
            Encoding::Gzip => gzip(body, levels.gzip),
            Encoding::Brotli => brotli(body, levels.brotli),
            Encoding::Zstd => zstd(body, levels.zstd),
        };
        encoded.ok().filter(|encoded| encoded.len() < body.len())
    }
}

fn gzip(body: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(body)?;
    encoder.finish()
}

fn zstd(body: &[u8], level: i32) -> std::io::Result<Vec<u8>> {
    // Some hundred KB that are cleared for each, if not kept.
    thread_local! {
        static CONTEXT: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compressor.compress(body)
    })
}

fn brotli(body: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4_096, level, 20);
    encoder.write_all(body)?;
    encoder.flush()?;
    Ok(encoder.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_best_accepted_encoding_is_chosen() {
        for (header, expected) in [
            (None, Encoding::Identity),
            (Some(""), Encoding::Identity),
            (Some("gzip, deflate, br, zstd"), Encoding::Zstd),
            (Some("gzip, deflate, br"), Encoding::Brotli),
            (Some("gzip;q=0.5, br;q=0"), Encoding::Gzip),
            (Some("gzip;q=1.0, zstd;q=0.1"), Encoding::Gzip),
            (Some("gzip; q=0.8, br; q=0.8"), Encoding::Brotli),
            (Some("br;q=nonsense"), Encoding::Identity),
            (Some("*"), Encoding::Identity),
            (Some("identity"), Encoding::Identity),
        ] {
            assert_eq!(Encoding::accepted(header), expected, "{header:?}");
        }
    }

    #[test]
    fn bodies_come_back_whole_and_small_ones_stay() {
        let body = b"The quick brown fox. ".repeat(200);
        let (as_gzip, bytes) = Encoding::Gzip.encode(&body);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut back).unwrap();
        assert_eq!((as_gzip, &back), (Encoding::Gzip, &body));
        let (_, bytes) = Encoding::Brotli.encode(&body);
        back.clear();
        brotli::Decompressor::new(&bytes[..], 4_096).read_to_end(&mut back).unwrap();
        assert_eq!(back, body);
        let (_, bytes) = Encoding::Zstd.encode(&body);
        assert_eq!(zstd::bulk::decompress(&bytes, 1 << 20).unwrap(), body);
        assert_eq!(Encoding::Zstd.encode(b"short"), (Encoding::Identity, b"short".to_vec()));
    }
}
