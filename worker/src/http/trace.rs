//! Which trace a request belongs to, by its `traceparent` header (W3C Trace Context,
//! <https://www.w3.org/TR/trace-context/>).

use std::fmt;

use http::HeaderMap;

/// Bytes of `traceparent` in version 00: version, trace, parent and flags, in hexadecimal, with dashes between.
const BYTES: usize = 55;
/// The flag that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// An identifier of `N` bytes, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id<const N: usize>([u8; N]);

impl<const N: usize> Id<N> {
    fn parse(text: &[u8]) -> Option<Id<N>> {
        let mut id = [0; N];
        for (byte, pair) in id.iter_mut().zip(text.chunks(2)) {
            *byte = byte_of(pair)?;
        }
        id.iter().any(|&byte| byte != 0).then_some(Id(id))
    }
}

impl<const N: usize> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request's place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// The whole trace.
    pub(crate) trace: Id<16>,
    /// Whoever sent the request.
    pub(crate) parent: Id<8>,
    /// This request itself.
    pub(crate) span: Id<8>,
    /// Whether its sender records the trace.
    pub(crate) sampled: bool,
}

impl TraceContext {
    /// Of a request with these headers; `None` when it belongs to no trace, or its sender does not keep to the
    /// standard, which asks that such a header is ignored.
    pub(crate) fn of(headers: &HeaderMap) -> Option<TraceContext> {
        let mut all = headers.get_all("traceparent").iter();
        let (Some(one), None) = (all.next(), all.next()) else { return None };
        let (trace, parent, sampled) = parse(one.as_bytes())?;
        Some(TraceContext { trace, parent, span: Id(fastrand::u64(1..).to_be_bytes()), sampled })
    }
}

fn parse(text: &[u8]) -> Option<(Id<16>, Id<8>, bool)> {
    let (known, more) = text.split_at_checked(BYTES)?;
    let version = byte_of(&known[..2])?;
    // Later versions may say more, after another dash; 255 is none.
    let is_whole = if version == 0 { more.is_empty() } else { more.is_empty() || more[0] == b'-' };
    let has_dashes = [2, 35, 52].iter().all(|&at| known[at] == b'-');
    if !is_whole || !has_dashes || version == u8::MAX {
        return None;
    }
    let flags = byte_of(&known[53..])?;
    Some((Id::parse(&known[3..35])?, Id::parse(&known[36..52])?, flags & SAMPLED != 0))
}

/// Two digits, of lower case as the standard has them.
fn byte_of(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let &[high, low] = pair else { return None };
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_parent_is_read_as_the_standard_has_it() {
        let (trace, parent, sampled) = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((parent.to_string().as_str(), sampled), ("00f067aa0ba902b7", true));
        assert!(!parse(GOOD.replace("-01", "-02").as_bytes()).unwrap().2, "only the last bit says so");
        let later = GOOD.replacen("00", "cc", 1);
        assert!(parse(later.as_bytes()).is_some());
        assert!(parse(format!("{later}-what-is-new").as_bytes()).is_some());
    }

    #[test]
    fn anything_else_is_no_parent() {
        let bad = [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}-more"),
            format!("{GOOD} "),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0g", 1),
            GOOD.replacen('-', "_", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            format!("{}x", GOOD.replacen("00", "cc", 1)),
        ];
        for text in bad {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn of_two_headers_none_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::of(&headers), None);
        headers.append("traceparent", GOOD.parse().unwrap());
        let one = TraceContext::of(&headers).unwrap();
        assert_ne!(one.span, TraceContext::of(&headers).unwrap().span);
        headers.append("traceparent", GOOD.parse().unwrap());
        assert_eq!(TraceContext::of(&headers), None);
    }
}
