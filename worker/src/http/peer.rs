//! Whose request it is: by the PROXY header before it (the PROXY protocol's specification, versions 1 and 2),
//! and by what trusted proxies say in its head (`X-Forwarded-For`, or `Forwarded` of RFC 7239).

use std::net::{IpAddr, SocketAddr};

use forwarded_header_value::ForwardedHeaderValue;
use http::HeaderMap;
use ipnet::IpNet;
use ppp::{HeaderResult, PartialResult, v1, v2};

use super::stream::Origin;

/// Longest PROXY header taken: a longest version 2 address block with several hundred bytes of extensions.
pub(crate) const PROXY_BYTES: usize = 1_024;

/// Longest header of version 1, its line end included, as the specification has it.
const V1_BYTES: usize = 107;

/// What the bytes at the beginning of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// A header of so many bytes; the source is absent when the proxy speaks for itself.
    Whole { bytes: usize, source: Option<SocketAddr> },
    /// The beginning of one.
    Part,
    /// None.
    Absent,
}

/// Reads a PROXY header.
pub(crate) fn proxy_header(seen: &[u8]) -> ProxyHeader {
    if seen.is_empty() {
        return ProxyHeader::Part;
    }
    // A line is shown to the parser when it is whole, and nothing else then: it takes one without its last byte for a
    // wrong one, some whole ones for parts, and a line feed alone for an end.
    let is_line = seen.starts_with(b"PROXY");
    let line = seen.windows(2).position(|two| two == b"\r\n").map(|at| at + 2).filter(|end| *end <= V1_BYTES);
    let shown = match line {
        Some(end) if is_line => &seen[..end],
        None if is_line && seen.len() < V1_BYTES => return ProxyHeader::Part,
        None if is_line => return ProxyHeader::Absent,
        _ => seen,
    };
    let parsed = HeaderResult::parse(shown);
    if parsed.is_incomplete() {
        if is_line {
            return ProxyHeader::Absent;
        }
        return if seen.len() < PROXY_BYTES { ProxyHeader::Part } else { ProxyHeader::Absent };
    }
    match parsed {
        HeaderResult::V1(Ok(header)) => {
            let source = match header.addresses {
                v1::Addresses::Tcp4(of) => Some(SocketAddr::from((of.source_address, of.source_port))),
                v1::Addresses::Tcp6(of) => Some(SocketAddr::from((of.source_address, of.source_port))),
                v1::Addresses::Unknown => None,
            };
            match header.header.len() {
                bytes if bytes == shown.len() => ProxyHeader::Whole { bytes, source },
                _ => ProxyHeader::Absent,
            }
        }
        HeaderResult::V2(Ok(header)) => {
            let source = match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(of) => Some(SocketAddr::from((of.source_address, of.source_port))),
                v2::Addresses::IPv6(of) => Some(SocketAddr::from((of.source_address, of.source_port))),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            };
            ProxyHeader::Whole { bytes: header.len(), source }
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => ProxyHeader::Absent,
    }
}

/// The client's address: that of the connection, or when it is a trusted proxy's, the rightmost one in its
/// header that is none. `None` for a client on this host behind a Unix socket.
pub(crate) fn client(origin: &Origin, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = origin.peer.map(|peer| peer.ip().to_canonical());
    for hop in hops(headers) {
        if client.is_some_and(|address| !is_trusted(address)) {
            break;
        }
        match hop {
            Some(address) => client = Some(address.to_canonical()),
            // Whatever stands left of it cannot be believed.
            None => break,
        }
    }
    client
}

/// What the proxies say, the nearest one's word first; `None` for a hop that is no address.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    // Several lines are one list (RFC 9110, 5.3).
    let joined = |name: &str| {
        let lines: Vec<&str> =
            headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?")).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    let mut hops: Vec<Option<IpAddr>> = match (joined("x-forwarded-for"), joined("forwarded")) {
        (Some(list), _) => list.split(',').map(|hop| address(hop.trim())).collect(),
        (None, Some(list)) => match ForwardedHeaderValue::from_forwarded(&list) {
            Ok(value) => value.iter().map(|stanza| stanza.forwarded_for_ip()).collect(),
            Err(_) => Vec::new(),
        },
        (None, None) => Vec::new(),
    };
    hops.reverse();
    hops.into_iter()
}

