//! What goes between processes and is kept in the segment: frames of the writer's protocol, sessions, kept answers, and
//! packed drafts of the database.

use veritable_domain::account::Session;
use veritable_domain::codec::{self, Layout, SchemaRead, SchemaWrite};
use veritable_domain::{draft::Place, packed};
use veritable_worker::parsers;
use veritable_writer_api::frame::{
    FrameError, HELLO_BYTES, Hello, MAX_FRAME_BYTES, read_frame, read_message, to_frame,
};
use veritable_writer_api::message::{FromWriter, ToWriter};

pub(crate) fn check(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    match kind % 7 {
        0 => same_again::<ToWriter>(data),
        1 => same_again::<FromWriter>(data),
        2 => same_again::<Session>(data),
        3 => same_again::<Place>(data),
        4 => stream(data),
        5 => {
            // A place takes eight bytes at the least, and is filled with no more.
            assert!(parsers::kept(data.to_vec()).is_none_or(|bytes| bytes <= data.len()));
        }
        _ => {
            if let Some(value) = packed::unpack(data) {
                assert_eq!(packed::unpack(&packed::pack(&value)).as_ref(), Some(&value));
            }
        }
    }
}

/// What is read is written as it was read, so that nothing is understood in two ways.
fn same_again<T>(data: &[u8])
where
    T: SchemaWrite<Layout, Src = T> + for<'de> SchemaRead<'de, Layout, Dst = T> + PartialEq + std::fmt::Debug,
{
    if let Ok(value) = codec::decode::<T>(data) {
        assert_eq!(codec::encode(&value).ok().as_deref(), Some(data), "{value:?}");
    }
}

/// A whole connection's bytes: a hello, then frames.
fn stream(data: &[u8]) {
    let Some((hello, mut frames)) = data.split_first_chunk::<HELLO_BYTES>() else { return };
    assert_eq!(Hello::check(*hello).is_ok(), *hello == Hello::bytes());
    loop {
        let before = frames;
        match read_message::<ToWriter>(&mut frames) {
            Ok(Some(message)) => {
                assert!(before.len() > frames.len());
                let frame = to_frame(&message).expect("it came in a frame");
                assert_eq!(frame, before[..before.len() - frames.len()]);
            }
            Ok(None) | Err(FrameError::Io(_)) => break,
            Err(FrameError::TooLong { bytes }) => {
                assert!(bytes > MAX_FRAME_BYTES);
                break;
            }
            Err(_) => {
                let mut again = before;
                assert!(read_frame(&mut again).is_ok(), "the frame itself was whole");
            }
        }
    }
}
