//! PROXY headers, versions 1 and 2, however they arrive.

use veritable_worker::parsers::proxy_header;

/// Longest one that is taken.
const MAX_BYTES: usize = 1_024;

pub(crate) fn check(data: &[u8]) {
    let whole = proxy_header(data);
    if let Ok((bytes, _)) = whole {
        assert!(bytes <= data.len(), "{bytes} of {}", data.len());
        assert_eq!(proxy_header(&data[..bytes]), whole, "what follows a header belongs to it");
    }
    if data.len() >= MAX_BYTES {
        assert_ne!(whole, Err(true), "more than the longest header is waited for");
    }
    // Bytes that arrive one by one say the same in the end, and nothing else on the way.
    for cut in (0..data.len().min(300)).rev() {
        match (proxy_header(&data[..cut]), whole) {
            (Ok(early), whole) => assert_eq!(Ok(early), whole, "{cut} bytes are a header, more are none"),
            (Err(false), whole) => assert!(whole.is_err(), "{cut} bytes are refused, more are a header"),
            (Err(true), _) => {}
        }
    }
}