/// An address, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use veritable_config::settings::Entry;

    use super::*;

    fn client_of(peer: Option<&str>, headers: &[(&'static str, &str)]) -> Option<String> {
        let origin = Origin {
            entry: Entry::Public,
            unix: peer.is_none(),
            peer: peer.map(|peer| SocketAddr::from((peer.parse::<IpAddr>().unwrap(), 1))),
            proxied: false,
            begun: false,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        client(&origin, &map, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_up_to_the_first_stranger() {
        let xff = "x-forwarded-for";
        for (peer, headers, expected) in [
            // A stranger says what he likes.
            (Some("192.0.2.1"), vec![(xff, "198.51.100.7")], Some("192.0.2.1")),
            (Some("192.0.2.1"), vec![("forwarded", "for=198.51.100.7")], Some("192.0.2.1")),
            // A proxy is believed, and what the client put left of its word is not.
            (Some("10.0.0.1"), vec![(xff, "198.51.100.7")], Some("198.51.100.7")),
            (Some("10.0.0.1"), vec![(xff, "203.0.113.9, 198.51.100.7")], Some("198.51.100.7")),
            (Some("10.0.0.1"), vec![(xff, "203.0.113.9"), (xff, "198.51.100.7")], Some("198.51.100.7")),
            // A chain of proxies is walked through.
            (Some("10.0.0.1"), vec![(xff, "198.51.100.7, 10.0.0.3, 10.0.0.2")], Some("198.51.100.7")),
            (Some("10.0.0.1"), vec![(xff, "10.0.0.3")], Some("10.0.0.3")),
            // Garbage ends the walk at the last hop that is known.
            (Some("10.0.0.1"), vec![(xff, "198.51.100.7, nonsense")], Some("10.0.0.1")),
            (Some("10.0.0.1"), vec![(xff, "")], Some("10.0.0.1")),
            (Some("10.0.0.1"), vec![(xff, "198.51.100.7, unknown, 10.0.0.2")], Some("10.0.0.2")),
            // Ways of writing.
            (Some("10.0.0.1"), vec![(xff, "198.51.100.7:4711")], Some("198.51.100.7")),
            (Some("10.0.0.1"), vec![(xff, "[2001:470::7]:4711")], Some("2001:470::7")),
            (Some("10.0.0.1"), vec![(xff, "[2001:470::7]")], Some("2001:470::7")),
            (Some("2001:db8::1"), vec![(xff, "::ffff:198.51.100.7")], Some("198.51.100.7")),
            (
                Some("10.0.0.1"),
                vec![("forwarded", "for=203.0.113.9, for=198.51.100.7;proto=http")],
                Some("198.51.100.7"),
            ),
            (Some("10.0.0.1"), vec![("forwarded", "for=\"[2001:470::7]:1\"")], Some("2001:470::7")),
            // Both headers: one of them is the client's; the older one, which every proxy sets, counts.
            (
                Some("10.0.0.1"),
                vec![(xff, "198.51.100.7"), ("forwarded", "for=203.0.113.9")],
                Some("198.51.100.7"),
            ),
            // A Unix socket is a proxy of this host.
            (None, vec![(xff, "198.51.100.7")], Some("198.51.100.7")),
            (None, vec![], None),
        ] {
            assert_eq!(client_of(peer, &headers).as_deref(), expected, "{peer:?} {headers:?}");
        }
    }

    #[test]
    fn proxy_headers_of_both_versions_are_read_and_nothing_else_is() {
        let v1 = b"PROXY TCP4 198.51.100.7 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\n";
        let source = Some("198.51.100.7:4711".parse().unwrap());
        let end = v1.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        assert_eq!(proxy_header(v1), ProxyHeader::Whole { bytes: end, source });
        for cut in 0..end {
            assert_eq!(proxy_header(&v1[..cut]), ProxyHeader::Part, "{cut}");
        }
        assert_eq!(proxy_header(b"PROXY UNKNOWN\r\n"), ProxyHeader::Whole { bytes: 15, source: None });
        let addresses = v2::IPv4::new([198, 51, 100, 7], [10, 0, 0, 1], 4711, 80);
        let header = v2::Builder::with_addresses(
            v2::Version::Two | v2::Command::Proxy,
            v2::Protocol::Stream,
            addresses,
        );
        let mut header = header.build().unwrap();
        let bytes = header.len();
        header.extend_from_slice(b"GET /");
        assert_eq!(proxy_header(&header), ProxyHeader::Whole { bytes, source });
        for cut in 0..bytes {
            assert_eq!(proxy_header(&header[..cut]), ProxyHeader::Part, "{cut}");
        }
        // A health check of the proxy itself.
        header[12] = 0x20;
        assert_eq!(proxy_header(&header), ProxyHeader::Whole { bytes, source: None });
        for none in
            [&b"GET / HTTP/1.1\r\n"[..], b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT?", &[0xFF; 64]]
        {
            assert_eq!(proxy_header(none), ProxyHeader::Absent, "{none:?}");
        }
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; PROXY_BYTES]].concat();
        assert_eq!(proxy_header(&endless), ProxyHeader::Absent);
    }
}
