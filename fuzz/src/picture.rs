//! What people upload: forms in parts, and pictures.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use veritable_worker::parsers;

/// Most bytes of a file here.
const MOST: u64 = 4_096;
/// What stands between the parts of the corpus' forms.
const FORM: &str = "multipart/form-data; boundary=frontier";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime without I/O"));

pub(crate) fn multipart(data: &[u8]) {
    let taken = RUNTIME.block_on(parsers::multipart(FORM, data.to_vec().into(), MOST));
    if let Ok((_, file)) = taken {
        assert!(file.len() as u64 <= MOST);
        // Nothing is made up: the file is a part of what came.
        assert!(file.is_empty() || data.windows(file.len()).any(|window| window == &file[..]));
    }
    // A boundary is the client's as well.
    if let Ok(content_type) = std::str::from_utf8(&data[..data.len().min(200)]) {
        let said = format!("multipart/form-data; boundary={content_type}");
        drop(RUNTIME.block_on(parsers::multipart(&said, data.to_vec().into(), MOST)));
    }
}

pub(crate) fn picture(data: &[u8]) {
    let Ok((made, width, height)) = parsers::picture(data) else { return };
    assert!(width > 0 && height > 0);
    // What is stored is a picture of the same size, and is made anew from itself.
    let again = parsers::picture(&made);
    assert!(matches!(again, Ok((_, w, h)) if (w, h) == (width, height)), "{again:?}");
}
